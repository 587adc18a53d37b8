package fmp4

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/event"
)

// Picture is a coded picture in a piece, its times on the epoch's timeline.
type Picture struct {
	DTS, PTS event.Ticks
	Key      bool // a decoder can start here
	Data     []byte
}

// Contents is what a piece holds. It shares the piece's bytes.
type Contents struct {
	Pictures []Picture
	// Ends is where the last picture's time to be decoded ends; 0 without pictures.
	Ends  event.Ticks
	audio []sample
}

// ErrContents is of bytes that are no piece of a Chunker's.
var ErrContents = errors.New("not a piece as it was cut")

// Read reads a piece's samples back: one moof and one mdat, as Chunkers write them. Any
// other fragmented MP4 is ErrContents.
func Read(piece []byte) (*Contents, error) {
	r := boxReader{rest: piece, whole: piece}
	out := &Contents{}
	moof := r.open("moof")
	moof.open("mfhd")
	for moof.err == nil && len(moof.rest) > 0 {
		traf := moof.open("traf")
		if moof.err != nil {
			break
		}
		if err := out.readTrack(&traf); err != nil {
			return nil, err
		}
	}
	if moof.err != nil {
		return nil, moof.err
	}
	r.open("mdat")
	if r.err == nil && len(r.rest) > 0 {
		r.fail("there is more after its media")
	}
	return out, r.err
}

// readTrack reads one traf box (ISO/IEC 14496-12 clause 8.8.6).
func (c *Contents) readTrack(traf *boxReader) error {
	tfhd := traf.open("tfhd")
	has := tfhd.u32()
	track := tfhd.u32()
	var duration, flags uint32
	if has&tfhdDefaultDuration != 0 {
		duration = tfhd.u32()
	}
	if has&tfhdDefaultFlags != 0 {
		flags = tfhd.u32()
	}
	tfdt := traf.open("tfdt")
	tfdt.u32()
	decode := int64(tfdt.u64())
	trun := traf.open("trun")
	for _, r := range []*boxReader{traf, &tfhd, &tfdt} {
		if r.err != nil {
			return r.err
		}
	}
	samples, err := trun.samples(decode, duration, flags)
	if err != nil {
		return err
	}
	switch track {
	case videoTrack:
		for i := range samples {
			s := &samples[i]
			c.Pictures = append(c.Pictures, Picture{DTS: event.Ticks(s.decode), PTS: s.pts, Key: s.key, Data: s.data})
			c.Ends = event.Ticks(s.decode + s.duration)
		}
	case audioTrack:
		c.audio = append(c.audio, samples...)
	default:
		return fmt.Errorf("%w: it has a track %d", ErrContents, track)
	}
	return nil
}

// samples reads a trun box (clause 8.8.8).
func (r *boxReader) samples(decode int64, duration, flags uint32) ([]sample, error) {
	has := r.u32()
	count, offset := r.u32(), int64(r.u32())
	first := flags
	if has&trunFirstFlags != 0 {
		first = r.u32()
	}
	if count > maxSamples {
		r.fail("it has too many samples")
	}
	var out []sample
	for i := uint32(0); i < count && r.err == nil; i++ {
		s := sample{decode: decode, duration: int64(duration)}
		own := flags
		if i == 0 {
			own = first
		}
		if has&trunDuration != 0 {
			s.duration = int64(r.u32())
		}
		size := int64(r.u32()) // Chunkers say it of each
		if has&trunFlags != 0 {
			own = r.u32()
		}
		s.pts = event.Ticks(decode)
		if has&trunComposition != 0 {
			s.pts += event.Ticks(int32(r.u32()))
		}
		if offset < 0 || size > int64(len(r.whole))-offset {
			r.fail("a sample lies outside of it")
			break
		}
		s.key = own == flagsKey
		s.data = r.whole[offset : offset+size : offset+size]
		offset += size
		decode += s.duration
		out = append(out, s)
	}
	return out, r.err
}

// Replace writes the piece that has the same audio and other pictures, in order, none of
// which is shown before it is decoded. The first is decoded from begin on, the last ends
// at end. It is nil where there would be nothing in it.
func (c *Contents) Replace(sequence uint32, pictures []Picture, begin, end event.Ticks) []byte {
	if len(pictures) == 0 && len(c.audio) == 0 {
		return nil
	}
	video := make([]sample, len(pictures))
	for i, p := range pictures {
		video[i] = sample{key: p.Key, pts: p.PTS, decode: int64(p.DTS), data: p.Data}
		if i == 0 {
			video[i].decode = int64(min(begin, p.DTS))
			continue
		}
		video[i].decode = max(video[i].decode, video[i-1].decode+1)
		video[i-1].duration = video[i].decode - video[i-1].decode
	}
	if n := len(video); n > 0 {
		video[n-1].duration = max(1, int64(end)-video[n-1].decode)
	}
	return fragment(sequence, video, c.audio)
}

// boxReader walks the boxes that boxes wrote. After an error all that it reads is zero.
type boxReader struct {
	rest  []byte
	whole []byte // that offsets are counted in
	err   error
}

func (r *boxReader) fail(why string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s", ErrContents, why)
	}
	r.rest = nil
}

func (r *boxReader) take(n int) []byte {
	if n < 0 || n > len(r.rest) {
		r.fail("a box ends early")
		return make([]byte, 8)
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *boxReader) u32() uint32 { return binary.BigEndian.Uint32(r.take(4)) }
func (r *boxReader) u64() uint64 { return binary.BigEndian.Uint64(r.take(8)) }

// next returns the next box's kind and body, and its bytes with its header.
func (r *boxReader) next() (kind string, body, all []byte) {
	start := r.rest
	size := int(r.u32())
	kind = string(r.take(4))
	body = r.take(size - 8)
	if r.err != nil {
		return "", nil, nil
	}
	return kind, body, start[:size]
}

// open returns a reader of the next box's body, which must be of that kind.
func (r *boxReader) open(want string) boxReader {
	kind, body, _ := r.next()
	if r.err == nil && kind != want {
		r.fail("there is " + fmt.Sprintf("%q", kind) + " where " + want + " belongs")
	}
	return boxReader{rest: body, whole: r.whole, err: r.err}
}
