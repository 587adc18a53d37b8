package bt_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/shoalcast/shoal/swarm/bt"
)

// newMet is a peer without a TCP port, which knows a WebTorrent tracker alone.
func newMet(t testing.TB, tr *webTracker, offers int, change func(*setup)) *peer {
	t.Helper()
	return join(t, func(s *setup) {
		s.opts = bt.Options{WebRTC: "127.0.0.1:0", AnnounceRetry: 10 * time.Millisecond}
		s.spec.Trackers, s.spec.Offers = []string{tr.url}, offers
		if change != nil {
			change(s)
		}
	})
}

func (p *peer) name() string {
	id := p.client.PeerID()
	return chars(id[:])
}

func TestASeedAndAViewerMeetByATrackerAlone(t *testing.T) {
	tr := newWebTracker(t)
	seed := newMet(t, tr, 0, nil)
	tr.until("the seed", func() bool { return len(tr.events(seed.name())) > 0 })
	viewer := newMet(t, tr, 4, nil)
	sv, ss := viewer.connected(0), seed.connected(0)
	if !sv.outbound || ss.outbound || !sv.link.WebRTC() {
		t.Error("the one that offers is not the one that dials")
	}
	want := bytes.Repeat([]byte("x"), bt.MaxPayload)
	check(t, sv.link.Send(bytes.Clone(want)))
	check(t, ss.link.Send(bytes.Clone(want)))
	seed.until("a frame", func() bool { return ss.bytes == len(want) })
	viewer.until("a frame", func() bool { return sv.bytes == len(want) })
	tr.mu.Lock()
	for _, m := range tr.said {
		switch {
		case m.Answer != nil:
		case m.Left == nil || *m.Left <= 0:
			t.Error("somebody is complete")
		case m.PeerID == seed.name() && (len(m.Offers) > 0 || m.NumWant == nil || *m.NumWant != 0):
			t.Error("the seed offers")
		case m.PeerID == viewer.name() && len(m.Offers) != 4:
			t.Errorf("the viewer makes %d offers", len(m.Offers))
		}
	}
	tr.mu.Unlock()
	viewer.swarm.Close()
	tr.until("a word of leaving", func() bool { return fmt.Sprint(tr.events(viewer.name())) == "[started stopped]" })
	tr.until("the end of the connection", func() bool { return tr.open == 1 })
	seed.until("the end", func() bool { return ss.closed })
}

func TestAllSwarmsOfAClientShareOneConnectionToATracker(t *testing.T) {
	tr := newWebTracker(t)
	a := newMet(t, tr, 0, nil)
	other, err := a.client.Join(bt.Spec{
		InfoHash: [20]byte{1}, Trackers: []string{tr.url}, Attach: func(*bt.Link, bool) bt.Receiver { return nil },
	})
	check(t, err)
	tr.until("both swarms", func() bool { return len(tr.events(a.name())) == 2 })
	other.Close()
	tr.until("a word of leaving", func() bool { return len(tr.events(a.name())) == 3 })
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if tr.open != 1 {
		t.Errorf("%d connections", tr.open)
	}
}

func TestAPeerAnnouncesAnewWhenItsTrackerComesBack(t *testing.T) {
	tr := newWebTracker(t)
	a := newMet(t, tr, 0, nil)
	tr.until("the first announce", func() bool { return len(tr.events(a.name())) == 1 })
	tr.note(func() { tr.refuse = true })
	tr.mu.Lock()
	c := tr.peers[a.name()]
	tr.mu.Unlock()
	check(t, c.CloseNow())
	tr.until("the end of the connection", func() bool { return tr.open == 0 })
	tr.note(func() { tr.refuse = false })
	tr.until("another announce", func() bool { return fmt.Sprint(tr.events(a.name())) == "[started started]" })
}

// offers, as a tracker that lies makes them up.
func madeUp(t testing.TB, hash [20]byte, n int) [][]byte {
	t.Helper()
	var out [][]byte
	for range n {
		id := make([]byte, 40)
		_, _ = rand.Read(id)
		b, err := json.Marshal(map[string]any{
			"action": "announce", "info_hash": chars(hash[:]), "peer_id": chars(id[:20]), "offer_id": chars(id[20:]),
			"offer": map[string]string{"type": "offer", "sdp": nobody},
		})
		check(t, err)
		out = append(out, b)
	}
	return out
}

// nobody is a description of a peer that is not there.
const nobody = "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\n" +
	"c=IN IP4 0.0.0.0\r\na=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901234567\r\n" +
	"a=fingerprint:sha-256 00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF:00:11:22:33:44:55:66:77:88:99:AA:BB:CC:DD:EE:FF\r\n" +
	"a=setup:actpass\r\na=mid:0\r\na=sctp-port:5000\r\na=candidate:1 1 udp 2122260223 127.0.0.1 9 typ host\r\n"

func TestATrackerThatFloodsWithOffersCostsLittle(t *testing.T) {
	tr := newWebTracker(t)
	a := newMet(t, tr, 0, nil)
	tr.until("the announce", func() bool { return len(tr.events(a.name())) == 1 })
	hash, _ := descriptor(t)
	start := time.Now()
	for _, o := range madeUp(t, hash, 400) {
		tr.raw(a.name(), o)
	}
	took := time.Since(start)
	answers := func() (n int) {
		for _, m := range tr.said {
			if m.Answer != nil {
				n++
			}
		}
		return n
	}
	tr.until("some answers", func() bool { return answers() >= 20 })
	// A peer that means it still gets in by other ways, and soon by this one too.
	hub := newHub(t)
	check(t, a.swarm.Dial(hub.addr()))
	a.connected(0)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	if n := answers(); n > 32 {
		t.Errorf("%d of 400 offers were answered at once, sent in %v", n, took)
	}
}

func TestWhatATrackerMakesUpIsPassedOver(t *testing.T) {
	tr := newWebTracker(t)
	a := newMet(t, tr, 4, nil)
	tr.until("the announce", func() bool { return len(tr.events(a.name())) == 1 })
	hash, _ := descriptor(t)
	about := func(more string) string {
		h, err := json.Marshal(chars(hash[:]))
		check(t, err)
		return fmt.Sprintf(`{"action":"announce","info_hash":%s,%s}`, h, more)
	}
	id, mine := strings.Repeat("i", 20), fmt.Sprintf("%q", a.name())
	sdp, err := json.Marshal(nobody)
	check(t, err)
	crowd, err := json.Marshal(nobody + strings.Repeat("a=candidate:1 1 udp 1 127.0.0.1 9 typ host\r\n", 40))
	check(t, err)
	for _, bad := range []string{
		``, `{`, `[]`, `null`, `{"info_hash":"short"}`, `{"info_hash":"` + strings.Repeat("€", 20) + `"}`,
		about(`"interval":1e999`), about(`"interval":-5`), about(`"failure reason":"no"`), about(`"offer":null`),
		about(`"offer":{"type":"offer","sdp":"x"}`),
		about(`"peer_id":"` + id + `","offer_id":"` + id + `","offer":{"type":"answer","sdp":` + string(sdp) + `}`),
		about(`"peer_id":"` + id + `","offer_id":"` + id + `","offer":{"type":"offer","sdp":` + string(crowd) + `}`),
		about(`"peer_id":"` + id + `","offer_id":"` + id + `","offer":{"type":"offer","sdp":"` + strings.Repeat("x", 9000) + `"}`),
		about(`"peer_id":"` + id + `","offer_id":"` + id + `","offer":{"type":"offer","sdp":"` + strings.Repeat("x", 100_000) + `"}`),
		about(`"peer_id":"` + id + `","offer_id":"` + id + `","offer":{"type":"offer","sdp":"no description"}`),
		about(`"peer_id":"` + id + `","offer_id":"` + id + `","answer":{"type":"answer","sdp":` + string(sdp) + `}`),
		about(`"peer_id":` + mine + `,"offer_id":"` + id + `","offer":{"type":"offer","sdp":` + string(sdp) + `}`),
	} {
		tr.raw(a.name(), []byte(bad))
	}
	tr.mu.Lock()
	c := tr.peers[a.name()]
	tr.mu.Unlock()
	check(t, c.Write(t.Context(), websocket.MessageBinary, []byte("binary")))
	// It still listens.
	seed := newMet(t, tr, 4, nil)
	a.connected(0)
	seed.connected(0)
	tr.mu.Lock()
	defer tr.mu.Unlock()
	for _, m := range tr.said {
		if m.Answer != nil && m.ToPeerID != seed.name() && m.PeerID == a.name() {
			t.Errorf("it answered %q", m.ToPeerID)
		}
	}
	if n := len(tr.events(a.name())); n != 1 {
		t.Errorf("it announced %d times", n)
	}
}

func TestAnAnswerCountsOnceAndOnlyAtTheTrackerThatWasTold(t *testing.T) {
	one, two := newWebTracker(t), newWebTracker(t)
	a := newMet(t, one, 1, func(s *setup) { s.spec.Trackers = []string{one.url, two.url} })
	var offer struct {
		OfferID string `json:"offer_id"`
	}
	one.until("an offer", func() bool { return len(one.events(a.name())) == 1 })
	two.until("an offer", func() bool { return len(two.events(a.name())) == 1 })
	one.mu.Lock()
	check(t, json.Unmarshal(one.said[0].Offers[0], &offer))
	one.mu.Unlock()
	hash, _ := descriptor(t)
	fake := map[string]any{
		"action": "announce", "info_hash": chars(hash[:]), "peer_id": strings.Repeat("i", 20), "offer_id": offer.OfferID,
		"answer": map[string]string{"type": "answer", "sdp": nobody},
	}
	two.send(a.name(), fake) // who was not told of the offer
	b := newMet(t, two, 0, nil)
	two.until("b", func() bool { return len(two.events(b.name())) == 1 })
	// The offer at the first tracker still stands: it is answered by a peer.
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	c := newMet(t, one, 0, nil)
	one.until("c", func() bool { return len(one.events(c.name())) == 1 })
	one.mu.Lock()
	o := map[string]any{}
	check(t, json.Unmarshal(one.said[0].Offers[0], &o))
	one.mu.Unlock()
	o["action"], o["info_hash"], o["peer_id"] = "announce", chars(hash[:]), a.name()
	one.send(c.name(), o)
	a.connected(0)
	c.connected(0)
	check(t, ctx.Err())
}
