package bt_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/coder/websocket"
)

// said is a message to a WebTorrent tracker, as far as one looks at it.
type said struct {
	Event    *string           `json:"event"`
	PeerID   string            `json:"peer_id"`
	ToPeerID string            `json:"to_peer_id"`
	OfferID  string            `json:"offer_id"`
	Left     *int64            `json:"left"`
	NumWant  *int              `json:"numwant"`
	Offers   []json.RawMessage `json:"offers"`
	Answer   json.RawMessage   `json:"answer"`
}

// webTracker is a WebTorrent tracker of one torrent, which gives each offer to another
// of its peers.
type webTracker struct {
	t   testing.TB
	url string

	mu      sync.Mutex
	changed chan struct{}
	peers   map[string]*websocket.Conn
	said    []said
	open    int
	refuse  bool
	// rewrite changes what it passes on.
	rewrite func(m map[string]any)
}

func newWebTracker(t testing.TB) *webTracker {
	tr := &webTracker{t: t, peers: map[string]*websocket.Conn{}, changed: make(chan struct{})}
	srv := httptest.NewServer(tr)
	t.Cleanup(srv.Close)
	tr.url = "ws" + strings.TrimPrefix(srv.URL, "http") + "/announce"
	return tr
}

func (tr *webTracker) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	tr.mu.Lock()
	refuse := tr.refuse
	tr.mu.Unlock()
	if refuse {
		http.Error(w, "not now", http.StatusServiceUnavailable)
		return
	}
	c, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return
	}
	c.SetReadLimit(1 << 20)
	tr.note(func() { tr.open++ })
	defer tr.note(func() { tr.open-- })
	defer c.CloseNow()
	for {
		_, b, err := c.Read(r.Context())
		if err != nil {
			return
		}
		var m said
		if json.Unmarshal(b, &m) != nil {
			return
		}
		tr.note(func() { tr.said, tr.peers[m.PeerID] = append(tr.said, m), c })
		var all map[string]any
		check(tr.t, json.Unmarshal(b, &all))
		tr.pass(m, all)
	}
}

// pass hands offers and answers on.
func (tr *webTracker) pass(m said, all map[string]any) {
	about := map[string]any{"action": "announce", "info_hash": all["info_hash"]}
	with := func(more map[string]any) map[string]any {
		for k, v := range about {
			more[k] = v
		}
		return more
	}
	if m.Answer != nil {
		tr.send(m.ToPeerID, with(map[string]any{"peer_id": m.PeerID, "offer_id": m.OfferID, "answer": all["answer"]}))
		return
	}
	tr.send(m.PeerID, with(map[string]any{"interval": 120, "complete": 0, "incomplete": 1}))
	tr.mu.Lock()
	var others []string
	for id := range tr.peers {
		if id != m.PeerID {
			others = append(others, id)
		}
	}
	tr.mu.Unlock()
	slices.Sort(others)
	for i, o := range m.Offers[:min(len(m.Offers), len(others))] {
		var offer map[string]any
		check(tr.t, json.Unmarshal(o, &offer))
		offer["peer_id"] = m.PeerID
		tr.send(others[i], with(offer))
	}
}

func (tr *webTracker) send(to string, m map[string]any) {
	tr.mu.Lock()
	rewrite := tr.rewrite
	tr.mu.Unlock()
	if rewrite != nil {
		rewrite(m)
	}
	b, err := json.Marshal(m)
	check(tr.t, err)
	tr.raw(to, b)
}

// rewriting has f change what it passes on from now on.
func (tr *webTracker) rewriting(f func(m map[string]any)) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	tr.rewrite = f
}

func (tr *webTracker) raw(to string, b []byte) {
	tr.mu.Lock()
	c := tr.peers[to]
	tr.mu.Unlock()
	if c != nil {
		// Who is gone is not told.
		_ = c.Write(tr.t.Context(), websocket.MessageText, b)
	}
}

func (tr *webTracker) note(what func()) {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	what()
	close(tr.changed)
	tr.changed = make(chan struct{})
}

// until waits for a condition, which is called under the lock.
func (tr *webTracker) until(what string, cond func() bool) {
	tr.t.Helper()
	late := time.After(30 * time.Second)
	for {
		tr.mu.Lock()
		ok, changed := cond(), tr.changed
		tr.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-late:
			tr.t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// events lists what a peer announced, as a tracker writes its id.
func (tr *webTracker) events(id string) []string {
	var out []string
	for _, m := range tr.said {
		if m.PeerID == id && m.Answer == nil {
			if m.Event == nil {
				out = append(out, "")
			} else {
				out = append(out, *m.Event)
			}
		}
	}
	return out
}

// chars writes bytes as trackers do in JSON.
func chars(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		s.WriteRune(rune(c))
	}
	return s.String()
}
