package bt_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/internal/netlab"
	"github.com/shoalcast/shoal/swarm/bt"
)

// BenchmarkOneHop measures how long size bytes take from Send to the last Receive, in
// frames of one block, on a warm connection; each is sent after a pause of 100 ms, as
// pieces are.
func BenchmarkOneHop(b *testing.B) {
	for _, size := range []int{16 << 10, 256 << 10} {
		for _, rtt := range []time.Duration{0, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("tcp/%dKiB/rtt=%v", size>>10, rtt), func(b *testing.B) {
				x, y := join(b, nil), join(b, nil)
				to := y.addr()
				if rtt > 0 {
					relay, err := netlab.TCP(y.addr().String(), netlab.Link{Delay: rtt / 2})
					check(b, err)
					b.Cleanup(relay.Close)
					to = netip.MustParseAddrPort(relay.Addr())
				}
				check(b, x.swarm.Dial(to))
				hop(b, x.connected(0), y.connected(0), size)
			})
		}
		for _, rtt := range []time.Duration{0, 50 * time.Millisecond} {
			b.Run(fmt.Sprintf("webrtc/%dKiB/rtt=%v", size>>10, rtt), func(b *testing.B) {
				hub := newHub(b)
				x, y := newNative(b, hub, 1, nil), newNative(b, hub, 2, nil)
				if rtt > 0 {
					x.rewrite, y.rewrite = hidden, behind(b, netlab.Link{Delay: rtt / 2})
				}
				sx, sy := meet(b, x, y)
				hop(b, sx, sy, size)
			})
		}
	}
}

var candidate = regexp.MustCompile(`a=candidate:(\S+ 1 udp \d+ )(\S+) (\d+) typ host.*?\\r\\n`)

// hidden takes the candidates out of a description: its sender has to begin.
func hidden(body []byte) []byte {
	return regexp.MustCompile(`a=candidate:.*?\\r\\n`).ReplaceAll(body, nil)
}

// behind puts a relay before the address in a description.
func behind(b *testing.B, l netlab.Link) func([]byte) []byte {
	return func(body []byte) []byte {
		m := candidate.FindSubmatch(body)
		if m == nil {
			b.Errorf("no candidate in %s", body)
			return body
		}
		relay, err := netlab.UDP(string(m[2])+":"+string(m[3]), l)
		check(b, err)
		b.Cleanup(relay.Close)
		at := netip.MustParseAddrPort(relay.Addr())
		line := fmt.Sprintf(`a=candidate:${1}%s %d typ host\r\n`, at.Addr(), at.Port())
		return candidate.ReplaceAll(hiddenExcept(body, m[0]), []byte(line))
	}
}

// hiddenExcept leaves one candidate.
func hiddenExcept(body, keep []byte) []byte {
	return bytes.Replace(hidden(bytes.Replace(body, keep, []byte("KEEP"), 1)), []byte("KEEP"), keep, 1)
}

func hop(b *testing.B, from, to *session, size int) {
	const block = 16<<10 + 20
	var took []time.Duration
	want := 0
	for b.Loop() {
		b.StopTimer()
		pause := time.NewTimer(100 * time.Millisecond)
		<-pause.C
		b.StartTimer()
		start := time.Now()
		for left := size; left > 0; left -= 16 << 10 {
			check(b, from.link.Send(make([]byte, block)))
			want += block
		}
		to.peer.until("all bytes", func() bool { return to.bytes == want })
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "p50-ms")
	b.ReportMetric(float64(took[len(took)*95/100].Microseconds())/1000, "p95-ms")
}

// BenchmarkThroughput measures the CPU that carrying frames costs, both ends together.
func BenchmarkThroughput(b *testing.B) {
	const block = 16<<10 + 20
	run := func(b *testing.B, from, to *session) {
		b.SetBytes(block)
		sent := 0
		for b.Loop() {
			for from.link.Queued() > 1<<20 {
				to.peer.until("room", func() bool { return sent-to.bytes < 1<<20 })
			}
			check(b, from.link.Send(make([]byte, block)))
			sent += block
		}
		to.peer.until("all bytes", func() bool { return to.bytes == sent })
	}
	b.Run("tcp", func(b *testing.B) {
		x, y := join(b, nil), join(b, nil)
		sx, sy := pair(b, x, y)
		run(b, sx, sy)
	})
	b.Run("webrtc", func(b *testing.B) {
		hub := newHub(b)
		x, y := newNative(b, hub, 1, nil), newNative(b, hub, 2, nil)
		sx, sy := meet(b, x, y)
		run(b, sx, sy)
	})
}

var _ bt.Receiver = (*session)(nil)
