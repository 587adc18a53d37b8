package media

import (
	"testing"

	"pgregory.net/rapid"
)

// A clock that wraps is followed through any walk of steps under half its range.
func TestUnwrapper(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.SampledFrom([]uint{32, 33}).Draw(t, "bits")
		mask := uint64(1)<<bits - 1
		half := int64(1) << (bits - 1)
		u := Unwrapper{Bits: bits}
		at := int64(rapid.Uint64Range(0, mask).Draw(t, "start"))
		for range 50 {
			if got := u.Unwrap(uint64(at) & mask); got != at {
				t.Fatalf("got %d, want %d", got, at)
			}
			at += rapid.Int64Range(-half, half-1).Draw(t, "step")
		}
	})
}

// Tracks that interleave around the wrap stay together.
func TestUnwrapperInterleaved(t *testing.T) {
	u := Unwrapper{Bits: 32}
	for _, tt := range []struct {
		in   uint64
		want int64
	}{
		{0xFFFFFFF0, 0xFFFFFFF0},
		{5, 1<<32 + 5},
		{0xFFFFFFFA, 0xFFFFFFFA},
		{40, 1<<32 + 40},
	} {
		if got := u.Unwrap(tt.in); got != tt.want {
			t.Errorf("%x became %d, want %d", tt.in, got, tt.want)
		}
	}
}
