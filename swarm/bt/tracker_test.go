package bt_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/swarm/bt"
)

// tracker answers with fixed peers and keeps what it is asked.
type tracker struct {
	url   string
	mu    sync.Mutex
	asked []url.Values
	wake  chan struct{}
}

func newTracker(t testing.TB, fail int, peers ...netip.AddrPort) *tracker {
	tr := &tracker{wake: make(chan struct{}, 100)}
	var compact []byte
	for _, p := range peers {
		compact = append(compact, p.Addr().AsSlice()...)
		compact = append(compact, byte(p.Port()>>8), byte(p.Port()))
	}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tr.mu.Lock()
		tr.asked = append(tr.asked, r.URL.Query())
		n := len(tr.asked)
		tr.mu.Unlock()
		defer func() { tr.wake <- struct{}{} }()
		if n <= fail {
			http.Error(w, "not now", http.StatusServiceUnavailable)
			return
		}
		check(t, bencode.NewEncoder(w).Encode(map[string]any{"interval": 1, "peers": compact}))
	}))
	t.Cleanup(srv.Close)
	tr.url = srv.URL + "/announce"
	return tr
}

func (tr *tracker) wait(t testing.TB) {
	t.Helper()
	select {
	case <-tr.wake:
	case <-time.After(10 * time.Second):
		t.Fatal("nobody announced")
	}
}

func TestToTrackersNobodyIsEverCompleteAndTheirPeersAreDialled(t *testing.T) {
	b := join(t, nil)
	tr := newTracker(t, 2, b.addr())
	a := join(t, func(s *setup) {
		s.spec.Trackers = []string{"wss://127.0.0.1:1/announce", tr.url}
		s.opts.AnnounceRetry = 10 * time.Millisecond
	})
	a.connected(0)
	b.connected(0)
	a.swarm.Close()
	for range 4 {
		tr.wait(t)
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	var events []string
	for _, q := range tr.asked {
		events = append(events, q.Get("event"))
		if left := q.Get("left"); left == "" || left[0] == '0' || left[0] == '-' {
			t.Errorf("left is %q", left)
		}
		if hash, _ := descriptor(t); q.Get("info_hash") != string(hash[:]) {
			t.Error("it announces another torrent")
		}
	}
	if len(events) != 4 || events[0] != "started" || events[2] != "started" || events[3] != "stopped" {
		t.Errorf("the events are %q", events)
	}
}

func TestAMagnetLinkIsEnoughToJoin(t *testing.T) {
	b := join(t, nil)
	hash, info := descriptor(t)
	a := join(t, func(s *setup) { s.spec = bt.Spec{InfoHash: hash, Peers: []netip.AddrPort{b.addr()}} })
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	got, err := a.swarm.Descriptor(ctx)
	if err != nil || string(got) != string(content) || string(a.swarm.Info()) != string(info) {
		t.Fatalf("got %d bytes, %v", len(got), err)
	}
	// It can hand the descriptor on at once, and already has its link.
	a.connected(0)
	c := join(t, func(s *setup) { s.spec = bt.Spec{InfoHash: hash, Peers: []netip.AddrPort{a.addr()}} })
	if got, err := c.swarm.Descriptor(ctx); err != nil || string(got) != string(content) {
		t.Fatalf("second hand: %d bytes, %v", len(got), err)
	}
	if got, err := b.swarm.Descriptor(ctx); err != nil || string(got) != string(content) {
		t.Fatalf("known before: %d bytes, %v", len(got), err)
	}
}

func TestADescriptorThatIsNoneIsRefused(t *testing.T) {
	c, err := bt.New(bt.Options{})
	check(t, err)
	defer c.Close()
	hash, info := descriptor(t)
	attach := func(*bt.Link, bool) bt.Receiver { return nil }
	for name, s := range map[string]bt.Spec{
		"another infohash":     {InfoHash: [20]byte{1}, Info: info, Attach: attach},
		"other content":        {InfoHash: hash, Info: info, Content: append([]byte("x"), content[1:]...), Attach: attach},
		"content without info": {InfoHash: hash, Content: content, Attach: attach},
		"nobody":               {InfoHash: hash, Info: info, Content: content},
	} {
		if _, err := c.Join(s); err == nil {
			t.Errorf("%s: joined", name)
		}
	}
}
