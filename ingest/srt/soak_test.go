package srt_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/srt"
	"github.com/shoalcast/shoal/ingest/srt/libsrt"
)

// The library keeps a closed socket for seconds, and callers have threads and a port
// each: a process that held both ends would say nothing about one. So the other end is
// this program once more, told by its environment what to be.
const (
	callsEnv   = "SHOAL_TEST_SRT_CALLS"   // the address to call with each line of standard input as the stream id
	listensEnv = "SHOAL_TEST_SRT_LISTENS" // where to listen, and to send every caller away soon
)

// otherEnd is what TestMain runs in place of the tests when the environment says so.
func otherEnd() (is bool) {
	switch calls, listens := os.Getenv(callsEnv), os.Getenv(listensEnv); {
	case calls != "":
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			go callOnce(calls, lines.Text())
		}
	case listens != "":
		sendAway(listens)
	default:
		return false
	}
	return true
}

// must ends the other end, whose standard error the test has.
func must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, "the other end:", err)
		os.Exit(1)
	}
	return v
}

// callOnce publishes three messages and goes.
func callOnce(addr, streamID string) {
	lib := must(libsrt.Load())
	u := must(lib.Socket())
	must(0, lib.SetText(u, libsrt.OptStreamID, streamID))
	must(0, lib.Connect(u, netip.MustParseAddrPort(addr)))
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for lib.State(u) != libsrt.StateConnected {
		if r := lib.RejectReason(u); r != 0 {
			must(0, fmt.Errorf("refused: %d", r))
		}
		<-tick.C
	}
	for n := range uint32(3) {
		must(0, lib.Send(u, []byte(strings.Repeat(string(tsPacket(n)), 7))))
		<-tick.C
	}
	lib.Close(u)
}

// sendAway takes callers, sends each a message, and ends the connection.
func sendAway(addr string) {
	lib := must(libsrt.Load())
	u := must(lib.Socket())
	must(0, lib.Listen(u, netip.MustParseAddrPort(addr), 8))
	for range time.Tick(10 * time.Millisecond) {
		c, _, err := lib.Accept(u)
		if err != nil {
			continue
		}
		time.AfterFunc(30*time.Millisecond, func() {
			_ = lib.Send(c, tsPacket(0))
			lib.Close(c)
		})
	}
}

// end starts this program as the other end.
func end(t *testing.T, env, addr string) io.Writer {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env, cmd.Stderr = append(os.Environ(), env+"="+addr), os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // ends it if the test's context has not
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	return in
}

// soaking reports how long a soak goes on after warming up: the short one for so many
// rounds, the full one for ten minutes.
func soaking(rounds int) func(done int) bool {
	if os.Getenv("SHOAL_SOAK") == "" {
		return func(done int) bool { return done < rounds }
	}
	end := time.Now().Add(10 * time.Minute)
	return func(int) bool { return time.Now().Before(end) }
}

// memory is what the process has: all of it, its library's included, and Go's heap.
type memory struct{ resident, heap int64 }

func measure(t *testing.T) memory {
	t.Helper()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return memory{rss(t), int64(m.HeapAlloc)}
}

func (before memory) flat(t *testing.T, reconnects int) {
	t.Helper()
	now := measure(t)
	t.Logf("resident %.1f MB, and %.1f MB after %d more reconnects; heap %.1f and %.1f MB", float64(before.resident)/1e6, float64(now.resident)/1e6,
		reconnects, float64(before.heap)/1e6, float64(now.heap)/1e6)
	if now.resident > before.resident+12<<20 {
		t.Errorf("the process, its library included, has %d bytes more", now.resident-before.resident)
	}
	if now.heap > before.heap+2<<20 {
		t.Errorf("Go's heap has %d bytes more", now.heap-before.heap)
	}
}

// Publishers that come and go, ten at a time, leave no memory behind.
func TestMemoryIsFlatOverReconnects(t *testing.T) {
	h := open(t, srt.Options{Latency: 20 * time.Millisecond})
	callers := end(t, callsEnv, h.addr)
	goroutines := runtime.NumGoroutine()
	rounds := 0
	places := make(chan struct{}, 10)
	round := func() {
		places <- struct{}{}
		rounds++
		if _, err := fmt.Fprintln(callers, structured(fmt.Sprint("camera-", rounds), key)); err != nil {
			t.Fatal(err)
		}
		r := h.next()
		go func() {
			<-r.closed
			<-places
		}()
	}
	const warm = 400 // until as many closed sockets go as come
	for range warm {
		round()
	}
	before := measure(t)
	for more := soaking(200); more(rounds - warm); {
		round()
		h.log.reset()
	}
	before.flat(t, rounds-warm)
	eventually(t, "all have gone", func() bool { return h.connections() == 0 })
	eventually(t, "goroutines end", func() bool { return runtime.NumGoroutine() <= goroutines })
}

// gone is a Handler that keeps nothing.
type gone struct{ closed func() }

func (gone) Write([]byte) error { return nil }
func (g gone) Close(error)      { g.closed() }

// A pull whose listener sends it away again and again takes no more and more memory.
func TestAPullsMemoryIsFlatOverReconnects(t *testing.T) {
	addr := "127.0.0.1:" + freePort(t)
	end(t, listensEnv, addr)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var before memory
	var rounds atomic.Int32
	const warm = 50
	more := soaking(30)
	err := srt.Pull(ctx, "srt://"+addr+"?latency=20", srt.PullOptions{
		Name: "far", FirstPause: time.Millisecond, MaxPause: 2 * time.Millisecond,
		Start: func(context.Context, srt.Request) (srt.Handler, error) {
			return gone{func() {
				switch n := int(rounds.Add(1)); {
				case n == warm:
					before, more = measure(t), soaking(30)
				case n > warm && !more(n-warm):
					cancel()
				}
			}}, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	before.flat(t, int(rounds.Load())-warm)
}
