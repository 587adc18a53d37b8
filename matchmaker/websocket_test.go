package matchmaker_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/matchmaker"
)

func asClose(err error, to *websocket.CloseError) bool { return errors.As(err, to) }

func TestPagesMeetByOffersAndAnswers(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	l := serveSockets(t, s)
	a, b := l.open("192.0.2.1:1", "a"), l.open("192.0.2.2:1", "b")
	want := map[string]any{"action": "announce", "info_hash": latin1(hash(1)), "interval": 120.0, "complete": 0.0, "incomplete": 1.0}
	if got := a.announce(hash(1), 5); !reflect.DeepEqual(got, want) {
		t.Errorf("the first hears %v, want %v", got, want)
	}
	want["incomplete"] = 2.0
	if got := b.announce(hash(1), 5); !reflect.DeepEqual(got, want) {
		t.Errorf("the second hears %v, want %v", got, want)
	}
	offer := a.next()
	want = map[string]any{
		"action": "announce", "info_hash": latin1(hash(1)), "peer_id": b.id, "offer_id": offerID(b.id, 0),
		"offer": map[string]any{"type": "offer", "sdp": "v=0\r\nb0"},
	}
	if !reflect.DeepEqual(offer, want) {
		t.Errorf("the first is offered %v, want %v", offer, want)
	}
	a.say(a.answer(offer))
	want = map[string]any{
		"action": "announce", "info_hash": latin1(hash(1)), "peer_id": a.id, "offer_id": offerID(b.id, 0),
		"answer": map[string]any{"type": "answer", "sdp": "v=0\r\nto " + offerID(b.id, 0)},
	}
	if got := b.next(); !reflect.DeepEqual(got, want) {
		t.Errorf("the second is answered %v, want %v", got, want)
	}
	a.quiet()
	b.quiet()
}

func TestOffersGoToOthersOfTheTorrentOneEach(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	l := serveSockets(t, s)
	var others []*page
	for i := range 6 {
		p := l.open("192.0.2.1:1", string(rune('b'+i)))
		p.announce(hash(1), 0)
		others = append(others, p)
	}
	elsewhere := l.open("192.0.2.1:1", "z")
	elsewhere.announce(hash(2), 0)
	again := l.open("192.0.2.7:1", "a") // the asker, by a socket that it had before
	again.announce(hash(1), 0)
	a := l.open("192.0.2.1:1", "a")
	a.announce(hash(1), 4)
	seen := map[any]int{}
	count := func() {
		a.quiet() // so all that it made the tracker say is said
		for _, p := range others {
			p.say(map[string]any{"action": "scrape", "info_hash": latin1(hash(9))})
			for m := p.next(); m["action"] != "scrape"; m = p.next() {
				seen[p.id]++
				seen[m["offer_id"]]++
			}
		}
	}
	if count(); len(seen) != 8 || slices.Max(values(seen)) != 1 {
		t.Errorf("4 offers go to %v", seen)
	}
	a.announce(hash(1), 2) // to those that had none
	if count(); len(seen) != 6+4 {
		t.Errorf("some are asked twice while others are there: %v", seen)
	}
	clear(seen)
	a.announce(hash(1), 5, "numwant", 1)
	if count(); len(seen) != 2 {
		t.Errorf("who wants one has %v offered", seen)
	}
	for _, p := range []*page{a, again, elsewhere} {
		p.quiet()
	}
}

func values(m map[any]int) (out []int) {
	for _, n := range m {
		out = append(out, n)
	}
	return out
}

func TestPagesCountAndAreNotGivenToWhoCannotReachThem(t *testing.T) {
	n := &notebook{}
	s := matchmaker.New(matchmaker.Options{Bus: n, Known: func(h [20]byte) bool { return h != hash(9) }})
	run(t, s)
	until(t, "the tracker is ready", s.Ready)
	l := serveSockets(t, s)
	a := l.open("192.0.2.1:1", "a")
	a.announce(hash(1), 0)
	l.open("192.0.2.1:2", "b").announce(hash(1), 0, "left", 0)
	got := announce(t, s, "192.0.2.3:5000", form(hash(1), 1, 6881))
	if got.Complete != 1 || got.Incomplete != 2 || len(got.four(t)) != 0 || s.SwarmSize(hash(1)) != 3 {
		t.Errorf("who asks over HTTP is told %+v", got)
	}
	if got := a.announce(hash(1), 5); got["complete"] != 1.0 || got["incomplete"] != 2.0 {
		t.Errorf("a page is told %v", got)
	}
	for _, asked := range []any{latin1(hash(1)), []string{latin1(hash(1)), latin1(hash(2)), latin1(hash(9))}} {
		a.say(map[string]any{"action": "scrape", "info_hash": asked})
		want := map[string]any{latin1(hash(1)): map[string]any{"complete": 1.0, "incomplete": 2.0, "downloaded": 0.0}}
		if _, several := asked.([]string); several {
			want[latin1(hash(2))] = map[string]any{"complete": 0.0, "incomplete": 0.0, "downloaded": 0.0}
		}
		if got := a.next(); got["action"] != "scrape" || !reflect.DeepEqual(got["files"], want) {
			t.Errorf("a scrape is answered %v, want %v", got, want)
		}
	}
	var scraped struct {
		Files map[string]map[string]int `bencode:"files"`
	}
	h := hash(1)
	check(t, bencode.DecodeBytes(ask(t, s.Scrape, "192.0.2.1:5000", "info_hash="+escape(h)), &scraped))
	if f := scraped.Files[string(h[:])]; f["complete"] != 1 || f["incomplete"] != 2 {
		t.Errorf("a scrape over HTTP counts %v", f)
	}
	if kinds := n.kinds(); kinds != "[joined]" {
		t.Errorf("facts are kept of pages, who are gone when the tracker starts again: %s", kinds)
	}
}

func escape(h [20]byte) (out string) {
	for _, b := range h {
		out += fmt.Sprintf("%%%02x", b)
	}
	return out
}

func TestAPageIsThereAsLongAsItsSocket(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	l := serveSockets(t, s)
	a, b := l.open("192.0.2.1:1", "a"), l.open("192.0.2.2:1", "b")
	for _, h := range []byte{1, 2, 3} {
		a.announce(hash(h), 0)
	}
	b.announce(hash(1), 0)
	b.announce(hash(1), 0, "peer_id", strings.Repeat("c", 20)) // which is another then
	if s.SwarmSize(hash(1)) != 2 || s.SwarmSize(hash(3)) != 1 {
		t.Errorf("%d and %d are there", s.SwarmSize(hash(1)), s.SwarmSize(hash(3)))
	}
	a.announce(hash(3), 3, "event", "stopped")
	a.announce(hash(9), 0, "event", "stopped") // where it was not
	if s.SwarmSize(hash(3)) != 0 || s.SwarmSize(hash(2)) != 1 {
		t.Error("who stops one torrent stays, or leaves another")
	}
	check(t, a.c.Close(websocket.StatusNormalClosure, ""))
	until(t, "it is gone from all its torrents", func() bool { return s.SwarmSize(hash(1)) == 1 && s.SwarmSize(hash(2)) == 0 })
	check(t, b.c.CloseNow()) // without a word
	until(t, "the other is gone", func() bool { return s.SwarmSize(hash(1)) == 0 })
}

func TestASocketWhoseOtherEndIsDeadIsReapedWithinAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := matchmaker.New(matchmaker.Options{})
		l := serveSockets(t, s)
		dead := l.openAs("192.0.2.1:1", "a", websocket.DialOptions{OnPingReceived: func(context.Context, []byte) bool { return false }})
		dead.announce(hash(1), 0)
		alive := l.open("192.0.2.2:1", "b")
		alive.announce(hash(1), 0)
		time.Sleep(29 * time.Second)
		if n := s.SwarmSize(hash(1)); n != 2 {
			t.Errorf("%d are there at first", n)
		}
		time.Sleep(31 * time.Second)
		if n := s.SwarmSize(hash(1)); n != 1 {
			t.Errorf("%d are there after a minute", n)
		}
		alive.quiet()
	})
}

// A page that its browser has frozen answers pings, and no offer.
func TestAPageThatAnnouncesNoMoreIsForgottenAfterTwoIntervals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := matchmaker.New(matchmaker.Options{})
		l := serveSockets(t, s)
		stop := run(t, s)
		defer stop()
		frozen, busy, again := l.open("192.0.2.1:1", "a"), l.open("192.0.2.2:1", "b"), l.open("192.0.2.3:1", "c")
		idle := l.open("192.0.2.4:1", "d")
		for _, p := range []*page{frozen, busy, again} {
			p.announce(hash(1), 0)
		}
		for range 3 {
			time.Sleep(100 * time.Second)
			again.announce(hash(1), 0)
			busy.quiet() // it says something, but is in no torrent any more
		}
		if n := s.SwarmSize(hash(1)); n != 1 {
			t.Errorf("%d are there", n)
		}
		for _, p := range []*page{frozen, idle} {
			if why := p.gone(); !strings.Contains(why.Reason, "connect again") {
				t.Errorf("%s is told %+v", p.id, why)
			}
		}
		busy.announce(hash(1), 0)
		if n := s.SwarmSize(hash(1)); n != 2 {
			t.Errorf("who announces again is not there")
		}
	})
}

func TestATrackerThatStopsClosesItsSocketsAndTakesNoMore(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	stop := run(t, s)
	l := serveSockets(t, s)
	a := l.open("192.0.2.1:1", "a")
	a.announce(hash(1), 0)
	deaf, err := l.connect("192.0.2.2:1", nil)
	check(t, err)
	defer deaf.CloseNow()
	stop()
	if why := a.gone(); why.Code != websocket.StatusGoingAway || s.SwarmSize(hash(1)) != 0 {
		t.Errorf("it is told %+v, and %d are there", why, s.SwarmSize(hash(1)))
	}
	if _, err := l.connect("192.0.2.1:1", nil); err == nil {
		t.Error("another socket is taken")
	}
}

func TestOnlyPagesOfAllowedOriginsMayUseTheTracker(t *testing.T) {
	for _, c := range []struct {
		origin  string
		allowed []string
		want    bool
	}{
		{"", nil, true}, // no browser
		{"http://tracker.example:8080", nil, true},
		{"https://TRACKER.example:8080", nil, true},
		{"http://tracker.example", nil, false},
		{"https://other.example", nil, false},
		{"https://other.example", []string{"https://other.example"}, true},
		{"http://other.example", []string{"https://other.example"}, false},
		{"https://other.example.evil.example", []string{"https://other.example"}, false},
		{"https://other.example", []string{"*"}, true},
		{"null", []string{"https://other.example"}, false},
		{"null", []string{"*"}, true},
	} {
		l := serveSockets(t, matchmaker.New(matchmaker.Options{Origins: c.allowed}))
		header := http.Header{}
		if c.origin != "" {
			header.Set("Origin", c.origin)
		}
		conn, err := l.connect("192.0.2.1:1", header)
		if (err == nil) != c.want || err != nil && !strings.HasPrefix(err.Error(), "403: pages of this site may not") {
			t.Errorf("%q where %q are allowed: %v", c.origin, c.allowed, err)
		}
		if conn != nil {
			_ = conn.CloseNow()
		}
	}
}

func TestABadMessageIsToldWhatIsWrongAndCostsNothingElse(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{Known: func(h [20]byte) bool { return h != hash(9) }})
	l := serveSockets(t, s)
	a, b := l.open("192.0.2.1:1", "a"), l.open("192.0.2.2:1", "b")
	b.announce(hash(2), 0)
	with := func(more ...any) string { return marshal(t, a.announcement(hash(2), 1, more...)) }
	offers := func(n int, id, kind, sdp string) (out []any) {
		for range n {
			out = append(out, map[string]any{"offer_id": id, "offer": map[string]any{"type": kind, "sdp": sdp}})
		}
		return out
	}
	id := strings.Repeat("i", 20)
	for _, c := range [][2]string{
		{"", "JSON object"},
		{"\xff\x00", "JSON object"},
		{"[]", "JSON object"},
		{strings.Repeat(`{"a":`, 9000) + "1" + strings.Repeat("}", 9000), "action"},
		{strings.Repeat("[", 60000), "JSON object"},
		{"{}", "action"},
		{`{"action":"connect"}`, "action"},
		{`{"action":"scrape"}`, "scrape"},
		{`{"action":"scrape","info_hash":[]}`, "scrape"},
		{`{"action":"scrape","info_hash":["short"]}`, "info_hash"},
		{`{"action":"scrape","info_hash":[` + strings.Repeat(`"aaaaaaaaaaaaaaaaaaaa",`, 74) + `"aaaaaaaaaaaaaaaaaaaa"]}`, "scrape"},
		{with("info_hash", "short"), "info_hash"},
		{with("info_hash", strings.Repeat("a", 21)), "info_hash"},
		{with("info_hash", strings.Repeat("☃", 20)), "info_hash"},
		{with("info_hash", 20), "info_hash"},
		{with("info_hash", nil), "info_hash"},
		{with("peer_id", "x"), "peer_id"},
		{with("left", -1), "left"},
		{with("left", "much"), "left"},
		{with("numwant", -1), "numwant"},
		{with("event", 7), "event"},
		{with("offers", "many"), "offers"},
		{with("offers", offers(11, id, "offer", "v=0")), "at most 10 offers"},
		{with("offers", offers(1, "short", "offer", "v=0")), "offer_id"},
		{with("offers", offers(1, id, "answer", "v=0")), "session description"},
		{with("offers", offers(1, id, "offer", "")), "session description"},
		{with("offers", offers(1, id, "offer", strings.Repeat("x", 16<<10+1))), "bytes"},
		{with("offers", []any{nil}), "offer_id"},
		{with("answer", "yes"), "session description"},
		{with("answer", map[string]any{"type": "answer", "sdp": "v=0"}), "to_peer_id"},
		{with("info_hash", latin1(hash(9))), "streams and archives of its own"},
	} {
		a.write(c[0])
		if got := a.next(); !strings.Contains(fmt.Sprint(got["failure reason"]), c[1]) || got["action"] == nil {
			t.Errorf("%.80q is answered with %v", c[0], got)
		}
	}
	if s.SwarmSize(hash(2)) != 1 || s.SwarmSize(hash(9)) != 0 {
		t.Error("a bad message is learnt from")
	}
	b.quiet()
	if got := a.announce(hash(2), 1, "left", nil, "event", "paused", "uploaded", "x"); got["failure reason"] != nil || got["incomplete"] != 2.0 {
		t.Errorf("a good one is answered with %v", got)
	}
}

func TestAMessageThatIsTooLongEndsItsSocketAndNoOther(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	l := serveSockets(t, s)
	a, b := l.open("192.0.2.1:1", "a"), l.open("192.0.2.1:1", "b")
	a.announce(hash(1), 0)
	b.announce(hash(1), 0)
	go func() { _ = a.c.Write(context.Background(), websocket.MessageText, make([]byte, 10<<20)) }()
	if why := a.gone(); why.Code != websocket.StatusMessageTooBig {
		t.Errorf("it is told %+v", why)
	}
	until(t, "it is gone", func() bool { return s.SwarmSize(hash(1)) == 1 })
	b.quiet()
}

func TestOnlyWhoWasSentAnOfferMayAnswerItOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := matchmaker.New(matchmaker.Options{Interval: 10 * time.Minute})
		l := serveSockets(t, s)
		a, b, c := l.open("192.0.2.1:1", "a"), l.open("192.0.2.2:1", "b"), l.open("192.0.2.3:1", "c")
		a.announce(hash(1), 0)
		b.announce(hash(1), 1)
		offer := a.next()
		c.announce(hash(1), 0) // after the offer
		refused := func(what string, p *page, m map[string]any) {
			t.Helper()
			p.say(m)
			if got := p.next(); !strings.Contains(fmt.Sprint(got["failure reason"]), "answers no offer") || got["info_hash"] != m["info_hash"] {
				t.Errorf("%s: %v", what, got)
			}
		}
		refused("another answers", c, c.answer(offer))
		refused("another answers in its name", c, c.answer(offer, "peer_id", a.id))
		refused("it answers in another's name", a, a.answer(offer, "peer_id", c.id))
		refused("who did not offer is answered", a, a.answer(offer, "to_peer_id", c.id))
		refused("who offers answers", b, b.answer(offer, "to_peer_id", b.id))
		refused("an offer that was not made is answered", a, a.answer(offer, "offer_id", offerID(b.id, 1)))
		refused("it is answered in another torrent", a, a.answer(offer, "info_hash", latin1(hash(2))))
		c.quiet()
		b.quiet()
		a.say(a.answer(offer))
		if got := b.next(); got["answer"] == nil {
			t.Errorf("the answer is lost: %v", got)
		}
		refused("it is answered again", a, a.answer(offer))
		b.announce(hash(1), 1) // to the other
		b.announce(hash(1), 2)
		offer = a.next()
		time.Sleep(time.Minute)
		refused("it is too old", a, a.answer(offer))
		b.announce(hash(1), 2)
		offer = a.next()
		check(t, b.c.Close(websocket.StatusNormalClosure, ""))
		a.say(a.answer(offer)) // to who has left meanwhile
		a.quiet()
	})
}

func TestNobodyIsFloodedWithOffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := matchmaker.New(matchmaker.Options{})
		l := serveSockets(t, s)
		victim := l.open("192.0.2.1:1", "v")
		victim.announce(hash(1), 0)
		heard := func() (n int) {
			synctest.Wait()
			for ; len(victim.heard) > 0; n++ {
				<-victim.heard
			}
			return n
		}
		loud := l.open("192.0.2.2:1", "l")
		for range 30 {
			loud.announce(hash(1), 10)
		}
		if n := heard(); n != 8 {
			t.Errorf("one other makes %d offers, one at a time", n)
		}
		check(t, loud.c.Close(websocket.StatusNormalClosure, ""))
		for i := range 100 {
			p := l.open("192.0.2.3:1", string(rune('À'+i)))
			p.announce(hash(1), 1)
			p.announce(hash(1), 1, "event", "stopped")
		}
		if n := heard(); n != 64-8 {
			t.Errorf("many others make %d more", n)
		}
		time.Sleep(time.Minute)
		other := l.open("192.0.2.4:1", "o")
		other.announce(hash(1), 1)
		if n := heard(); n != 1 {
			t.Errorf("a minute later it hears %d", n)
		}
	})
}

func TestTenThousandAnnouncesFromOneAddressAreMostlyRefusedAndOthersServed(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	l := serveSockets(t, s)
	a, other := l.open("192.0.2.1:1", "a"), l.open("192.0.2.2:1", "o")
	said := 0
	for ; said < 10_000; said++ {
		if a.c.Write(context.Background(), websocket.MessageText, []byte(marshal(t, a.announcement(hash(1), 0)))) != nil {
			break
		}
	}
	if why := a.gone(); !strings.Contains(why.Reason, "refused") {
		t.Errorf("it is told %+v", why)
	}
	if said > 2000 {
		t.Errorf("after %d announces it was still heard", said)
	}
	if got := other.announce(hash(1), 0); got["failure reason"] != nil {
		t.Errorf("another is told %v", got)
	}
	here := l.open("127.0.0.1:1", "h")
	for range 1000 {
		if got := here.announce(hash(1), 0); got["failure reason"] != nil {
			t.Fatalf("this machine is told %v", got)
		}
	}
}

func TestEveryLimitOfSocketsHolds(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{Sockets: 5, AddressSockets: 2, AddressPeers: 70})
	l := serveSockets(t, s)
	first := l.open("192.0.2.1:1", "a")
	second := l.open("192.0.2.1:2", "b")
	if _, err := l.connect("192.0.2.1:3", nil); err == nil || !strings.HasPrefix(err.Error(), "429: too many WebSockets from your address") {
		t.Errorf("a third from an address: %v", err)
	}
	for range 3 {
		l.open("127.0.0.1:1", "c") // this machine is free of it
	}
	if _, err := l.connect("192.0.2.2:1", nil); err == nil || !strings.HasPrefix(err.Error(), "503: this tracker has as many") {
		t.Errorf("a sixth: %v", err)
	}
	for i := range byte(64) {
		first.announce(hash(i), 0)
	}
	told := func(what, want string, got map[string]any) {
		t.Helper()
		if !strings.Contains(fmt.Sprint(got["failure reason"]), want) {
			t.Errorf("%s: %v", what, got)
		}
	}
	told("a torrent too many", "too many torrents", first.announce(hash(64), 0))
	first.announce(hash(0), 0, "event", "stopped")
	told("one for another", "<nil>", first.announce(hash(64), 0))
	for i := range byte(7) {
		announce(t, s, "192.0.2.1:5000", form(hash(200+i), 1, 6881))
	}
	told("more peers than an address may have", "too many peers", second.announce(hash(0), 0))
	check(t, first.c.Close(websocket.StatusNormalClosure, ""))
	until(t, "its place is free", func() bool {
		c, err := l.connect("192.0.2.1:3", nil)
		if err == nil {
			_ = c.CloseNow()
		}
		return err == nil
	})
}

func TestAReaderThatTakesNothingIsClosedAndHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		reg := prometheus.NewRegistry()
		s := matchmaker.New(matchmaker.Options{Metrics: matchmaker.NewMetrics(reg)})
		l := serveSockets(t, s)
		slow := func(id string) *websocket.Conn {
			c, err := l.connect("192.0.2.1:1", nil)
			check(t, err)
			check(t, c.Write(t.Context(), websocket.MessageText, []byte(marshal(t, (&page{id: strings.Repeat(id, 20)}).announcement(hash(1), 0)))))
			return c
		}
		// By time: it does not even take the answer to its announce.
		c := slow("s")
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if n := s.SwarmSize(hash(1)); n != 0 {
			t.Errorf("%d are there after 11 s", n)
		}
		_ = c.CloseNow()
		// By bytes: others make it long offers.
		c = slow("t")
		synctest.Wait()
		for i := range 30 {
			p := l.open("192.0.2.2:1", string(rune('À'+i)))
			m := p.announcement(hash(1), 1)
			m["offers"].([]any)[0].(map[string]any)["offer"] = map[string]any{"type": "offer", "sdp": strings.Repeat("<", 16<<10)}
			p.say(m)
			p.next()
			p.announce(hash(1), 0, "event", "stopped")
		}
		time.Sleep(time.Second) // long before the time is over
		synctest.Wait()
		if n := s.SwarmSize(hash(1)); n != 0 {
			t.Errorf("%d are there after 480 kB that nobody took", n)
		}
		_ = c.CloseNow()
	})
}
