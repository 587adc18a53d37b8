package rtmp

import (
	"bytes"
	"fmt"
	"log/slog"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
	"github.com/shoalcast/shoal/ingest/rtmp/flv"
)

// publish is one publish in progress.
type publish struct {
	sink     Sink
	request  Request
	streamID uint32
	log      *slog.Logger
	metrics  *Metrics
	rates    *rates
	started  time.Time

	clock  media.Unwrapper // of both tracks: they share it
	tracks [2]track        // by media.Kind
	units  [2]int
	warned map[string]bool
	others []string // further tracks, named in one warning
}

// track is the configuration that holds; no record: none yet.
type track struct {
	codec  media.Codec
	record []byte
}

// message passes on what a message on the publish's stream carries.
func (p *publish) message(m chunk.Message, arrived time.Time) error {
	switch m.Type {
	case chunk.TypeVideo:
		pk, err := flv.ParseVideo(m.Payload)
		if err != nil {
			return err
		}
		return p.packet(media.Video, pk, m.Timestamp, arrived)
	case chunk.TypeAudio:
		pk, err := flv.ParseAudio(m.Payload)
		if err != nil {
			return err
		}
		return p.packet(media.Audio, pk, m.Timestamp, arrived)
	case chunk.TypeDataAMF0:
		p.data(m.Payload)
	case chunk.TypeDataAMF3:
		if len(m.Payload) > 0 {
			p.data(m.Payload[1:])
		}
	case chunk.TypeAggregate:
		return p.aggregate(m, arrived)
	}
	return nil
}

// aggregate unpacks section 7.1.6: FLV tags with their headers and back pointers,
// whose times are relative to the first's.
func (p *publish) aggregate(m chunk.Message, arrived time.Time) error {
	const header, back = 11, 4
	b := m.Payload
	var base uint32
	for first := true; len(b) > 0; first = false {
		if len(b) < header {
			return fmt.Errorf("read aggregate message: %w", flv.ErrShort)
		}
		n := int(b[1])<<16 | int(b[2])<<8 | int(b[3])
		ts := uint32(b[7])<<24 | uint32(b[4])<<16 | uint32(b[5])<<8 | uint32(b[6])
		if first {
			base = ts
		}
		if len(b) < header+n {
			return fmt.Errorf("read aggregate message: %w", flv.ErrShort)
		}
		sub := chunk.Message{
			Type: b[0], Timestamp: m.Timestamp + ts - base, StreamID: m.StreamID,
			Payload: b[header : header+n : header+n],
		}
		b = b[min(header+n+back, len(b)):]
		if sub.Type == chunk.TypeAggregate {
			continue // none inside another
		}
		if err := p.message(sub, arrived); err != nil {
			return err
		}
	}
	return nil
}

func (p *publish) packet(kind media.Kind, pk flv.Packet, timestamp uint32, arrived time.Time) error {
	for _, id := range pk.Others {
		p.other(kind, id)
	}
	t := &p.tracks[kind]
	switch pk.What {
	case flv.Config:
		return p.config(t, pk)
	case flv.Frame:
	default:
		return nil
	}
	if pk.Key && kind == media.Video {
		p.warnOthers()
	}
	if t.codec != pk.Codec {
		p.warn(fmt.Sprintf("dropped %s that came before its configuration", kind), "codec", pk.Codec)
		return nil
	}
	const ticksPerMS = event.Timescale / 1000
	dts := event.Ticks(p.clock.Unwrap(uint64(timestamp)))*ticksPerMS + event.Ticks(pk.Nanos)*ticksPerMS/1_000_000
	p.units[kind]++
	p.metrics.Units.WithLabelValues(kind.String()).Inc()
	err := p.sink.Push(media.AccessUnit{
		Kind: kind, DTS: dts, PTS: dts + event.Ticks(pk.Composition)*ticksPerMS,
		Key: pk.Key, Data: pk.Body, Arrived: arrived,
	})
	if err != nil {
		return refused(CauseSink, "pass on "+kind.String(), err)
	}
	return nil
}

func (p *publish) config(t *track, pk flv.Packet) error {
	if t.codec == pk.Codec && bytes.Equal(t.record, pk.Body) {
		return nil // encoders repeat it at keyframes
	}
	t.codec, t.record = pk.Codec, bytes.Clone(pk.Body)
	if err := p.sink.Config(media.Config{Codec: pk.Codec, Record: pk.Body}); err != nil {
		return refused(CauseSink, "pass on the configuration of "+pk.Codec.Kind().String(), err)
	}
	return nil
}

// warn logs what is worth one line a publish.
func (p *publish) warn(msg string, args ...any) {
	if p.warned[msg] {
		return
	}
	if p.warned == nil {
		p.warned = make(map[string]bool)
	}
	p.warned[msg] = true
	p.log.Warn(msg, args...)
}

// other remembers a track that is passed over until the next keyframe, when most of
// them have shown themselves.
func (p *publish) other(kind media.Kind, id uint8) {
	name := kind.String() + " " + strconv.Itoa(int(id))
	if len(p.others) < flv.MaxOthers && !slices.Contains(p.others, name) {
		p.others = append(p.others, name)
	}
}

func (p *publish) warnOthers() {
	if len(p.others) > 0 {
		p.warn("only track 0 of each kind is carried; others are passed over", "tracks", strings.Join(p.others, ", "))
	}
}

// data handles a data message. Only metadata is of interest; what cannot be read is
// no reason to end a publish.
func (p *publish) data(payload []byte) {
	vs, err := amf.Decode(payload)
	if err != nil {
		p.warn("could not read a data message", "error", err)
		return
	}
	if name, _ := arg[string](vs, 0); name == "@setDataFrame" {
		vs = vs[1:]
	}
	name, _ := arg[string](vs, 0)
	if name != "onMetaData" || len(vs) < 2 {
		return
	}
	if s, ok := p.sink.(MetadataSink); ok {
		s.Metadata(metadataOf(vs[1]))
	}
}

func metadataOf(v amf.Value) Metadata {
	dimension := func(name string) int {
		if f := amf.Number(v, name); f >= 1 && f <= 1<<16 {
			return int(f)
		}
		return 0
	}
	positive := func(name string) float64 {
		if f := amf.Number(v, name); f > 0 && f < 1e9 { // neither NaN nor infinite
			return f
		}
		return 0
	}
	return Metadata{
		Encoder: clip(amf.String(v, "encoder"), 128),
		Width:   dimension("width"), Height: dimension("height"),
		FrameRate: positive("framerate"),
		VideoKbps: positive("videodatarate"), AudioKbps: positive("audiodatarate"),
	}
}

// end tells the sink and the log.
func (p *publish) end(f *fault) {
	p.warnOthers()
	log := p.log.With("lasted", time.Since(p.started).Round(time.Millisecond),
		"video", p.units[media.Video], "audio", p.units[media.Audio])
	if f == nil {
		log.Info("a publish ended")
		p.sink.Close(nil)
		return
	}
	if f.cause == "" {
		log.Info("a publish was ended", "error", f.err)
	} else {
		log.Warn("a publish broke off", "cause", f.cause, "error", f.err)
	}
	p.sink.Close(f)
}
