package bt_test

import (
	"bufio"
	"cmp"
	"encoding/hex"
	"encoding/json"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/swarm/bt"
)

// chromium is a browser that pages are opened in.
type chromium struct {
	in  io.Writer
	out *bufio.Scanner
}

// happened is what came of an order to the browser.
type happened struct {
	ID    string
	Error string
	// Of a meeting: whether the page's own addresses are hidden behind names, and the kind
	// and address of the peer's candidate that it uses.
	Names         bool
	Type, Address string
	Own           string // the kind of the page's candidate
}

// mdnsOff shows pages the machine's addresses, as for sites that may use the camera.
const mdnsOff = "--disable-features=WebRtcHideLocalIpsWithMdns"

func newChromium(t testing.TB, flags ...string) *chromium {
	t.Helper()
	modules, err := filepath.Abs("../../web/node_modules")
	check(t, err)
	path := cmp.Or(os.Getenv("CHROMIUM"), "/usr/bin/chromium")
	for _, needed := range []string{filepath.Join(modules, "playwright-core"), path} {
		if _, err := os.Stat(needed); err != nil {
			t.Fatalf("there is no browser to test with, make setup installs it: %v", err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "node", append([]string{"testdata/browser.mjs", modules, path, "--allow-loopback-in-peer-connection"}, flags...)...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	check(t, err)
	out, err := cmd.StdoutPipe()
	check(t, err)
	check(t, cmd.Start())
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	c := &chromium{in: in, out: bufio.NewScanner(out)}
	c.next(t, "")
	return c
}

func (c *chromium) order(t testing.TB, o map[string]any) {
	t.Helper()
	b, err := json.Marshal(o)
	check(t, err)
	_, err = c.in.Write(append(b, '\n'))
	check(t, err)
}

// next waits for what comes of the order to one page.
func (c *chromium) next(t testing.TB, id string) happened {
	t.Helper()
	for {
		var h happened
		if !c.out.Scan() {
			t.Fatal("the browser's script has ended")
		}
		check(t, json.Unmarshal(c.out.Bytes(), &h))
		if h.ID != id {
			continue
		}
		if h.Error != "" {
			t.Fatal(h.Error)
		}
		return h
	}
}

// meet opens a page that meets a peer by a tracker, and waits until both have heard each other.
func (c *chromium) meet(t testing.TB, id string, tr *webTracker, offers bool, config map[string]any) happened {
	t.Helper()
	hash, _ := descriptor(t)
	c.order(t, map[string]any{"order": "meet", "id": id, "tracker": tr.url, "infohash": hex.EncodeToString(hash[:]), "offers": offers, "config": config})
	return c.next(t, id)
}

// echoing is a peer at a tracker that sends frames back.
func echoing(t testing.TB, tr *webTracker, offers int, change func(*bt.Options)) *peer {
	t.Helper()
	p := newMet(t, tr, offers, func(s *setup) {
		s.on = func(s *session, f []byte) error { return s.link.Send(f) }
		change(&s.opts)
	})
	tr.until("the peer", func() bool { return len(tr.events(p.name())) > 0 })
	return p
}

// outside returns an address of this machine that is not loopback.
func outside(t testing.TB) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	check(t, err)
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			return n.IP.String()
		}
	}
	return ""
}

// nat passes what comes to a port of 127.0.0.1 on to the same port of another address,
// which it returns, and back.
func nat(t testing.TB, inside string) string {
	t.Helper()
	public, err := net.ListenPacket("udp4", "127.0.0.1:0")
	check(t, err)
	to := &net.UDPAddr{IP: net.ParseIP(inside), Port: public.LocalAddr().(*net.UDPAddr).Port}
	var tasks sync.WaitGroup
	ways := map[string]net.PacketConn{}
	pass := func(from, by net.PacketConn, to net.Addr) {
		buf := make([]byte, 2048)
		for {
			n, _, err := from.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = by.WriteTo(buf[:n], to) // what is lost is sent again
		}
	}
	tasks.Go(func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := public.ReadFrom(buf)
			if err != nil {
				break
			}
			way := ways[from.String()]
			if way == nil {
				if way, err = net.ListenPacket("udp4", net.JoinHostPort(inside, "0")); err != nil {
					break
				}
				ways[from.String()] = way
				tasks.Go(func() { pass(way, public, from) })
			}
			_, _ = way.WriteTo(buf[:n], to) // as above
		}
		for _, way := range ways {
			_ = way.Close()
		}
	})
	t.Cleanup(func() {
		_ = public.Close()
		tasks.Wait()
	})
	return to.String()
}

func TestABrowserMeetsNativePeers(t *testing.T) {
	t.Parallel()
	for name, flags := range map[string][]string{"its addresses hidden": nil, "its addresses shown": {mdnsOff}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := newChromium(t, flags...)
			t.Run("a seed on loopback", func(t *testing.T) {
				tr := newWebTracker(t)
				seed := echoing(t, tr, 0, func(*bt.Options) {})
				h := c.meet(t, "a", tr, true, nil)
				if h.Names != (len(flags) == 0) || h.Type != "host" || h.Address != "127.0.0.1" {
					t.Errorf("they met by %+v", h)
				}
				s := seed.connected(0)
				if s.outbound || !s.link.WebRTC() {
					t.Error("the seed dialled")
				}
				start := time.Now()
				c.order(t, map[string]any{"order": "close", "id": "a"})
				seed.within(2*time.Second, "the end, after the tab was closed", func() bool { return s.closed })
				t.Logf("a tab that was closed is missed after %v", time.Since(start).Round(time.Millisecond))
			})
			t.Run("a seed on all addresses", func(t *testing.T) {
				at := outside(t)
				if at == "" {
					t.Fatal("this test needs a network interface besides loopback, with an IPv4 address")
				}
				tr := newWebTracker(t)
				echoing(t, tr, 0, func(o *bt.Options) { o.WebRTC = ":0" })
				loopbacks := regexp.MustCompile(`a=candidate:[^\r]* (127\.|::1 )[^\r]*\r\n`)
				tr.rewriting(func(m map[string]any) { // so that they meet by the others
					if d, ok := m["answer"].(map[string]any); ok {
						d["sdp"] = loopbacks.ReplaceAllString(d["sdp"].(string), "")
					}
				})
				if h := c.meet(t, "b", tr, true, nil); h.Type != "host" || h.Address == "127.0.0.1" {
					t.Errorf("they met by %+v", h)
				}
			})
			t.Run("a seed by the relay alone", func(t *testing.T) {
				r, at := newRelay(t, bt.RelayOptions{IP: loopback})
				user, password, err := r.Credential()
				check(t, err)
				tr := newWebTracker(t)
				echoing(t, tr, 0, func(*bt.Options) {})
				h := c.meet(t, "e", tr, true, map[string]any{
					"iceTransportPolicy": "relay", "iceServers": []any{map[string]any{"urls": []string{"turn:" + at}, "username": user, "credential": password}},
				})
				if h.Own != "relay" {
					t.Errorf("they met by %+v", h)
				}
			})
			t.Run("a viewer that offers", func(t *testing.T) {
				tr := newWebTracker(t)
				hash, _ := descriptor(t)
				c.order(t, map[string]any{"order": "meet", "id": "c", "tracker": tr.url, "infohash": hex.EncodeToString(hash[:]), "offers": false})
				tr.until("the page", func() bool { return len(tr.said) > 0 })
				viewer := echoing(t, tr, 4, func(*bt.Options) {})
				c.next(t, "c")
				if !viewer.connected(0).outbound {
					t.Error("the page dialled")
				}
			})
			t.Run("a seed behind a NAT of which it was told", func(t *testing.T) {
				at := outside(t)
				if at == "" {
					t.Fatal("this test needs a network interface besides loopback, with an IPv4 address")
				}
				tr := newWebTracker(t)
				hosts := regexp.MustCompile(`a=candidate:[^\r]* typ host[^\r]*\r\n`)
				tr.rewriting(func(m map[string]any) { // nothing but the seed's public address is in reach
					for _, kind := range []string{"offer", "answer"} {
						if d, ok := m[kind].(map[string]any); ok {
							d["sdp"] = hosts.ReplaceAllString(d["sdp"].(string), "")
						}
					}
				})
				inside := nat(t, at)
				echoing(t, tr, 0, func(o *bt.Options) { o.WebRTC, o.PublicIP = inside, netip.MustParseAddr("127.0.0.1") })
				if h := c.meet(t, "d", tr, true, nil); h.Type != "srflx" || h.Address != "127.0.0.1" {
					t.Errorf("they met by %+v", h)
				}
			})
		})
	}
}

func TestABrowserThatIsGoneWithoutAWordIsMissedSoon(t *testing.T) {
	t.Parallel()
	c := newChromium(t)
	tr := newWebTracker(t)
	seed := echoing(t, tr, 0, func(*bt.Options) {})
	c.meet(t, "a", tr, true, nil)
	s := seed.connected(0)
	start := time.Now()
	c.order(t, map[string]any{"order": "crash", "id": "a"})
	seed.within(15*time.Second, "the end, after the browser crashed", func() bool { return s.closed })
	t.Logf("a browser that crashed is missed after %v", time.Since(start).Round(time.Millisecond))
}
