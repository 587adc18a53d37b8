package event

import (
	"errors"
	"fmt"
	"strconv"
	"sync"
)

// AppendReport appends a report's line to b. What is zero is left out.
func AppendReport(b []byte, r *Report) ([]byte, error) {
	if err := r.Check(); err != nil {
		return nil, fmt.Errorf("encode report: %w", err)
	}
	var err error
	for i := range cmcd {
		if i == ownAfter {
			b = appendNeighbours(b, r.Neighbours)
			b = append(append(append(b, ownKey+"="...), r.Reporter...), ";v="...)
			b = strconv.AppendInt(b, ReportVersion, 10)
			for j := range own {
				if b, err = own[j].append(b, r, ';'); err != nil {
					return nil, fmt.Errorf("encode report: %w", err)
				}
			}
			b = append(b, ',')
		}
		before := len(b)
		if b, err = cmcd[i].append(b, r, 0); err != nil {
			return nil, fmt.Errorf("encode report: %w", err)
		}
		if len(b) > before {
			b = append(b, ',')
		}
	}
	return append(b, versionKey+"="+strconv.Itoa(cmcdVersion)...), nil
}

// append writes a field after a separator, unless it is 0. Zero values of fields that tell something are left out.
func (f *field) append(b []byte, r *Report, before byte) ([]byte, error) {
	var n int64
	var s string
	switch f.shape {
	case truth:
		if !*f.yes(r) {
			return b, nil
		}
	case whole, signed, listed:
		if n = *f.number(r); n == 0 && !f.needed {
			return b, nil
		}
		if n > maxWhole || n < -maxWhole || n < 0 && f.shape != signed {
			return nil, fmt.Errorf("%s cannot be %d", f.key, n)
		}
	case token, text:
		if s = *f.word(r); s == "" {
			return b, nil
		}
		if err := f.checkWord(s); err != nil {
			return nil, err
		}
	}
	if before != 0 {
		b = append(b, before)
	}
	b = append(b, f.key...)
	switch f.shape {
	case truth:
	case listed:
		b = append(strconv.AppendInt(append(b, "=("...), n, 10), ')')
	case whole, signed:
		b = strconv.AppendInt(append(b, '='), n, 10)
	case token:
		b = append(append(b, '='), s...)
	case text:
		b = append(append(append(b, `="`...), s...), '"')
	}
	return b, nil
}

func appendNeighbours(b []byte, all []Neighbour) []byte {
	if len(all) == 0 {
		return b
	}
	b = append(b, neighboursKey+"=("...)
	for i, n := range all {
		if i > 0 {
			b = append(b, ' ')
		}
		b = append(append(append(b, '"'), n.ID...), '"')
		b = append(append(b, ";k="...), n.Kind...)
		for _, f := range neighbourFields {
			if v := *f.number(&n); v != 0 {
				b = strconv.AppendInt(append(append(append(b, ';'), f.key...), '='), v, 10)
			}
		}
	}
	return append(b, "),"...)
}

// DecodeReport reads a report's line. Keys and parameters that it does not know are passed over; a version that it does not know
// is an UnknownFactError. The report keeps the line's bytes alive.
func DecodeReport(line []byte) (Report, error) {
	if len(line) > MaxReport {
		return Report{}, fmt.Errorf("decode report: it has %d bytes, where %d are the most", len(line), MaxReport)
	}
	d := decoders.Get().(*decoder) //nolint:forcetypeassert // there is nothing else in it
	defer decoders.Put(d)
	*d = decoder{structured: structured{s: string(line)}}
	if err := d.dictionary(d.member); err != nil {
		return Report{}, fmt.Errorf("decode report: %w", err)
	}
	if d.cmcd != cmcdVersion || d.own != ReportVersion {
		return Report{}, fmt.Errorf("decode report: %w", &UnknownFactError{Kind: "report", Version: int(d.own)})
	}
	if err := d.r.Check(); err != nil {
		return Report{}, fmt.Errorf("decode report: %w", err)
	}
	return d.r, nil
}

// usualNeighbours is for how many there is room at once.
const usualNeighbours = 3

// decoder is a report that is being read.
type decoder struct {
	structured
	r         Report
	cmcd, own int64 // versions

	// Where the next keys should be found.
	nextCMCD, nextOwn int
}

// decoders are those that nobody uses: a sink needs many thousands a second.
var decoders = sync.Pool{New: func() any { return new(decoder) }}

// find returns the field of a key, nil for none. Reporters write fields in their order, so it is one of the next, as a rule.
func find(fields []field, byKey map[string]*field, next *int, key string) *field {
	for i := *next; i < len(fields); i++ {
		if fields[i].key == key {
			*next = i + 1
			return &fields[i]
		}
	}
	return byKey[key]
}

func (d *decoder) member(key string) error {
	switch key {
	case versionKey:
		return d.memberValue(func(v value) error {
			d.cmcd = v.n
			return d.parameters(nil)
		})
	case ownKey:
		return d.memberValue(func(v value) error {
			d.r.Reporter = Reporter(v.s)
			return d.parameters(d.parameter)
		})
	case neighboursKey:
		d.r.Neighbours = make([]Neighbour, 0, usualNeighbours)
		return d.memberValue(d.neighbour)
	}
	f := find(cmcd, cmcdByKey, &d.nextCMCD, key)
	first := true
	return d.memberValue(func(v value) error {
		if f != nil && first {
			if err := f.put(&d.r, v); err != nil {
				return err
			}
		}
		first = false
		return d.parameters(nil)
	})
}

func (d *decoder) parameter(key string, v value) error {
	if key == versionKey {
		d.own = v.n
		return nil
	}
	if f := find(own, ownByKey, &d.nextOwn, key); f != nil {
		return f.put(&d.r, v)
	}
	return nil
}

var errNeighbours = errors.New("neighbours are strings of 8 hexadecimal digits with their kind and what was measured of them")

func (d *decoder) neighbour(v value) error {
	if v.shape != text || len(d.r.Neighbours) == MaxNeighbours {
		return errNeighbours
	}
	n := Neighbour{ID: v.s}
	err := d.parameters(func(key string, v value) error {
		if key == "k" {
			n.Kind = v.s
			return nil
		}
		for _, f := range neighbourFields {
			if f.key == key {
				if v.shape != whole || v.n < 0 {
					return errNeighbours
				}
				*f.number(&n) = v.n
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	d.r.Neighbours = append(d.r.Neighbours, n)
	return n.check()
}
