package main

import (
	"context"
	"io"
	"time"
)

// The clock picture carries the wall clock in its upper third as black and white cells,
// so that a page can read from what it shows when the camera saw it: 48 bits of Unix
// milliseconds, most significant first, row by row.
const (
	clockWidth  = 640
	clockHeight = 360
	cellSize    = 40
	cellColumns = clockWidth / cellSize
	clockBits   = 48
	clockFPS    = 30
)

// writeClock writes raw yuv420p frames in real time until ctx ends or w fails.
func writeClock(ctx context.Context, w io.Writer) {
	const luma = clockWidth * clockHeight
	frame := make([]byte, luma*3/2)
	tick := time.NewTicker(time.Second / clockFPS)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		drawScenery(frame[:luma], frame[luma:], n)
		drawTime(frame[:luma], time.Now().UnixMilli())
		if _, err := w.Write(frame); err != nil {
			return
		}
	}
}

func drawTime(luma []byte, ms int64) {
	for bit := range clockBits {
		level := byte(16)
		if ms>>(clockBits-1-bit)&1 == 1 {
			level = 235
		}
		x0, y0 := bit%cellColumns*cellSize, bit/cellColumns*cellSize
		for y := y0; y < y0+cellSize; y++ {
			row := luma[y*clockWidth+x0:][:cellSize]
			for x := range row {
				row[x] = level
			}
		}
	}
}

// drawScenery moves bars below the clock, so that the encoder has something to do.
func drawScenery(luma, chroma []byte, n int) {
	for y := clockBits / cellColumns * cellSize; y < clockHeight; y++ {
		row := luma[y*clockWidth:][:clockWidth]
		for x := range row {
			row[x] = byte(16 + (x+y*2+n*5)%200)
		}
	}
	for i := range chroma {
		chroma[i] = byte(100 + (i/7+n)%56)
	}
}
