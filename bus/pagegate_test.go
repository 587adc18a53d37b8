package bus_test

import (
	"bytes"
	"testing"

	"github.com/shoalcast/shoal/bus"
)

const ordinary = "CONNECT {\"jwt\":\"x\"}\r\nPING\r\nSUB shoal.manifest.a.* 1\r\nPUB shoal.telemetry.a.b 7\r\nPUB a\r\n\r\nPONG\r\nUNSUB 1 5\r\nUNSUB 1\r\nPUB t 0\r\n\r\n"

func TestWhatAPageReportsIsNotTakenForOperations(t *testing.T) {
	if err := bus.AdmitToPage([][]byte{[]byte(ordinary)}); err != nil {
		t.Error(err)
	}
	for _, bad := range []string{"PING\r\n", "CONNECT {}\r\nPING x\r\n", "CONNECT {}\r\nUNSUB a b c\r\n", "CONNECT {}\r\nPUB a\r\n", "CONNECT {}\r\nPUB a -1\r\n", "CONNECT {}\r\n\r\n"} {
		if err := bus.AdmitToPage([][]byte{[]byte(bad)}); err == nil {
			t.Errorf("%q is let through", bad)
		}
	}
}

// However a page's bytes are cut, they are judged the same.
func FuzzPageGate(f *testing.F) {
	f.Add([]byte(ordinary), uint16(3))
	f.Add([]byte("CONNECT {}\r\nPUB a b 1\r\nx\r\n"), uint16(1))
	f.Add([]byte("CONNECT {}\nHPUB a 1 2\r\n"), uint16(7))
	f.Fuzz(func(t *testing.T, b []byte, size uint16) {
		b = b[:min(len(b), 60_000)]
		var parts [][]byte
		for rest := b; len(rest) > 0; {
			n := min(int(size)+1, len(rest))
			parts, rest = append(parts, rest[:n]), rest[n:]
		}
		whole, cut := bus.AdmitToPage([][]byte{bytes.Clone(b)}), bus.AdmitToPage(parts)
		if (whole == nil) != (cut == nil) {
			t.Errorf("whole: %v, in parts of %d: %v", whole, int(size)+1, cut)
		}
	})
}
