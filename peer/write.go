package peer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"math/bits"

	"github.com/shoalcast/shoal/event"
)

// ErrFormatChanged means that the stream's codecs or parameters changed and the output
// cannot carry a second init segment.
var ErrFormatChanged = errors.New("the stream's format changed and one output can hold only one: start watch again to go on in the new format")

// An output is written as fragmented MP4: one init segment, then pieces verbatim from a
// keyframe on. Players read no second init segment in one file (ffmpeg skips it), so
// what follows another epoch or another init segment is decided by its tracks: where
// ids, timescales and sample descriptions are the same, the pieces go on in the same
// file with their decode times moved behind what is written; where not, a next output
// is begun, FILE.2, FILE.3 and so on.
type output struct {
	open   func(i int) (io.WriteCloser, error) // output number i, from 1
	log    func(msg string, args ...any)
	limit  event.Ticks // media time to write; 0: no limit
	number int
	to     io.WriteCloser
	tracks map[uint32]track
	init   event.Root
	epoch  event.Epoch
	ends   map[uint32]span  // of what is written, per track
	shift  map[uint32]int64 // of the current epoch's times; nil: verbatim
	begun  bool             // pieces since the last break are being written
	total  event.Ticks
}

// full reports whether the asked for media time is written.
func (o *output) full() bool { return o.limit > 0 && o.total >= o.limit }

// broke says that a piece is missing before the next one: what follows cannot be
// decoded until a keyframe.
func (o *output) broke() { o.begun = false }

// maxOutputs bounds the files that one session opens.
const maxOutputs = 1000

// write appends a piece. Pieces before a keyframe are
// left out.
func (o *output) write(p fetched) error {
	if p.entry.Epoch != o.epoch {
		o.begun = false
	}
	if !o.begun && !p.entry.Key || o.full() {
		return nil
	}
	if o.tracks == nil || p.init.root != o.init {
		if err := o.change(p.init); err != nil {
			return err
		}
		o.begun = false
	}
	if !o.begun && (p.entry.Epoch != o.epoch) {
		o.epoch, o.shift = p.entry.Epoch, nil
		if len(o.ends) > 0 {
			o.shift = map[uint32]int64{}
		}
	}
	data, err := o.place(p.data)
	if err != nil {
		return fmt.Errorf("write piece %s: %w", p.entry.Position(), err)
	}
	if _, err := o.to.Write(data); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	o.begun = true
	o.total += p.entry.Dur
	return nil
}

// begin opens the first output, so that one that cannot be written is known at once.
func (o *output) begin() (err error) {
	o.number = 1
	if o.to, err = o.open(o.number); err != nil {
		return fmt.Errorf("open output: %w", err)
	}
	return nil
}

// change makes the output ready for pieces of another init segment.
func (o *output) change(init initSegment) error {
	tracks, err := readInit(init.data)
	if err != nil {
		return err
	}
	if o.tracks != nil {
		if sameTracks(o.tracks, tracks) {
			o.init, o.tracks = init.root, tracks
			return nil
		}
		if err := o.next(); err != nil {
			return err
		}
	}
	if _, err := o.to.Write(init.data); err != nil {
		return fmt.Errorf("write output: %w", err)
	}
	o.init, o.tracks, o.epoch = init.root, tracks, 0
	o.ends, o.shift = map[uint32]span{}, nil
	return nil
}

// next closes the output and opens the one after it.
func (o *output) next() error {
	if err := o.close(); err != nil {
		return err
	}
	if o.number >= maxOutputs {
		return fmt.Errorf("the stream's format changed %d times: giving up", maxOutputs)
	}
	o.number++
	o.log("the stream's format changed: going on in the next output", "number", o.number)
	var err error
	if o.to, err = o.open(o.number); err != nil {
		o.to = nil
		return fmt.Errorf("open output %d: %w", o.number, err)
	}
	return nil
}

// place returns the piece with its decode times where they belong in this output, and
// remembers where it ends. The piece itself is left as it is.
func (o *output) place(piece []byte) ([]byte, error) {
	fragments, err := readPiece(piece, o.tracks)
	if err != nil {
		return nil, err
	}
	if o.shift != nil {
		piece = append([]byte(nil), piece...)
		if fragments, err = readPiece(piece, o.tracks); err != nil {
			return nil, err
		}
		if len(o.shift) == 0 && len(fragments) > 0 {
			o.align(fragments)
		}
	}
	for _, f := range fragments {
		by := o.shift[f.track]
		if by != 0 {
			if err := putTime(f.tfdt, f.start+by); err != nil {
				return nil, err
			}
		}
		ends, ok := o.ends[f.track]
		if !ok {
			ends.first = maxTime
		}
		o.ends[f.track] = ends.with(f.span.shifted(f.start + by))
	}
	return piece, nil
}

// shiftStep is what shifts are rounded up to: a whole number of frames at 25, 30, 50 and
// 60 a second, so that pictures stay on the grid on which they began and whoever rounds
// their times to frames does not find two on one.
const shiftStep = event.Timescale / 5

// align chooses one shift for all tracks, so that they stay in step: the smallest with
// which nothing of the piece is decoded or shown before what is written has ended. Where
// the new epoch's times begin beyond that, the shift is negative.
func (o *output) align(fragments []fragment) {
	var decoded, last int64
	for id, s := range o.ends {
		scale := o.tracks[id].timescale
		decoded = max(decoded, rescale(s.decoded, event.Timescale, scale)+1)
		last = max(last, rescale(s.last, event.Timescale, scale)+1)
	}
	start, first := int64(math.MaxInt64), int64(math.MaxInt64)
	for _, f := range fragments {
		scale := o.tracks[f.track].timescale
		start = min(start, rescale(f.start, event.Timescale, scale))
		first = min(first, rescale(f.start+f.span.first, event.Timescale, scale))
	}
	shift := max(decoded-start, last-first)
	if over := shift % shiftStep; over > 0 {
		shift += shiftStep - over
	} else {
		shift -= over
	}
	for id, t := range o.tracks {
		o.shift[id] = rescale(shift, t.timescale, event.Timescale)
	}
}

// rescale returns v×to/from, rounded towards zero, and 0 where that overflows.
func rescale(v int64, to, from uint32) int64 {
	hi, lo := bits.Mul64(uint64(max(v, -v)), uint64(to))
	if hi >= uint64(from) {
		return 0
	}
	q, _ := bits.Div64(hi, lo, uint64(from))
	if q > math.MaxInt64 {
		return 0
	}
	if v < 0 {
		return -int64(q)
	}
	return int64(q)
}

func putTime(at []byte, t int64) error {
	switch {
	case t < 0:
		return errors.New("a decode time would lie before zero")
	case len(at) == 8:
		binary.BigEndian.PutUint64(at, uint64(t))
	case t > math.MaxUint32:
		return errors.New("a 32-bit decode time overflows: the output cannot go on")
	default:
		binary.BigEndian.PutUint32(at, uint32(t))
	}
	return nil
}

func (o *output) close() error {
	if o.to == nil {
		return nil
	}
	err := o.to.Close()
	o.to = nil
	if err != nil {
		return fmt.Errorf("close output: %w", err)
	}
	return nil
}
