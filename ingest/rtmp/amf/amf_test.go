package amf

import (
	"bytes"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"
)

// The examples are written from the AMF0 specification, not by the encoder.
func TestDecode(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want []Value
	}{
		{"number", "\x00\x3f\xf0\x00\x00\x00\x00\x00\x00", []Value{1.0}},
		{"booleans", "\x01\x01\x01\x00", []Value{true, false}},
		{"string", "\x02\x00\x04live", []Value{"live"}},
		{"long string", "\x0c\x00\x00\x00\x02hi", []Value{"hi"}},
		{"null, undefined, unsupported", "\x05\x06\x0d", []Value{nil, nil, nil}},
		{"object", "\x03\x00\x03app\x02\x00\x04live\x00\x00\x09", []Value{Object{{"app", "live"}}}},
		{"typed object", "\x10\x00\x01T\x00\x01a\x05\x00\x00\x09", []Value{Object{{"a", nil}}}},
		{"array with a wrong count", "\x08\x00\x00\x00\x63\x00\x01a\x01\x01\x00\x00\x09", []Value{ECMAArray{{"a", true}}}},
		{"strict array", "\x0a\x00\x00\x00\x02\x05\x02\x00\x01x", []Value{StrictArray{nil, "x"}}},
		{"date", "\x0b\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00", []Value{Date(2)}},
		{"XML", "\x0f\x00\x00\x00\x04<a/>", []Value{"<a/>"}},
	} {
		got, err := Decode([]byte(tt.in))
		if err != nil || !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %#v, %v; want %#v", tt.name, got, err, tt.want)
		}
	}
}

// Bombs and torn values are errors, and cost no memory to speak of.
func TestDecodeRefuses(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   string
		want error
	}{
		{"depth", strings.Repeat("\x03\x00\x01a", 100_000), ErrDepth},
		{"depth of arrays", strings.Repeat("\x0a\x00\x00\x00\x01", 100_000), ErrDepth},
		{"a count of 4 billion", "\x0a\xff\xff\xff\xff\x05", ErrShort},
		{"many values", strings.Repeat("\x05", MaxValues+1), ErrValues},
		{"many values in an array", "\x0a\x00\x01\x00\x00" + strings.Repeat("\x05", 1<<16), ErrValues},
		{"string without its bytes", "\x02\xff\xffabc", ErrShort},
		{"long string without its bytes", "\x0c\xff\xff\xff\xffabc", ErrShort},
		{"object without end", "\x03\x00\x01a\x05", ErrShort},
		{"end in the wrong place", "\x03\x00\x01a\x09", ErrMarker},
		{"AMF3 value", "\x11\x01", ErrMarker},
		{"reference", "\x07\x00\x01", ErrMarker},
	} {
		in := []byte(tt.in)
		allocs := testing.AllocsPerRun(1, func() {
			if _, err := Decode(in); !errors.Is(err, tt.want) {
				t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
			}
		})
		if allocs > 100 {
			t.Errorf("%s: %v allocations", tt.name, allocs)
		}
	}
}

func TestAppendRefuses(t *testing.T) {
	long := strings.Repeat("x", math.MaxUint16+1)
	for _, v := range []Value{struct{}{}, Object{{long, nil}}, StrictArray{uint8(1)}, ECMAArray{{"a", []int{}}}} {
		if _, err := Append(nil, v); err == nil {
			t.Errorf("%T was written", v)
		}
	}
	if b, err := Append(nil, long); err != nil || b[0] != markerLongString {
		t.Errorf("a long string: %v", err)
	}
}

// Whatever can be read is written as something that reads the same.
func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x02\x00\x07connect\x00\x3f\xf0\x00\x00\x00\x00\x00\x00\x03\x00\x03app\x02\x00\x04live\x00\x00\x09"))
	f.Add([]byte("\x08\x00\x00\x00\x01\x00\x01a\x01\x01\x00\x00\x09\x0a\x00\x00\x00\x01\x0b\x40\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, b []byte) {
		vs, err := Decode(b)
		if err != nil {
			return
		}
		once, err := Append(nil, vs...)
		if err != nil {
			t.Fatal(err)
		}
		again, err := Decode(once)
		if err != nil {
			t.Fatalf("cannot read what was written: %v", err)
		}
		twice, err := Append(nil, again...)
		if err != nil || !bytes.Equal(once, twice) {
			t.Fatalf("%x became %x: %v", once, twice, err)
		}
	})
}
