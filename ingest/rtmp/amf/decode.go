package amf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Decode reads all the values of a message, one after another.
func Decode(b []byte) ([]Value, error) {
	d := decoder{b: b}
	var vs []Value
	for len(d.b) > 0 {
		v, err := d.value(0)
		if err != nil {
			return vs, fmt.Errorf("read AMF0 at byte %d: %w", len(b)-len(d.b), err)
		}
		vs = append(vs, v)
	}
	return vs, nil
}

type decoder struct {
	b      []byte
	values int
}

func (d *decoder) take(n int) ([]byte, error) {
	if n > len(d.b) {
		return nil, ErrShort
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b, nil
}

func (d *decoder) u16() (int, error) {
	b, err := d.take(2)
	if err != nil {
		return 0, err
	}
	return int(binary.BigEndian.Uint16(b)), nil
}

func (d *decoder) u32() (uint32, error) {
	b, err := d.take(4)
	if err != nil {
		return 0, err
	}
	return binary.BigEndian.Uint32(b), nil
}

func (d *decoder) number() (float64, error) {
	b, err := d.take(8)
	if err != nil {
		return 0, err
	}
	return math.Float64frombits(binary.BigEndian.Uint64(b)), nil
}

func (d *decoder) shortString() (string, error) {
	n, err := d.u16()
	if err != nil {
		return "", err
	}
	b, err := d.take(n)
	return string(b), err
}

func (d *decoder) longString() (string, error) {
	n, err := d.u32()
	if err != nil {
		return "", err
	}
	if uint64(n) > uint64(len(d.b)) {
		return "", ErrShort
	}
	b, err := d.take(int(n))
	return string(b), err
}

func (d *decoder) value(depth int) (Value, error) {
	if depth > MaxDepth {
		return nil, ErrDepth
	}
	if d.values++; d.values > MaxValues {
		return nil, ErrValues
	}
	m, err := d.take(1)
	if err != nil {
		return nil, err
	}
	switch m[0] {
	case markerNumber:
		return noValue(d.number())
	case markerBoolean:
		b, err := d.take(1)
		if err != nil {
			return nil, err
		}
		return b[0] != 0, nil
	case markerString:
		return noValue(d.shortString())
	case markerLongString, markerXML:
		return noValue(d.longString())
	case markerNull, markerUndefined, markerUnsupported:
		return nil, nil
	case markerDate:
		f, err := d.number()
		if err != nil {
			return nil, err
		}
		_, err = d.take(2) // time zone: reserved, should be zero
		return Date(f), err
	case markerObject:
		ps, err := d.properties(depth)
		return Object(ps), err
	case markerTypedObject:
		if _, err := d.shortString(); err != nil { // class name
			return nil, err
		}
		ps, err := d.properties(depth)
		return Object(ps), err
	case markerECMAArray:
		// The count is a hint that encoders get wrong: the end marker decides.
		if _, err := d.u32(); err != nil {
			return nil, err
		}
		ps, err := d.properties(depth)
		return ECMAArray(ps), err
	case markerStrictArray:
		return d.strictArray(depth)
	default:
		return nil, fmt.Errorf("marker 0x%02x: %w", m[0], ErrMarker)
	}
}

// noValue keeps a failed read from turning into a non-nil zero Value.
func noValue[T any](v T, err error) (Value, error) {
	if err != nil {
		return nil, err
	}
	return v, nil
}

func (d *decoder) properties(depth int) ([]Property, error) {
	var ps []Property
	for {
		name, err := d.shortString()
		if err != nil {
			return nil, err
		}
		if len(d.b) > 0 && d.b[0] == markerObjectEnd {
			if name == "" {
				d.b = d.b[1:]
				return ps, nil
			}
			return nil, fmt.Errorf("end of object as a value: %w", ErrMarker)
		}
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		ps = append(ps, Property{Name: name, Value: v})
	}
}

func (d *decoder) strictArray(depth int) (Value, error) {
	n, err := d.u32()
	if err != nil {
		return nil, err
	}
	if uint64(n) > uint64(len(d.b)) { // every value has a marker of one byte at least
		return nil, ErrShort
	}
	if int(n) > MaxValues-d.values {
		return nil, ErrValues
	}
	a := make(StrictArray, 0, n)
	for range n {
		v, err := d.value(depth + 1)
		if err != nil {
			return nil, err
		}
		a = append(a, v)
	}
	return a, nil
}
