package fmp4

import (
	"bytes"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// Chunker turns one publish into chunks. It is used by one goroutine at a time and
// holds at most about one piece.
type Chunker struct {
	opts       Options
	target     event.Ticks
	maxSegment event.Ticks
	warnings   media.Warnings

	want [2]*codec.Info // as last described
	has  [2]*codec.Info // as the current init says; nil where it lacks the track
	gone [2]bool        // the track fell silent, so an init should lack it

	queue   startQueue
	running bool // pieces have begun
	time    timeline

	video videoState
	audio audioState

	init     *Init
	told     *Init // the newest that a chunk carried
	segment  segment
	piece    piece
	sequence uint32
	out      []Chunk
}

// piece is the one that is open.
type piece struct {
	video, audio []sample
	bytes        int // of their data
	received     time.Time
}

// maxSamples bounds a piece's samples, which may be empty or have no length.
const maxSamples = 4096

// New returns a Chunker for one epoch.
func New(o Options) *Chunker {
	o = o.withDefaults()
	return &Chunker{
		opts:       o,
		target:     event.TicksOf(o.Target),
		maxSegment: event.TicksOf(o.MaxSegment),
		warnings:   media.Warnings{Tell: o.Warn},
		video:      videoState{needKey: true},
	}
}

// Config describes a track, before its first access unit or when its parameters
// change. A change takes effect at the next keyframe (without video, at once), with
// a new Init; describing a track again as it is changes nothing. An error means that
// the record is unusable and the track is left as it was.
func (c *Chunker) Config(cfg media.Config) error {
	info, err := codec.Parse(cfg)
	if err != nil {
		return err
	}
	k := cfg.Codec.Kind()
	for _, known := range [...]*codec.Info{c.want[k], c.has[k]} {
		if known != nil && known.Codec == info.Codec && bytes.Equal(known.Record, info.Record) {
			c.want[k] = known
			return nil
		}
	}
	info.Record = bytes.Clone(info.Record)
	if !c.running {
		c.queue.drop(k) // described otherwise, or not at all
	}
	c.want[k] = &info
	if k == media.Video {
		c.video.needKey = true
		c.video.rate.stated = 0
		if info.FrameRate > 0 {
			c.video.rate.stated = event.Timescale / info.FrameRate
		}
	}
	return nil
}

// Push adds one access unit and returns the chunks it completes, oldest first,
// usually none or one. The Chunker keeps au.Data until its chunk is returned. Bad
// access units are repaired or dropped with a warning; an error means that the caller
// made one that is neither video nor audio.
func (c *Chunker) Push(au media.AccessUnit) ([]Chunk, error) {
	if au.Kind > media.Audio {
		return nil, fmt.Errorf("cut pieces: an access unit of kind %d is neither video nor audio", au.Kind)
	}
	c.out = nil
	if s, ok := c.admit(au); ok {
		if c.running {
			c.add(s)
		} else {
			c.enqueue(s)
		}
	}
	return c.out, nil
}

// Flush returns what is left at the publish's end. Nothing may be pushed after it.
func (c *Chunker) Flush() []Chunk {
	c.out = nil
	if !c.running {
		c.begin()
	}
	c.cutOpen()
	return c.out
}

// admit checks an access unit and puts it on the timeline.
func (c *Chunker) admit(au media.AccessUnit) (sample, bool) {
	k := au.Kind
	info := c.want[k]
	switch {
	case info == nil:
		c.warnings.Add(au.Arrived, NoConfig, "%s came without its configuration and was dropped", k)
		return sample{}, false
	case len(au.Data) == 0:
		c.warnings.Add(au.Arrived, Malformed, "an empty %s access unit was dropped", k)
		return sample{}, false
	}
	s := sample{kind: k, key: au.Key, data: au.Data, arrived: au.Arrived}
	if k == media.Audio {
		s.key = true
		if !c.audio.measure(info, &s) {
			c.warnings.Add(au.Arrived, Malformed, "a malformed audio packet was dropped")
			return sample{}, false
		}
	} else if info.Width == 0 && !c.findSize(au) {
		return sample{}, false
	}
	stamp := au.DTS
	if k == media.Audio {
		stamp = au.PTS
	}
	t, leap := c.time.place(k, stamp)
	if leap != 0 {
		c.warnings.Add(au.Arrived, ClockJump,
			"the encoder's clock jumped by %+.1f s in its %s timestamps; the timeline was joined", float64(leap)/event.Timescale, k)
	}
	s.dts, s.pts = t, t
	if k == media.Audio {
		c.time.advance(k, t+c.audio.ticks(info, s.duration))
		return s, true
	}
	c.video.step(t, leap != 0)
	c.time.advance(k, t+c.video.frame())
	const far = 10 * event.Timescale
	stamp = min(max(stamp, -maxTimestamp), maxTimestamp)
	if d := min(max(au.PTS, -2*maxTimestamp), 2*maxTimestamp) - stamp; d >= -far && d <= far {
		s.pts = t + d
	} else {
		c.warnings.Add(au.Arrived, BadPresentTime, "a picture's presentation time is %.0f s from its decode time and was put there", float64(d)/event.Timescale)
	}
	return s, true
}

// findSize looks for the sequence header that an AV1 record lacked.
func (c *Chunker) findSize(au media.AccessUnit) bool {
	if au.Key {
		info := *c.want[media.Video]
		if err := codec.AV1Sequence(&info, au.Data); err == nil {
			c.want[media.Video] = &info
			return true
		}
	}
	c.warnings.Add(au.Arrived, NotDecodable, "pictures before the first sequence header were dropped")
	return false
}

// add puts a sample into the open piece, or into the next one.
func (c *Chunker) add(s sample) {
	if s.kind == media.Video {
		c.addVideo(s)
	} else {
		c.addAudio(s)
	}
}

// hasVideo reports whether pieces are cut by video now.
func (c *Chunker) hasVideo() bool { return c.has[media.Video] != nil }

// desired is what a new init would describe.
func (c *Chunker) desired() [2]*codec.Info {
	d := c.want
	for k := range d {
		if c.gone[k] {
			d[k] = nil
		}
	}
	return d
}

// describe makes the init segment of the given tracks and starts a segment with it.
func (c *Chunker) describe(tracks [2]*codec.Info, t event.Ticks) {
	if c.has[media.Audio] != tracks[media.Audio] {
		c.audio.synced = false
	}
	c.has = tracks
	c.init = makeInit(tracks[media.Video], tracks[media.Audio])
	c.video.continues = false
	c.segment.next(t)
}

// fits reports whether a sample of n bytes could be in any piece.
func (c *Chunker) fits(n int) bool { return n+maxPerFrame+maxOverhead <= c.opts.MaxPiece }

// room cuts the open piece when a sample of n bytes cannot be in it.
func (c *Chunker) room(n int) {
	count := len(c.piece.video) + len(c.piece.audio)
	if c.piece.bytes+n+maxPerFrame*(count+1)+maxOverhead > c.opts.MaxPiece || count >= maxSamples {
		c.cutOpen()
	}
}
