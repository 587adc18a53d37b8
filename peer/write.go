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
	ends   map[uint32]uint64 // decode time behind the last sample written, per track
	shift  map[uint32]uint64 // of the current epoch; nil: verbatim
	begun  bool              // pieces since the last break are being written
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
			o.shift = map[uint32]uint64{}
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
	o.ends, o.shift = map[uint32]uint64{}, nil
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
		o.ends[f.track] = max(o.ends[f.track], f.end()+by)
	}
	return piece, nil
}

// align chooses one shift for all tracks, so that they stay in step: the earliest of
// the piece's fragments goes behind the last sample written of any track. Where the new
// epoch's times begin beyond that, the shift is a negative one, modulo 2⁶⁴.
func (o *output) align(fragments []fragment) {
	end, start := uint64(0), uint64(math.MaxUint64)
	for id, e := range o.ends {
		end = max(end, rescale(e, event.Timescale, uint64(o.tracks[id].timescale))+1)
	}
	for _, f := range fragments {
		start = min(start, rescale(f.start, event.Timescale, uint64(o.tracks[f.track].timescale)))
	}
	shift := int64(end - start)
	for id, t := range o.tracks {
		by := int64(rescale(uint64(max(shift, -shift)), uint64(t.timescale), event.Timescale))
		if shift < 0 {
			by = -by
		}
		o.shift[id] = uint64(by)
	}
}

// rescale returns v×to/from, rounded down, and 0 where that overflows.
func rescale(v, to, from uint64) uint64 {
	hi, lo := bits.Mul64(v, to)
	if hi >= from {
		return 0
	}
	q, _ := bits.Div64(hi, lo, from)
	return q
}

func putTime(at []byte, t uint64) error {
	if len(at) == 8 {
		binary.BigEndian.PutUint64(at, t)
		return nil
	}
	if t > 1<<32-1 {
		return errors.New("a 32-bit decode time overflows: the output cannot go on")
	}
	binary.BigEndian.PutUint32(at, uint32(t))
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
