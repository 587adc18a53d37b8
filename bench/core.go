package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

const (
	coreLength   = 10 * time.Second // of each of the benchmark's six cases
	coreEvents   = 300_000
	windowLength = 30 * time.Second
)

var blocksLine = regexp.MustCompile(`BenchmarkBlocks/hash=(\S+)/children=(\d)\S*\s.*?([\d.e+]+) events/s`)

// benchCore counts what one core of a machine does of a node's work, and measures the
// memory of a node whose window is full.
func benchCore(ctx context.Context, r *report, o options) error {
	out, err := exec.CommandContext(ctx, "go", "test", "./swarm", "-run", "^$", "-bench", "Blocks", "-cpu", "1",
		"-benchtime", o.orLength(coreLength).String()).CombinedOutput()
	if err != nil {
		return fmt.Errorf("go test -bench Blocks: %w: %s", err, out)
	}
	cases := blocksLine.FindAllSubmatch(out, -1)
	if len(cases) == 0 {
		return fmt.Errorf("no figures in: %s", out)
	}
	for _, m := range cases {
		events, err := strconv.ParseFloat(string(m[3]), 64)
		if err != nil {
			return fmt.Errorf("read %q: %w", m[0], err)
		}
		what, figure := fmt.Sprintf("block events a second, one in and %s out", m[2]), fmt.Sprintf("%.0f", events)
		if string(m[1]) == "false" {
			r.add(what, figure, "≥ 300000", events >= coreEvents)
		} else {
			r.note(what+", its SHA-256 included", figure)
		}
	}
	for _, mbps := range []int64{2, 20} {
		heap, err := windowHeap(mbps * 1e6)
		if err != nil {
			return err
		}
		window := mbps * 1e6 / 8 * int64(windowLength/time.Second)
		r.add(fmt.Sprintf("heap of a node whose window is full, %d Mbps, %.1f MB", mbps, float64(window)/1e6), fmt.Sprintf("%.1f MB, %+.1f %%", float64(heap)/1e6, 100*float64(heap-window)/float64(window)),
			"≤ window + 20 %", heap <= window+window/5)
	}
	return nil
}

// windowHeap has a node receive a stream, in frames as connections allocate them, until its
// window has been full for a while, and returns the heap it takes.
func windowHeap(bitrate int64) (int64, error) {
	before := heapInUse()
	n, err := filledNode(bitrate)
	if err != nil {
		return 0, err
	}
	heap := heapInUse() - before
	runtime.KeepAlive(n)
	return heap, nil
}

func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what finalizers and pools let go of
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func filledNode(bitrate int64) (*swarm.Node, error) {
	c, err := newCreator()
	if err != nil {
		return nil, err
	}
	v, err := c.verifier()
	if err != nil {
		return nil, err
	}
	n := swarm.New(swarm.Config{Stream: c.stream, ID: swarm.PeerID{1}, Verifier: v, Up: swarm.Unlimited, Wants: []event.Rendition{event.Source}, NoOrigin: true})
	const conn = swarm.Conn(1)
	var now swarm.Time
	var encoder swarm.Encoder
	var decoder swarm.Decoder
	var pieces int
	receive := func(m swarm.Message) error {
		frames, err := encoder.Encode(nil, m)
		if err != nil {
			return err
		}
		for _, f := range frames {
			frame := make([]byte, len(f)) // as a connection does
			copy(frame, f)
			decoded, err := decoder.Decode(frame)
			if err != nil {
				return err
			}
			if decoded != nil {
				n.Receive(now, conn, decoded)
			}
			pieces += len(n.Effects().Pieces)
		}
		return nil
	}
	n.Connected(now, conn, swarm.Info{})
	if err := errors.Join(
		receive(&swarm.Hello{Version: swarm.Version, Stream: c.stream, ID: swarm.PeerID{2}, Role: swarm.Seed, Up: 1e6}),
		receive(&swarm.Credit{Limit: 1 << 40}),
	); err != nil {
		return nil, err
	}
	data := make([]byte, bitrate/8*int64(pieceTime)/int64(time.Second))
	fed := int(windowLength*3/2/pieceTime) + 1
	for range fed {
		now += pieceTime
		n.Tick(now)
		n.Effects()
		_, _ = rand.Read(data) // never fails
		head, err := c.sign(data)
		if err != nil {
			return nil, err
		}
		if err := receive(head); err != nil {
			return nil, err
		}
		for i := range head.Blocks() {
			b := &swarm.Block{Key: head.Key(), Index: i, Data: data[i*event.BlockSize:][:head.BlockLen(i)]}
			if err := receive(b); err != nil {
				return nil, err
			}
		}
	}
	if pieces != fed {
		return nil, fmt.Errorf("the node has made %d pieces whole of %d", pieces, fed)
	}
	return n, nil
}
