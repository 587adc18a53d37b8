package publish

import (
	"testing"
	"time"
)

func TestALineSaysHowFarItIs(t *testing.T) {
	t.Parallel()
	for want, s := range map[string]Status{
		"0:00":                               {},
		"1:23 of 1:30:00  4.2 Mbit/s  1.00x": {Published: 83 * time.Second, Of: 90 * time.Minute, Rate: 4.2e6, Speed: 1},
		"2:05  640 kbit/s  0.98x  loop 3  1 reconnect": {Published: 125 * time.Second, Of: time.Minute, Rate: 64e4, Speed: 0.98, Loop: true, Reconnects: 1},
		"1:00:00  2.0 Mbit/s  1.01x  2 reconnects":     {Published: time.Hour, Rate: 2e6, Speed: 1.01, Reconnects: 2},
		"0:30  1.00x  loop 1":                          {Published: 30 * time.Second, Of: time.Minute, Speed: 1, Loop: true},
	} {
		if got := s.Line(); got != want {
			t.Errorf("%q should be %q", got, want)
		}
	}
}
