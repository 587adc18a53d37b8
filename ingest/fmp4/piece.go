package fmp4

import (
	"math"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
)

// cut hands out the open piece, which has pictures and ends at the given decode time.
func (c *Chunker) cut(end event.Ticks) {
	v, video := &c.video, c.piece.video
	last := len(video) - 1
	for i := range video {
		if i > 0 {
			video[i].decode = int64(video[i].dts)
			video[i-1].duration = video[i].decode - video[i-1].decode
		}
	}
	video[last].duration = max(1, int64(end)-video[last].decode)
	v.continues, v.end = true, max(end, video[last].dts+1)
	pts := video[0].pts
	for i := range video {
		pts = min(pts, video[i].pts)
	}
	c.emit(Chunk{
		Key:      video[0].key,
		PTS:      pts,
		Duration: end - video[0].dts,
		Target:   c.segment.bound(c.target, v.frameExact()),
		Arrived:  video[0].arrived,
		Received: c.piece.received,
	}, video, c.piece.audio)
	clear(video)
	clear(c.piece.audio)
	c.piece.video, c.piece.audio, c.piece.bytes = video[:0], c.piece.audio[:0], 0
}

// cutAudio hands out a piece of the first n audio frames of an open piece that has no
// pictures. A decoder can start there when the init has no video either.
func (c *Chunker) cutAudio(n int) {
	info, audio := c.has[media.Audio], c.piece.audio[:n]
	last := audio[n-1]
	frame := c.video.frameExact()
	if !c.hasVideo() {
		frame = float64(last.duration) * event.Timescale / float64(info.Timescale)
	} else if bound := c.segment.bound(c.target, frame); c.segment.full(audio[0].pts, c.maxSegment, bound, 0) {
		c.segment.next(audio[0].pts)
	}
	c.emit(Chunk{
		Key:      !c.hasVideo(),
		PTS:      audio[0].pts,
		Duration: c.audio.ticks(info, last.decode+last.duration) - audio[0].pts,
		Target:   c.segment.bound(c.target, frame),
		Arrived:  audio[0].arrived,
		Received: last.arrived,
	}, nil, audio)
	for i := range audio {
		c.piece.bytes -= len(audio[i].data)
	}
	rest := copy(c.piece.audio, c.piece.audio[n:])
	clear(c.piece.audio[rest:])
	c.piece.audio = c.piece.audio[:rest]
}

// cutOpen hands out what is open, whether it is complete or not.
func (c *Chunker) cutOpen() {
	if len(c.piece.video) > 0 {
		c.cut(c.expectedEnd())
	} else if n := len(c.piece.audio); n > 0 {
		c.cutAudio(n)
	}
}

// emit completes a chunk.
func (c *Chunker) emit(ch Chunk, video, audio []sample) {
	if c.init != c.told {
		c.told = c.init
		if f := c.video.rate.frame(); f > 0 && c.hasVideo() && c.init.FrameRate == 0 {
			c.init.FrameRate = math.Round(event.Timescale/f*1000) / 1000
		}
	}
	c.segment.target = ch.Target
	ch.Duration = min(max(ch.Duration, 1), ch.Target)
	c.segment.sum += ch.Duration
	ch.Segment = c.segment.index
	ch.Init = c.init
	c.sequence++
	ch.Data = fragment(c.sequence, video, audio)
	c.out = append(c.out, ch)
}
