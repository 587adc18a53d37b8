package seeder

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
)

const (
	// recentSpan is how much media manifest.json describes unless asked otherwise.
	recentSpan = 12 * time.Second
	// maxEntries bounds the entries of one answer.
	maxEntries = 200
)

// document is manifest.json: what a newcomer needs to verify and play a stream.
type document struct {
	V          int                                `json:"v"`
	Name       event.StreamName                   `json:"name"`
	StreamID   event.StreamID                     `json:"stream_id"`
	Live       bool                               `json:"live"`
	Now        int64                              `json:"now"` // Unix ms
	Genesis    json.RawMessage                    `json:"genesis"`
	Rotations  []json.RawMessage                  `json:"rotations"`
	Sessions   []json.RawMessage                  `json:"sessions"`
	Renditions map[event.Rendition]renditionState `json:"renditions"`
	Magnet     string                             `json:"magnet,omitempty"`
	Trackers   []string                           `json:"trackers,omitempty"` // of its swarm
	Seeds      []string                           `json:"seeds,omitempty"`    // host:port; no host is the origin's
	STUN       []string                           `json:"stun,omitempty"`     // as seeds
	Consent    string                             `json:"consent,omitempty"`  // where there are swarms
	Sensitive  bool                               `json:"sensitive,omitempty"`
	Pass       string                             `json:"pass,omitempty"`     // relative address
	ICE        []ICEServer                        `json:"ice,omitempty"`      // for pages
	Relay      bool                               `json:"relay,omitzero"`     // there is TURN among them
	Telemetry  bool                               `json:"telemetry,omitzero"` // reports are wanted
}

// ICEServer is one that pages use for WebRTC, an RTCIceServer of the W3C's API.
type ICEServer struct {
	URLs       []string `json:"urls"` // stun:, stuns:, turn: or turns:
	Username   string   `json:"username,omitempty"`
	Credential string   `json:"credential,omitempty"`
}

// relays reports whether a server gives relay candidates.
func (s ICEServer) relays() bool {
	return slices.ContainsFunc(s.URLs, func(url string) bool { return strings.HasPrefix(url, "turn") })
}

type renditionState struct {
	Codecs    string            `json:"codecs"`
	Width     int               `json:"width,omitzero"`
	Height    int               `json:"height,omitzero"`
	FrameRate float64           `json:"frame_rate,omitzero"`
	Playlist  string            `json:"playlist"`
	Entries   []json.RawMessage `json:"entries"`
}

// invite says where the stream's peers meet, to whoever asks for the newest entries;
// those who follow entry by entry know.
func (s *Service) invite(doc *document, st *stream, r *http.Request) {
	doc.Sensitive = st.state().Sensitive // to those who follow, too: it can change
	if r.URL.RawQuery != "" {
		return
	}
	doc.Telemetry = s.opts.Telemetry
	if s.opts.Passes != nil {
		doc.Pass = "pass"
	}
	if s.opts.Transport == nil {
		return
	}
	if doc.Consent = s.opts.Consent; doc.Sensitive {
		return
	}
	base := requestBase(r)
	doc.Trackers, doc.Seeds, doc.STUN = s.opts.trackers(base), s.opts.Seeds, s.opts.STUN
	if s.opts.ICE != nil {
		doc.ICE = s.opts.ICE(hostOf(r.Host))
		doc.Relay = slices.ContainsFunc(doc.ICE, ICEServer.relays)
	}
	if s.opts.PublicURL != "" {
		base = strings.TrimRight(s.opts.PublicURL, "/")
	}
	doc.Magnet = st.descriptor.Magnet(doc.Trackers, base+"/live/"+string(st.name))
}

// hostOf is a Host header's host without its port, in brackets if it is an IPv6 address.
func hostOf(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if host = strings.Trim(host, "[]"); strings.Contains(host, ":") {
		return "[" + host + "]"
	}
	return host
}

// selection says which entries manifest.json is asked for.
type selection struct {
	r        event.Rendition // empty: all, the recent entries
	after    *event.Position
	epoch    event.Epoch
	from, to uint64
	ranged   bool
}

func parseSelection(q url.Values) (selection, error) {
	var s selection
	if !q.Has("r") {
		if q.Has("after") || q.Has("epoch") || q.Has("from") || q.Has("to") {
			return s, fmt.Errorf("after, epoch, from and to need a rendition: r=v0")
		}
		return s, nil
	}
	var err error
	if s.r, err = event.ParseRendition(q.Get("r")); err != nil {
		return s, err
	}
	if q.Has("after") {
		epoch, n, _ := strings.Cut(q.Get("after"), ".")
		e, ok1 := digitsOnly(epoch)
		k, ok2 := digitsOnly(n)
		if !ok1 || !ok2 {
			return s, fmt.Errorf("after must be <epoch>.<n>")
		}
		s.after = &event.Position{Epoch: event.Epoch(e), N: k}
		return s, nil
	}
	if q.Has("epoch") || q.Has("from") || q.Has("to") {
		e, ok1 := digitsOnly(q.Get("epoch"))
		from, ok2 := digitsOnly(q.Get("from"))
		to, ok3 := digitsOnly(q.Get("to"))
		if !ok1 || !ok2 || !ok3 || to < from || to-from >= maxEntries {
			return s, fmt.Errorf("a range is epoch=…&from=…&to=… with at most %d entries", maxEntries)
		}
		s.epoch, s.from, s.to, s.ranged = event.Epoch(e), from, to, true
	}
	return s, nil
}

// choose returns the items of snap that are asked for, and whether a range is complete.
func (q selection) choose(snap *snapshot) (items []*item, complete bool) {
	switch {
	case snap.empty():
		return nil, false
	case q.after != nil:
		i, found := find(snap.items, *q.after)
		if found {
			i++
		}
		return snap.items[i:min(len(snap.items), i+maxEntries)], false
	case q.ranged:
		i, _ := find(snap.items, event.Position{Epoch: q.epoch, N: q.from})
		j, found := find(snap.items, event.Position{Epoch: q.epoch, N: q.to})
		if found {
			j++
		}
		return snap.items[i:j], uint64(j-i) == q.to-q.from+1
	}
	return snap.items[joinStart(snap.items, recentSpan):], false
}

// serveManifest answers with manifest.json: the recent entries of all renditions, a
// range of one rendition's, or those after a position as soon as there are any.
func (s *Service) serveManifest(w http.ResponseWriter, r *http.Request) {
	st := s.findStream(w, r)
	if st == nil {
		return
	}
	ask, err := parseSelection(r.URL.Query())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	renditions := st.all()
	if ask.r != "" {
		rend := st.rendition(ask.r)
		if rend == nil {
			fail(w, http.StatusNotFound, "the stream has no such rendition")
			return
		}
		renditions = []*rendition{rend}
	} else {
		renditions = slices.DeleteFunc(renditions, func(r *rendition) bool { return r.snap.Load().stalled })
	}
	cache := cacheMoment
	if ask.after != nil {
		cache = cacheNever
		live := renditions[0].snap.Load().live
		snap, err := s.await(r.Context(), renditions[0], manifestHold, func(snap *snapshot) bool {
			return snap.live != live || snap.stalled || !snap.empty() && ask.after.Before(snap.last().Position())
		})
		if errors.Is(err, errCrowded) || errors.Is(err, errClosing) {
			failWait(w, err)
			return
		}
		if err == nil && !snap.empty() && ask.after.Before(snap.last().Position()) {
			cache = cacheMoment
		}
	}
	if ask.after != nil && renditions[0].snap.Load().stalled {
		failStalled(w)
		return
	}
	doc := document{
		V: 1, Name: st.name, StreamID: st.id, Live: st.isLive(), Genesis: st.genesis,
		Rotations: st.rotated(), Renditions: map[event.Rendition]renditionState{},
	}
	s.invite(&doc, st, r)
	first := event.Position{}
	for _, rend := range renditions {
		items, complete := ask.choose(rend.snap.Load())
		if complete {
			cache = "public, max-age=30"
		}
		if len(items) > 0 && (first.Epoch == 0 || items[0].position().Before(first)) {
			first = items[0].position()
		}
		t, _ := st.tracks(rend)
		entries := make([]json.RawMessage, len(items))
		for i, it := range items {
			entries[i] = it.envelope
		}
		doc.Renditions[rend.name] = renditionState{
			Codecs: t.Codecs, Width: t.Width, Height: t.Height, FrameRate: t.FrameRate,
			Playlist: string(rend.name) + "/index.m3u8", Entries: entries,
		}
	}
	doc.Sessions = st.sessionsFrom(first)
	doc.Now = time.Now().UnixMilli()
	body, err := json.Marshal(doc) //nolint:gosec // the pass is an address, and open to all
	if err != nil {
		fail(w, http.StatusInternalServerError, "the manifest could not be written")
		return
	}
	w.Header().Set("Cache-Control", cache)
	s.serveText(w, r, "manifest", "application/json", body, func() []byte { return compressSome(body) })
}

// zipping bounds how many answers are compressed at once: they differ by the time in
// them, so they cannot share the work.
var zipping = make(chan struct{}, max(1, runtime.GOMAXPROCS(0)/2))

// compressSome compresses text if others leave time for it, and returns nil otherwise.
func compressSome(text []byte) []byte {
	select {
	case zipping <- struct{}{}:
		defer func() { <-zipping }()
		return compress(text)
	default:
		return nil
	}
}
