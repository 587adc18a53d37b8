package rtmptest

import (
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
)

// loopChunk is the chunk size of a Loop: with few frames larger than it, a message is
// one header and one body.
const loopChunk = 1 << 20

// Loop is a clip made ready to be published in real time, over and over, with times
// that go on. It may be shared by any number of publishers, and costs each little:
// messages are serialised once, only their headers are written anew.
type Loop struct {
	clip    *Clip
	entries []entry
	length  event.Ticks
	bytes   int
}

type entry struct {
	kind   media.Kind
	key    bool
	dts    event.Ticks
	pts    event.Ticks
	id     uint32
	header chunk.Message // with an empty payload
	body   []byte
}

// NewLoop makes a loop of a clip. Its length is the video's, or the audio's when
// there is none; audio beyond it is left out, so that the tracks stay together.
func NewLoop(clip *Clip) (*Loop, error) {
	l := &Loop{clip: clip, length: clip.Length()}
	if l.length == 0 {
		return nil, fmt.Errorf("make a loop: the clip is empty")
	}
	for _, u := range clip.Round(0) {
		id, m := unitMessage(nil, u.Codec, u.AccessUnit)
		if len(m.Payload) > loopChunk {
			return nil, fmt.Errorf("make a loop: an access unit of %d bytes", len(m.Payload))
		}
		e := entry{kind: u.Kind, key: u.Key, dts: u.DTS, pts: u.PTS, id: id, header: m, body: m.Payload}
		l.entries = append(l.entries, e)
		l.bytes += len(m.Payload)
	}
	return l, nil
}

// Length is the media time of one round.
func (l *Loop) Length() time.Duration { return l.length.Duration() }

// BitsPerSecond is what a publisher of the loop sends on average.
func (l *Loop) BitsPerSecond() float64 { return float64(l.bytes) * 8 / l.Length().Seconds() }

// Sent tells of a video frame that was published.
type Sent struct {
	Frame   int           // counted from 0
	PTS     time.Duration // presentation time as it was sent
	Key     bool
	Written time.Time // when its last byte had been written to the connection
}

// PublishOptions of Loop.Publish.
type PublishOptions struct {
	Options
	Start event.Ticks   // time of the first access unit
	For   time.Duration // media time to publish; 0: until the context ends
	Fast  bool          // as fast as the server takes it, instead of in real time
	// OnVideo is told of each video frame; it must not block.
	OnVideo func(Sent)
}

// Publish connects and publishes until the time is up, the context ends (both are no
// error) or the server ends it.
func (l *Loop) Publish(ctx context.Context, rawURL string, o PublishOptions) error {
	o.ChunkSize = loopChunk
	c, err := Dial(ctx, rawURL, o.Options)
	if err != nil {
		return err
	}
	for _, t := range l.clip.tracks() {
		if err := c.Config(t.Config, uint32(floorMS(o.Start))); err != nil {
			c.Abandon()
			return err
		}
	}
	if err := l.play(ctx, c, o); err != nil {
		c.Abandon()
		return err
	}
	return c.Close()
}

func (l *Loop) play(ctx context.Context, c *Client, o PublishOptions) error {
	frame := 0
	var head [18]byte
	var parts [2][]byte
	begin := time.Now()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for round := event.Ticks(0); ; round++ {
		for i := range l.entries {
			e := &l.entries[i]
			at := e.dts + round*l.length
			if o.For > 0 && at >= event.TicksOf(o.For) {
				return nil
			}
			if !o.Fast {
				timer.Reset(time.Until(begin.Add(at.Duration())))
				select {
				case <-timer.C:
				case <-ctx.Done():
					return nil
				case <-c.done:
					return fmt.Errorf("the server ended the publish: %w", c.Status())
				}
			} else if ctx.Err() != nil {
				return nil
			}
			ms := uint32(floorMS(o.Start + at))
			parts[0], parts[1] = e.appendHeader(head[:0], ms), e.body
			bufs := net.Buffers(parts[:])
			if err := c.conn.SetWriteDeadline(time.Now().Add(c.options.Timeout)); err != nil {
				return writer{c}.explain(err)
			}
			if _, err := bufs.WriteTo(c.conn); err != nil {
				return writer{c}.explain(err)
			}
			if e.kind == media.Video && o.OnVideo != nil {
				pts := event.Ticks(floorMS(o.Start+at)+floorMS(e.pts)-floorMS(e.dts)) * ticksPerMS
				o.OnVideo(Sent{Frame: frame, PTS: pts.Duration(), Key: e.key, Written: time.Now()})
			}
			if e.kind == media.Video {
				frame++
			}
		}
	}
}

// appendHeader writes the chunk header of type 0; the body follows as one chunk.
func (e *entry) appendHeader(b []byte, ms uint32) []byte {
	n := len(e.body)
	ts := min(ms, 0xFFFFFF)
	b = append(b, byte(e.id), byte(ts>>16), byte(ts>>8), byte(ts),
		byte(n>>16), byte(n>>8), byte(n), e.header.Type, streamID, 0, 0, 0)
	if ts == 0xFFFFFF {
		b = binary.BigEndian.AppendUint32(b, ms)
	}
	return b
}
