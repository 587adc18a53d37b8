package main

import (
	"fmt"
	"strconv"
	"strings"
)

var units = []struct {
	suffix string
	bytes  float64
}{
	{"Gbit", 1e9 / 8},
	{"Mbit", 1e6 / 8},
	{"kbit", 1e3 / 8},
	{"GB", 1e9},
	{"MB", 1e6},
	{"kB", 1e3},
	{"B", 1},
}

// parseBytes reads an amount such as 60Mbit, 256MB or 1000B into bytes. For a rate it
// is bytes a second.
func parseBytes(flag, s string) (int, error) {
	for _, u := range units {
		number, ok := strings.CutSuffix(s, u.suffix)
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(number), 64)
		if err != nil || !(v > 0 && v*u.bytes <= 1e15) { // so that NaN is refused too
			break
		}
		return int(v * u.bytes), nil
	}
	return 0, fmt.Errorf("%s %q must be a number with a unit: B, kB, MB, GB, kbit, Mbit or Gbit", flag, s)
}
