package netlab_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"net"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/internal/netlab"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const patience = 15 * time.Second

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// target takes TCP connections, each handled by fn.
func target(t *testing.T, fn func(*net.TCPConn)) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() {
				defer c.Close()
				fn(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
	return l.Addr().String()
}

func echo(c *net.TCPConn) { io.Copy(c, c) }

func tcp(t *testing.T, to string, l netlab.Link) (*netlab.Relay, *net.TCPConn) {
	r, err := netlab.TCP(to, l)
	check(t, err)
	t.Cleanup(r.Close)
	c := dial(t, "tcp", r.Addr())
	return r, c.(*net.TCPConn)
}

func dial(t *testing.T, network, addr string) net.Conn {
	c, err := net.Dial(network, addr)
	check(t, err)
	t.Cleanup(func() { c.Close() })
	check(t, c.SetDeadline(time.Now().Add(patience)))
	return c
}

// echoUDP answers every datagram with itself.
func echoUDP(t *testing.T) string {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	check(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			c.WriteTo(buf[:n], from)
		}
	})
	t.Cleanup(func() {
		c.Close()
		wg.Wait()
	})
	return c.LocalAddr().String()
}

func roundTrips(t *testing.T, c net.Conn) time.Duration {
	var took []time.Duration
	buf := make([]byte, 4)
	for range 15 {
		begun := time.Now()
		_, err := c.Write([]byte("ping"))
		check(t, err)
		_, err = io.ReadFull(c, buf)
		check(t, err)
		took = append(took, time.Since(begun))
	}
	slices.Sort(took)
	return took[len(took)/2]
}

func TestARoundTripTakesTheDelayTwice(t *testing.T) {
	l := netlab.Link{Delay: 25 * time.Millisecond}
	_, c := tcp(t, target(t, echo), l)
	u, err := netlab.UDP(echoUDP(t), l)
	check(t, err)
	t.Cleanup(u.Close)
	for name, c := range map[string]net.Conn{"tcp": c, "udp": dial(t, "udp", u.Addr())} {
		if got := roundTrips(t, c); got < 50*time.Millisecond || got > 56*time.Millisecond {
			t.Errorf("%s: a round trip over 25 ms each way takes %v", name, got)
		}
	}
}

func TestJitterAddsToTheDelayAndKeepsTheOrder(t *testing.T) {
	_, c := tcp(t, target(t, echo), netlab.Link{Jitter: 10 * time.Millisecond})
	if got := roundTrips(t, c); got < 4*time.Millisecond || got > 18*time.Millisecond {
		t.Errorf("a round trip with up to 10 ms of jitter each way takes %v", got)
	}
	sent := make([]byte, 1<<20)
	for i := range sent {
		sent[i] = byte(i>>8 ^ i)
	}
	go c.Write(sent)
	got := make([]byte, len(sent))
	_, err := io.ReadFull(c, got)
	check(t, err)
	if !bytes.Equal(got, sent) {
		t.Error("the bytes arrive otherwise than they were sent")
	}
}

func TestDelayDoesNotLimitThroughput(t *testing.T) {
	const size = 32 << 20
	_, c := tcp(t, target(t, func(c *net.TCPConn) {
		io.Copy(io.Discard, c)
		c.Write([]byte("k"))
	}), netlab.Link{Delay: 50 * time.Millisecond})
	begun := time.Now()
	_, err := c.Write(make([]byte, size))
	check(t, err)
	check(t, c.CloseWrite())
	_, err = io.ReadFull(c, make([]byte, 1))
	check(t, err)
	// A chunk at a time would take 50 s, and 256 KiB a round trip 12 s.
	if took := time.Since(begun); took > 3*time.Second {
		t.Errorf("32 MiB take %v", took)
	}
}

func TestTheRateIsWhatItSays(t *testing.T) {
	const rate, size = 16_000_000, 2 << 20
	_, c := tcp(t, target(t, func(c *net.TCPConn) { c.Write(make([]byte, size)) }),
		netlab.Link{Rate: rate, Delay: 20 * time.Millisecond})
	head := make([]byte, 64<<10)
	_, err := io.ReadFull(c, head)
	check(t, err)
	begun := time.Now()
	n, err := io.Copy(io.Discard, c)
	check(t, err)
	got := float64(n) * 8 / time.Since(begun).Seconds()
	if math.Abs(got/rate-1) > 0.05 {
		t.Errorf("%.2f Mbit/s pass through %.2f", got/1e6, rate/1e6)
	}
}

// passed sends n numbered datagrams, which come back, at a pace that no socket buffer
// loses, and returns those that arrived, in their order.
func passed(t *testing.T, l netlab.Link, n int) []int {
	u, err := netlab.UDP(echoUDP(t), l)
	check(t, err)
	defer u.Close()
	c := dial(t, "udp", u.Addr())
	sent := make(chan struct{})
	go func() {
		defer close(sent)
		tick := time.NewTicker(time.Millisecond)
		defer tick.Stop()
		for i := range n {
			if i%10 == 0 {
				<-tick.C
			}
			c.Write(binary.BigEndian.AppendUint32(nil, uint32(i)))
		}
	}()
	var got []int
	buf := make([]byte, 16)
	for {
		select {
		case <-sent:
			check(t, c.SetReadDeadline(time.Now().Add(200*time.Millisecond)))
		default:
			check(t, c.SetReadDeadline(time.Now().Add(patience)))
		}
		if _, err := c.Read(buf); err != nil {
			<-sent
			return got
		}
		got = append(got, int(binary.BigEndian.Uint32(buf)))
		if len(got) == n {
			<-sent
			return got
		}
	}
}

func TestTheShareOfDatagramsThatIsSaidToBeLostIsLost(t *testing.T) {
	const n, loss = 2000, 0.1
	l := netlab.Link{Loss: loss, Delay: time.Millisecond, Seed: 7}
	got := passed(t, l, n)
	want := n * (1 - loss) * (1 - loss) // there and back
	if sigma := math.Sqrt(want * (1 - want/n)); math.Abs(float64(len(got))-want) > 4*sigma {
		t.Errorf("%d of %d come back, expected %.0f ± %.0f", len(got), n, want, 4*sigma)
	}
	if !slices.IsSorted(got) {
		t.Error("they come back in another order")
	}
	if !slices.Equal(passed(t, l, n), got) {
		t.Error("the same seed loses others in a second run")
	}
	l.Seed++
	if slices.Equal(passed(t, l, n), got) {
		t.Error("another seed loses the same")
	}
}

func TestDatagramsOvertakeEachOther(t *testing.T) {
	const n, reorder = 2000, 0.1
	got := passed(t, netlab.Link{Reorder: reorder, Delay: time.Millisecond}, n)
	if len(got) != n {
		t.Fatalf("%d of %d come back from a link that loses none", len(got), n)
	}
	overtaken := 0
	for i := 1; i < len(got); i++ {
		if got[i] < got[i-1] {
			overtaken++
		}
	}
	if want := 2.0 * n * reorder; float64(overtaken) < want/2 || float64(overtaken) > want*1.2 {
		t.Errorf("%d of %d were overtaken, expected nearly %.0f", overtaken, n, want)
	}
}

func TestACutStallsAStreamThatGoesOnWhenHealed(t *testing.T) {
	r, c := tcp(t, target(t, echo), netlab.Link{Delay: 5 * time.Millisecond})
	roundTrips(t, c)
	r.Cut()
	_, err := c.Write([]byte("ping"))
	check(t, err)
	check(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if n, err := c.Read(make([]byte, 4)); !errors.Is(err, syscall.EAGAIN) && !isTimeout(err) {
		t.Fatalf("%d bytes pass a cut: %v", n, err)
	}
	r.Heal()
	check(t, c.SetReadDeadline(time.Now().Add(patience)))
	buf := make([]byte, 4)
	_, err = io.ReadFull(c, buf)
	check(t, err)
	if string(buf) != "ping" {
		t.Errorf("after the cut comes %q", buf)
	}
}

func isTimeout(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func TestACutLosesDatagramsUntilHealed(t *testing.T) {
	u, err := netlab.UDP(echoUDP(t), netlab.Link{})
	check(t, err)
	t.Cleanup(u.Close)
	c := dial(t, "udp", u.Addr())
	roundTrips(t, c)
	u.Cut()
	_, err = c.Write([]byte("lost"))
	check(t, err)
	check(t, c.SetReadDeadline(time.Now().Add(100*time.Millisecond)))
	if n, err := c.Read(make([]byte, 16)); !isTimeout(err) {
		t.Fatalf("%d bytes pass a cut: %v", n, err)
	}
	u.Heal()
	check(t, c.SetReadDeadline(time.Now().Add(patience)))
	roundTrips(t, c)
}

func TestWhatWaitsInACutIsBounded(t *testing.T) {
	r, c := tcp(t, target(t, func(c *net.TCPConn) { io.Copy(io.Discard, c) }), netlab.Link{})
	r.Cut()
	check(t, c.SetWriteDeadline(time.Now().Add(time.Second)))
	n := 0
	for chunk := make([]byte, 1<<20); ; n++ {
		if _, err := c.Write(chunk); err != nil {
			break
		}
		if n > 64 {
			t.Fatal("more than 64 MiB are taken while nothing passes")
		}
	}
}

func TestResetBreaksBothSidesAndTakesNewConnections(t *testing.T) {
	far := make(chan error, 1)
	r, c := tcp(t, target(t, func(c *net.TCPConn) {
		_, err := io.Copy(c, c)
		select {
		case far <- err:
		default:
		}
	}), netlab.Link{})
	roundTrips(t, c)
	r.Reset()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the near side reads %v", err)
	}
	select {
	case err := <-far:
		if !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("the far side reads %v", err)
		}
	case <-time.After(patience):
		t.Error("the far side does not notice")
	}
	roundTrips(t, dial(t, "tcp", r.Addr()))
}

func TestALinkCanBeChangedInUse(t *testing.T) {
	r, c := tcp(t, target(t, echo), netlab.Link{})
	if got := roundTrips(t, c); got > 5*time.Millisecond {
		t.Errorf("without delay a round trip takes %v", got)
	}
	check(t, r.Set(netlab.Link{Delay: 10 * time.Millisecond}))
	if got := roundTrips(t, c); got < 20*time.Millisecond {
		t.Errorf("with 10 ms each way a round trip takes %v", got)
	}
	for _, l := range []netlab.Link{{Delay: -1}, {Loss: 1.1}, {Reorder: math.NaN()}, {Rate: -1}} {
		if r.Set(l) == nil {
			t.Errorf("%+v is accepted", l)
		}
	}
}
