package fmp4_test

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/ingest/fmp4"
)

// written is a sample as a fragment's boxes describe it, read without the writer's
// code.
type written struct {
	track              uint32
	dts, pts, duration int64
	key                bool
	data               []byte
}

type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.err = errors.New("a box ends early")
		return make([]byte, max(0, min(n, 8)))
	}
	out := r.b[:n]
	r.b = r.b[n:]
	return out
}

func (r *reader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }

func (r *reader) box() (string, reader) {
	n := int(r.u32())
	kind := string(r.take(4))
	return kind, reader{b: r.take(n - 8), err: r.err}
}

// readChunk reads a chunk: one moof, one mdat, every byte of it some sample's.
func readChunk(c fmp4.Chunk) ([]written, error) {
	r := reader{b: c.Data}
	kind, moof := r.box()
	size := len(c.Data) - len(r.b)
	mdatKind, mdat := r.box()
	if r.err != nil || kind != "moof" || mdatKind != "mdat" || len(r.b) != 0 {
		return nil, fmt.Errorf("a chunk of %s and %s: %w", kind, mdatKind, r.err)
	}
	var out []written
	at := size + 8
	for len(moof.b) > 0 && moof.err == nil {
		kind, box := moof.box()
		if kind != "traf" {
			continue
		}
		samples, err := readTraf(c.Data, box, &at)
		if err != nil {
			return nil, err
		}
		out = append(out, samples...)
	}
	if at != len(c.Data) || len(mdat.b) != len(c.Data)-size-8 {
		return nil, fmt.Errorf("samples end at %d of %d bytes", at, len(c.Data))
	}
	return out, moof.err
}

func readTraf(data []byte, traf reader, at *int) ([]written, error) {
	var out []written
	var track, duration, flags uint32
	var dts int64
	for len(traf.b) > 0 && traf.err == nil {
		kind, b := traf.box()
		has := b.u32()
		switch kind {
		case "tfhd":
			track = b.u32()
			if has&0x8 != 0 {
				duration = b.u32()
			}
			flags = b.u32()
		case "tfdt":
			dts = int64(binary.BigEndian.Uint64(b.take(8)))
		case "trun":
			n := b.u32()
			if int(b.u32()) != *at {
				return nil, fmt.Errorf("track %d: its data are not at %d", track, *at)
			}
			first := flags
			if has&0x4 != 0 {
				first = b.u32()
			}
			for i := range n {
				s := written{track: track, dts: dts, pts: dts}
				d, f := duration, flags
				if i == 0 {
					f = first
				}
				if has&0x100 != 0 {
					d = b.u32()
				}
				size := int(b.u32())
				if has&0x400 != 0 {
					f = b.u32()
				}
				if has&0x800 != 0 {
					s.pts += int64(int32(b.u32()))
				}
				if b.err != nil || size > len(data)-*at {
					return nil, fmt.Errorf("track %d: a run ends early", track)
				}
				s.data = data[*at : *at+size]
				*at += size
				s.duration, s.key = int64(d), f&0x00010000 == 0
				dts += s.duration
				out = append(out, s)
			}
		}
		if b.err != nil || len(b.b) != 0 {
			return nil, fmt.Errorf("%s: %d bytes are left, %w", kind, len(b.b), b.err)
		}
	}
	return out, traf.err
}
