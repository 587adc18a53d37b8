package matchmaker_test

import (
	"fmt"
	"net/netip"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/matchmaker"
)

func TestPeersOfATorrentAreToldOfEachOther(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	first := announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881))
	if first.Failure != "" || first.Interval != 120 || first.Min != 15 || len(first.four(t)) != 0 || first.Incomplete != 1 || first.Complete != 0 {
		t.Errorf("the first is told %+v", first)
	}
	announce(t, s, "[2001:db8::2]:5000", form(hash(1), 2, 6882, "left", "0"))
	announce(t, s, "192.0.2.9:5000", form(hash(2), 9, 6889)) // of another torrent
	third := announce(t, s, "[::ffff:192.0.2.3]:5000", form(hash(1), 3, 6883))
	if got := third.four(t); !slices.Equal(got, []string{"192.0.2.1:6881"}) {
		t.Errorf("it is told of %v", got)
	}
	if got := addrs(t, []byte(third.Peers6), 16); !slices.Equal(got, []string{"[2001:db8::2]:6882"}) {
		t.Errorf("over IPv6 it is told of %v", got)
	}
	if third.Complete != 1 || third.Incomplete != 2 {
		t.Errorf("%d complete, %d incomplete", third.Complete, third.Incomplete)
	}
	if got := announce(t, s, "192.0.2.1:5001", form(hash(1), 1, 6881)).four(t); !slices.Equal(got, []string{"192.0.2.3:6883"}) {
		t.Errorf("an IPv4 peer behind a dual-stack socket is told as %v", got)
	}
	if n := s.SwarmSize(hash(1)); n != 3 {
		t.Errorf("the swarm has %d peers", n)
	}
}

func TestAListThatIsNotCompactNamesPeers(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	announce(t, s, "[2001:db8::2]:5000", form(hash(1), 2, 6882))
	for _, without := range []bool{false, true} {
		v := form(hash(1), 1, 6881, "compact", "0")
		want := map[string]any{"ip": "2001:db8::2", "port": int64(6882), "peer id": "\x02" + strings.Repeat("\x00", 19)}
		if without {
			v.Set("no_peer_id", "1")
			delete(want, "peer id")
		}
		var got []map[string]any
		check(t, bencode.DecodeBytes(announce(t, s, "192.0.2.1:5000", v).Peers, &got))
		if len(got) != 1 || !reflect.DeepEqual(got[0], want) {
			t.Errorf("listed are %v, want %v", got, want)
		}
	}
}

func TestWhoStopsIsGone(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881))
	announce(t, s, "192.0.2.1:5000", form(hash(1), 9, 6881, "event", "stopped"))
	if n := s.SwarmSize(hash(1)); n != 1 {
		t.Error("another stops it")
	}
	if got := announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881, "event", "stopped")); got.Failure != "" || s.SwarmSize(hash(1)) != 0 {
		t.Errorf("it stays, and is told %+v", got)
	}
}

func TestAPeerWithoutAPortTakesAndIsNotGiven(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881))
	if got := announce(t, s, "192.0.2.2:5000", form(hash(1), 2, 0)); len(got.four(t)) != 1 || s.SwarmSize(hash(1)) != 1 {
		t.Errorf("it is told %+v, in a swarm of %d", got, s.SwarmSize(hash(1)))
	}
}

func TestAPeerGetsAsManyAsItWantsUpTo200(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	for i := range 250 {
		announce(t, s, fmt.Sprintf("192.0.2.%d:5000", i), form(hash(1), byte(i), 6881, "numwant", "0"))
	}
	for want, n := range map[string]int{"": 50, "-1": 50, "0": 0, "7": 7, "200": 200, "1000000": 200, "99999999999999999999": 200} {
		if got := announce(t, s, "198.51.100.1:5000", form(hash(1), 255, 1, "numwant", want)).four(t); len(got) != n {
			t.Errorf("who wants %q gets %d, not %d", want, len(got), n)
		}
	}
}

func TestTorrentsOfOthersAreRefusedInASentence(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{Known: func(h [20]byte) bool { return h == hash(1) }})
	if got := announce(t, s, "192.0.2.1:5000", form(hash(2), 1, 6881)); !strings.Contains(got.Failure, "streams and archives of its own") || s.SwarmSize(hash(2)) != 0 {
		t.Errorf("told %+v", got)
	}
	if got := announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881)); got.Failure != "" {
		t.Errorf("its own is refused: %s", got.Failure)
	}
}

func TestAScrapeCountsTheTorrentsItNames(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{Known: func(h [20]byte) bool { return h != hash(9) }})
	announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881))
	announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881, "left", "0", "event", "completed"))
	announce(t, s, "192.0.2.2:5000", form(hash(1), 2, 6881))
	announce(t, s, "192.0.2.2:5000", form(hash(1), 3, 6882, "left", ""))
	name := func(n byte) string { h := hash(n); return string(h[:]) }
	var got struct {
		Files map[string]map[string]int `bencode:"files"`
		Flags map[string]int            `bencode:"flags"`
	}
	v := url.Values{"info_hash": {name(1), name(2), name(9)}}
	check(t, bencode.DecodeBytes(ask(t, s.Scrape, "192.0.2.1:5000", v.Encode()), &got))
	want := map[string]map[string]int{
		name(1): {"complete": 1, "incomplete": 2, "downloaded": 1},
		name(2): {"complete": 0, "incomplete": 0, "downloaded": 0},
	}
	if !reflect.DeepEqual(got.Files, want) || got.Flags["min_request_interval"] != 15 {
		t.Errorf("got %v, want %v", got, want)
	}
	for _, bad := range []string{"", "info_hash=short", strings.Repeat("info_hash=aaaaaaaaaaaaaaaaaaaa&", 75)} {
		var out said
		check(t, bencode.DecodeBytes(ask(t, s.Scrape, "192.0.2.1:5000", bad), &out))
		if out.Failure == "" {
			t.Errorf("%.40q is answered", bad)
		}
	}
}

func TestABadAnnounceIsToldWhatIsWrong(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	for _, c := range [][3]string{
		{"info_hash", "short", "info_hash"},
		{"info_hash", "", "info_hash"},
		{"peer_id", strings.Repeat("x", 21), "peer_id"},
		{"port", "", "port"},
		{"port", "65536", "port"},
		{"port", "-1", "port"},
		{"left", "-5", "left"},
		{"left", "x", "left"},
		{"numwant", "many", "numwant"},
		{"more", strings.Repeat("x", 9000), "bytes"},
	} {
		if got := announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881, c[0], c[1])); !strings.Contains(got.Failure, c[2]) {
			t.Errorf("%s=%.30s is answered with %+v", c[0], c[1], got)
		}
	}
	var out said
	check(t, bencode.DecodeBytes(ask(t, s.Announce, "192.0.2.1:5000", "info_hash=%zz"), &out))
	if out.Failure == "" {
		t.Error("a query that is not percent-encoded is taken")
	}
	if s.SwarmSize(hash(1)) != 0 {
		t.Error("a bad announce is learnt from")
	}
}

func TestTheAddressOfAPeerIsWhereItAsksFrom(t *testing.T) {
	for _, c := range []struct{ name, from, ip, forwarded, want string }{
		{"plain", "192.0.2.1:5000", "", "", "192.0.2.1"},
		{"it names another", "192.0.2.1:5000", "198.51.100.9", "", "192.0.2.1"},
		{"this machine names one", "127.0.0.1:5000", "198.51.100.9", "", "198.51.100.9"},
		{"a private network names one", "10.0.0.1:5000", "2001:db8::9", "", "2001:db8::9"},
		{"this machine names nonsense", "127.0.0.1:5000", "host", "", "127.0.0.1"},
		{"this machine names all the world", "127.0.0.1:5000", "224.0.0.1", "", "127.0.0.1"},
		{"a header that nobody vouches for", "192.0.2.1:5000", "", "198.51.100.9", "192.0.2.1"},
		{"through our proxy", "203.0.113.1:5000", "", "198.51.100.9", "198.51.100.9"},
		{"through two of ours", "203.0.113.1:5000", "", "198.51.100.9, 203.0.113.2", "198.51.100.9"},
		{"a lie before our proxy's word", "203.0.113.1:5000", "", "192.0.2.66, 198.51.100.9", "198.51.100.9"},
		{"nonsense through our proxy", "203.0.113.1:5000", "", "unknown", "203.0.113.1"},
		{"our proxy itself", "203.0.113.1:5000", "", "", "203.0.113.1"},
	} {
		s := matchmaker.New(matchmaker.Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24")}})
		var header []string
		if c.forwarded != "" {
			header = []string{"X-Forwarded-For", c.forwarded}
		}
		announce(t, s, c.from, form(hash(1), 1, 6881, "ip", c.ip), header...)
		got := announce(t, s, "127.0.0.1:1", form(hash(1), 2, 6882))
		all := append(got.four(t), addrs(t, []byte(got.Peers6), 16)...)
		if want := netip.AddrPortFrom(netip.MustParseAddr(c.want), 6881).String(); !slices.Equal(all, []string{want}) {
			t.Errorf("%s: it is found at %v, want %s", c.name, all, want)
		}
	}
}

func TestWhoAsksTooOftenIsToldSoAndOthersAreNot(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{AddressRate: 1})
	refused := ""
	for range 12 {
		if got := announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881)); got.Failure != "" {
			refused = got.Failure
		}
	}
	if !strings.Contains(refused, "too often") {
		t.Errorf("after 12 at once it is told %q", refused)
	}
	if got := announce(t, s, "192.0.2.2:5000", form(hash(1), 2, 6881)); got.Failure != "" {
		t.Errorf("another is told %q", got.Failure)
	}
}

func TestLeftThatCannotBeHeldIsStillSomething(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	announce(t, s, "192.0.2.1:5000", form(hash(1), 1, 6881, "left", "18446744073709551615"))
	if got := announce(t, s, "192.0.2.2:5000", form(hash(1), 2, 6881)); got.Incomplete != 2 {
		t.Errorf("told %+v", got)
	}
}
