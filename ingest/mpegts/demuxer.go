package mpegts

import (
	"bytes"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4/codec"
	"github.com/shoalcast/shoal/ingest/media"
)

// Sink takes what a Demuxer finds. An error ends the stream: Write and Flush return it.
type Sink interface {
	// Config describes a track, before its first access unit and when it changes.
	Config(media.Config) error
	// Push takes the next access unit of either track, in decode order of its track.
	// Its Data belongs to the Sink.
	Push(media.AccessUnit) error
}

// Options configure a Demuxer.
type Options struct {
	Sink Sink
	// Program is the number of the program to take. Default: the first that has video,
	// or, if none has, the first that has audio.
	Program uint16
	// Warn is told what was dropped or passed over. Default: nobody is told.
	Warn func(Warning)
	// Now tells when bytes arrived. Default time.Now.
	Now func() time.Time
}

const (
	packetSize = 188
	syncByte   = 0x47

	// confirm is how many further sync bytes, each a packet on, it takes to believe one
	// where packets may begin anywhere.
	confirm = 2

	// maxPES is the most bytes of a PES packet that are put together, as many as a
	// message of RTMP may have.
	maxPES = 8 << 20

	// patience is how many packets (about 4 MB) may pass without tables before that is
	// worth a warning, or before a program is chosen though others lack theirs.
	patience = 20_000
)

// Demuxer turns one transport stream into access units. It is used by one goroutine at
// a time, and holds at most one PES packet of each track.
type Demuxer struct {
	opts     Options
	warnings warnings
	now      time.Time // when the bytes at hand arrived
	err      error     // the Sink's

	synced bool
	rest   []byte // bytes that are no whole packet yet

	tables  tables
	packets int // since the tables were asked for

	tracks [2]*track // by media.Kind; nil where the program has none
	clock  media.Unwrapper
	last   [2]media.Config // what the Sink knows
}

// New returns a Demuxer for one stream.
func New(o Options) *Demuxer {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Demuxer{
		opts:     o,
		warnings: warnings{Warnings: media.Warnings{Tell: o.Warn}},
		clock:    media.Unwrapper{Bits: 33},
		rest:     make([]byte, 0, (confirm+1)*packetSize),
		tables:   newTables(),
	}
}

// Write takes the next bytes of the stream, however they are cut, and pushes what they
// complete. It fails only when the Sink does, and from then on always.
func (d *Demuxer) Write(p []byte) (int, error) {
	n := len(p)
	d.now = d.opts.Now()
	for len(p) > 0 && d.err == nil {
		if len(d.rest) == 0 {
			used := d.scan(p)
			d.rest = append(d.rest, p[used:]...)
			break
		}
		need := packetSize
		if !d.synced {
			need = confirm*packetSize + 1
		}
		k := max(0, min(len(p), need-len(d.rest)))
		d.rest = append(d.rest, p[:k]...)
		p = p[k:]
		if len(d.rest) >= need {
			used := d.scan(d.rest)
			d.rest = d.rest[:copy(d.rest, d.rest[used:])]
		}
	}
	if d.err != nil {
		return 0, d.err
	}
	return n, nil
}

// Flush pushes what is whole at the stream's end. Nothing may be written after it. The
// last picture counts as whole though nothing follows that would show a loss.
func (d *Demuxer) Flush() error {
	// The last ones after a loss of sync: what would confirm them does not come.
	for b := d.rest; len(b) >= packetSize && b[0] == syncByte && d.err == nil; b = b[packetSize:] {
		d.packet((*[packetSize]byte)(b))
	}
	d.rest = d.rest[:0]
	for _, t := range d.tracks {
		if t != nil {
			t.end()
		}
	}
	return d.err
}

// scan takes all packets that b has and returns how many bytes it is through with.
// What it leaves is less than a packet, or than it takes to find one.
func (d *Demuxer) scan(b []byte) int {
	at := 0
	for d.err == nil {
		if !d.synced {
			skip, found := findSync(b[at:])
			if skip > 0 {
				d.warnings.Add(d.now, LostSync, "%d bytes that are no packets of a transport stream were passed over", skip)
			}
			at += skip
			if !found {
				return at
			}
			d.synced = true
		}
		if len(b)-at < packetSize {
			return at
		}
		if b[at] != syncByte {
			d.synced = false
			continue
		}
		d.packet((*[packetSize]byte)(b[at:]))
		at += packetSize
	}
	return at
}

// findSync looks for a sync byte that others follow, each a packet later: alone, it is
// a byte like any other. It returns how many bytes are none.
func findSync(b []byte) (skip int, found bool) {
	for skip < len(b) {
		k := bytes.IndexByte(b[skip:], syncByte)
		if k < 0 {
			return len(b), false
		}
		skip += k
		for n := 1; ; n++ {
			if n > confirm {
				return skip, true
			}
			if skip+n*packetSize >= len(b) {
				return skip, false
			}
			if b[skip+n*packetSize] != syncByte {
				break
			}
		}
		skip++
	}
	return skip, false
}

// config tells the Sink of a track's parameters, if they are new and can be read.
func (d *Demuxer) config(cfg media.Config) bool {
	known := &d.last[cfg.Codec.Kind()]
	if known.Codec == cfg.Codec && bytes.Equal(known.Record, cfg.Record) {
		return true
	}
	if _, err := codec.Parse(cfg); err != nil {
		d.warnings.Add(d.now, BadConfig, "parameters of %s cannot be used: %v", cfg.Codec, err)
		return false
	}
	if d.err != nil {
		return false
	}
	*known = cfg
	if err := d.opts.Sink.Config(media.Config{Codec: cfg.Codec, Record: bytes.Clone(cfg.Record)}); err != nil {
		d.err = fmt.Errorf("pass on the configuration of %s: %w", cfg.Codec.Kind(), err)
		return false
	}
	return true
}

func (d *Demuxer) push(au media.AccessUnit) {
	if d.err != nil {
		return
	}
	if err := d.opts.Sink.Push(au); err != nil {
		d.err = fmt.Errorf("pass on %s: %w", au.Kind, err)
	}
}

// unwrap puts a PES packet's times on the clock that both tracks share.
func (d *Demuxer) unwrap(dts, pts uint64) (event.Ticks, event.Ticks) {
	at := event.Ticks(d.clock.Unwrap(dts))
	const unused = 64 - 33
	return at, at + event.Ticks(int64((pts-dts)<<unused)>>unused)
}
