package matchmaker

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
)

var epoch = time.UnixMilli(1_700_000_000_000)

func testState(l limits) *state {
	for _, n := range []*int{&l.torrents, &l.peers, &l.all, &l.address} {
		if *n == 0 {
			*n = 1 << 20
		}
	}
	l.silence = 4 * time.Minute
	return newState(l, rand.New(rand.NewPCG(1, 2)))
}

func factOf(kind event.PeerKind, addr string, id byte, left int64, at time.Time) event.PeerFact {
	return event.PeerFact{
		Kind: kind, InfoHash: event.InfoHash{1}, Peer: event.PeerID{id},
		Addr: netip.MustParseAddrPort(addr), Left: left, At: at.UnixMilli(),
	}
}

func counted(s *state) string {
	c, i, d := s.count(event.InfoHash{1})
	return fmt.Sprintf("%d complete, %d incomplete, %d downloaded", c, i, d)
}

func TestWhoIsInASwarmIsTheFoldOfItsFacts(t *testing.T) {
	s := testState(limits{})
	for i, c := range []struct {
		f    event.PeerFact
		want string
	}{
		{factOf(event.PeerJoined, "192.0.2.1:1", 1, 9, epoch), "0 complete, 1 incomplete, 0 downloaded"},
		{factOf(event.PeerJoined, "192.0.2.1:2", 2, 0, epoch), "1 complete, 1 incomplete, 0 downloaded"},
		{factOf(event.PeerJoined, "[2001:db8::1]:1", 3, event.LeftUnknown, epoch), "1 complete, 2 incomplete, 0 downloaded"},
		{factOf(event.PeerMeasured, "192.0.2.1:1", 1, 5, epoch.Add(1)), "1 complete, 2 incomplete, 0 downloaded"},
		{factOf(event.PeerMeasured, "192.0.2.1:1", 1, 0, epoch.Add(time.Second)), "2 complete, 1 incomplete, 1 downloaded"},
		{factOf(event.PeerMeasured, "192.0.2.1:1", 1, 7, epoch), "2 complete, 1 incomplete, 1 downloaded"},               // older than what is known
		{factOf(event.PeerLeft, "192.0.2.1:2", 9, 0, epoch.Add(time.Second)), "2 complete, 1 incomplete, 1 downloaded"},  // said by another
		{factOf(event.PeerLeft, "192.0.2.1:2", 2, 0, epoch.Add(time.Second)), "1 complete, 1 incomplete, 1 downloaded"},  //
		{factOf(event.PeerMeasured, "192.0.2.9:2", 4, 5, epoch), "1 complete, 2 incomplete, 1 downloaded"},               // its joining was lost
		{factOf(event.PeerJoined, "192.0.2.9:9", 5, 5, epoch.Add(-time.Hour)), "1 complete, 2 incomplete, 1 downloaded"}, // long silent
		{factOf(event.PeerJoined, "192.0.2.1:1", 8, 4, epoch.Add(2*time.Second)), "0 complete, 3 incomplete, 1 downloaded"},
	} {
		if err := s.apply(c.f, epoch.Add(3*time.Second)); err != nil || counted(s) != c.want {
			t.Fatalf("after fact %d: %s, want %s (%v)", i, counted(s), c.want, err)
		}
	}
	if n := s.expire(event.InfoHash{1}, epoch.Add(4*time.Minute)); n != 2 {
		t.Errorf("%d of 2 silent peers are forgotten", n)
	}
	if n := s.expire(event.InfoHash{1}, epoch.Add(time.Hour)); n != 1 || len(s.torrents) != 0 || len(s.entries) != 0 || s.peers != 0 {
		t.Errorf("something stays when all have gone: %+v", s)
	}
}

func TestAFactFromTheFutureIsNoOlderForIt(t *testing.T) {
	s := testState(limits{})
	if err := s.apply(factOf(event.PeerJoined, "192.0.2.1:1", 1, 9, epoch.Add(time.Hour)), epoch); err != nil {
		t.Fatal(err)
	}
	if n := s.expire(event.InfoHash{1}, epoch.Add(4*time.Minute)); n != 1 {
		t.Error("a tracker whose clock is ahead keeps its peers alive")
	}
}

func TestEveryLimitOfTheStateHolds(t *testing.T) {
	join := func(s *state, torrent byte, addr string) error {
		f := factOf(event.PeerJoined, addr, torrent, 1, epoch)
		f.InfoHash = event.InfoHash{torrent}
		return s.apply(f, epoch)
	}
	for name, c := range map[string]struct {
		limits limits
		third  func(s *state) error
		want   error
	}{
		"torrents":       {limits{torrents: 2}, func(s *state) error { return join(s, 3, "192.0.2.3:1") }, errTorrents},
		"all peers":      {limits{all: 2}, func(s *state) error { return join(s, 2, "192.0.2.3:1") }, errPeers},
		"an IPv4":        {limits{address: 1}, func(s *state) error { return join(s, 3, "192.0.2.1:2") }, errAddress},
		"this machine":   {limits{address: 1}, func(s *state) error { join(s, 1, "127.0.0.1:1"); return join(s, 1, "127.0.0.1:2") }, nil},
		"another IPv4":   {limits{address: 1}, func(s *state) error { return join(s, 3, "192.0.2.3:2") }, nil},
		"an IPv6 /64":    {limits{address: 1}, func(s *state) error { join(s, 1, "[2001:db8::1]:1"); return join(s, 1, "[2001:db8::2]:1") }, errAddress},
		"another /64":    {limits{address: 1}, func(s *state) error { join(s, 1, "[2001:db8::1]:1"); return join(s, 1, "[2001:db8:1::2]:1") }, nil},
		"the same again": {limits{torrents: 2, all: 2, address: 1}, func(s *state) error { return join(s, 1, "192.0.2.1:1") }, nil},
	} {
		s := testState(c.limits)
		if err := errors.Join(join(s, 1, "192.0.2.1:1"), join(s, 2, "192.0.2.2:1")); err != nil {
			t.Fatal(err)
		}
		if err := c.third(s); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestAFullSwarmMakesRoomAtRandom(t *testing.T) {
	s := testState(limits{peers: 50})
	for i := range 200 {
		if err := s.apply(factOf(event.PeerJoined, fmt.Sprintf("192.0.2.%d:1", i), byte(i), 1, epoch), epoch); err != nil {
			t.Fatal(err)
		}
	}
	tor := s.torrents[event.InfoHash{1}]
	old := 0
	for _, p := range tor.dialable {
		if p.id[0] < 100 {
			old++
		}
	}
	if len(tor.dialable) != 50 || s.peers != 50 || s.evicted != 150 || tor.peers[contact{addr: netip.MustParseAddrPort("192.0.2.199:1")}] == nil {
		t.Errorf("%d peers, %d evicted", len(tor.dialable), s.evicted)
	}
	if old == 0 || old > 25 {
		t.Errorf("%d of the first hundred are left of 50", old)
	}
	one := testState(limits{peers: 1})
	for i := range 3 {
		if err := one.apply(factOf(event.PeerJoined, fmt.Sprintf("192.0.2.%d:1", i), byte(i), 0, epoch), epoch); err != nil || counted(one) != "1 complete, 0 incomplete, 0 downloaded" {
			t.Fatalf("a swarm of one: %s, %v", counted(one), err)
		}
	}
}

// Whatever happens, the counts are those of the peers that are there.
func TestTheStateStaysConsistent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := testState(limits{peers: 5, torrents: 3, all: 12, address: 8})
		sockets := []*socket{nil, {}, {}, {}}
		now := epoch
		for range rapid.IntRange(1, 80).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 60).Draw(t, "seconds")) * time.Second)
			h := event.InfoHash{rapid.Byte().Draw(t, "torrent") % 4}
			if rapid.IntRange(0, 9).Draw(t, "what") == 0 {
				s.expire(h, now)
			}
			f := event.PeerFact{
				Kind:     rapid.SampledFrom([]event.PeerKind{event.PeerJoined, event.PeerMeasured, event.PeerLeft}).Draw(t, "kind"),
				InfoHash: h, Peer: event.PeerID{rapid.Byte().Draw(t, "id") % 2},
				Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, rapid.Byte().Draw(t, "host") % 4}), rapid.Uint16().Draw(t, "port")%4+1),
				Left: rapid.Int64Range(-1, 1).Draw(t, "left"),
				At:   now.Add(-time.Duration(rapid.IntRange(0, 300).Draw(t, "age")) * time.Second).UnixMilli(),
			}
			if k := rapid.SampledFrom(sockets).Draw(t, "socket"); k != nil {
				f.Addr = netip.AddrPortFrom(f.Addr.Addr(), 0)
				s.fold(f, contact{socket: k}, now)
			} else {
				s.apply(f, now)
			}
			all := 0
			entries := map[netip.Prefix]int{}
			for h, tor := range s.torrents {
				seeds := 0
				for l, list := range [][]*peer{tor.dialable, tor.behind} {
					for i, p := range list {
						if p.place != i || tor.peers[p.contact()] != p || (p.socket != nil) != (l == 1) {
							t.Fatalf("peer %v of %v is misplaced", p, h)
						}
						if p.complete() {
							seeds++
						}
						entries[network(p.addr.Addr())]++
					}
				}
				listed := len(tor.dialable) + len(tor.behind)
				if listed == 0 || listed > 5 || len(tor.peers) != listed || tor.seeds != seeds {
					t.Fatalf("torrent %v has %d peers, %d listed, %d seeds counted of %d", h, len(tor.peers), listed, tor.seeds, seeds)
				}
				all += listed
			}
			if all != s.peers || all > 12 || len(s.torrents) > 3 || len(entries) != len(s.entries) {
				t.Fatalf("%d peers counted as %d, at %v as %v", all, s.peers, entries, s.entries)
			}
			for n, c := range entries {
				if s.entries[n] != c || c > 8 {
					t.Fatalf("%d peers at %v counted as %d", c, n, s.entries[n])
				}
			}
		}
	})
}

func TestChoosingGivesOthersAtRandomWithoutRepeating(t *testing.T) {
	s := testState(limits{})
	for i := range 100 {
		if err := s.apply(factOf(event.PeerJoined, fmt.Sprintf("192.0.2.%d:1", i), byte(i), 1, epoch), epoch); err != nil {
			t.Fatal(err)
		}
	}
	a := asker{infohash: event.InfoHash{1}, id: event.PeerID{7}, addr: netip.MustParseAddrPort("192.0.2.7:1")}
	rng := rand.New(rand.NewPCG(3, 4))
	times := map[byte]int{}
	const draws = 2000
	for range draws {
		got := choose(s, a, 10, rng)
		seen := map[byte]bool{}
		for _, p := range got {
			seen[p.id[0]] = true
			times[p.id[0]]++
		}
		if len(got) != 10 || len(seen) != 10 || seen[7] {
			t.Fatalf("%d peers, %d of them different, itself: %v", len(got), len(seen), seen[7])
		}
	}
	for i := range byte(100) {
		if want := draws * 10 / 99; i != 7 && (times[i] < want*6/10 || times[i] > want*14/10) {
			t.Errorf("peer %d is given %d times, others about %d", i, times[i], want)
		}
	}
	if got := choose(s, a, 1000, rng); len(got) != 99 {
		t.Errorf("%d of 99 others are given to who wants all", len(got))
	}
	one, other := choose(s, a, 10, rand.New(rand.NewPCG(5, 6))), choose(s, a, 10, rand.New(rand.NewPCG(5, 6)))
	for i := range one {
		if one[i] != other[i] {
			t.Fatal("the same state and luck give different peers")
		}
	}
}

func TestOnlyPeersThatTheAskerCanUseAreGiven(t *testing.T) {
	for _, c := range []struct {
		name, from, to string
		complete       bool
		left           int64
		family         int
		want           bool
	}{
		{name: "another", from: "192.0.2.1:1", to: "192.0.2.2:1", left: 1, want: true},
		{name: "a neighbour behind the same NAT", from: "192.0.2.1:1", to: "192.0.2.1:2", left: 1, want: true},
		{name: "itself", from: "192.0.2.1:1", to: "192.0.2.1:1", left: 1},
		{name: "a seed to who wants one", from: "192.0.2.1:1", to: "192.0.2.2:1", want: true},
		{name: "a seed to who says it is complete", from: "192.0.2.1:1", to: "192.0.2.2:1", complete: true, want: true},
		{name: "a taker to a seed", from: "192.0.2.1:1", to: "192.0.2.2:1", left: 1, complete: true, want: true},
		{name: "IPv6 where IPv4 is wanted", from: "192.0.2.1:1", to: "[2001:db8::1]:1", left: 1, family: 32},
		{name: "IPv6 where any is wanted", from: "192.0.2.1:1", to: "[2001:db8::1]:1", left: 1, want: true},
		{name: "this machine to another", from: "192.0.2.1:1", to: "127.0.0.1:1", left: 1},
		{name: "this machine to itself", from: "127.0.0.1:2", to: "127.0.0.1:1", left: 1, want: true},
		{name: "a private address to the world", from: "192.0.2.1:1", to: "10.0.0.1:1", left: 1},
		{name: "a private address at home", from: "192.168.0.1:1", to: "10.0.0.1:1", left: 1, want: true},
		{name: "the world to a private address", from: "10.0.0.1:1", to: "192.0.2.1:1", left: 1, want: true},
	} {
		a := asker{id: event.PeerID{1}, addr: netip.MustParseAddrPort(c.from), complete: c.complete, family: c.family}
		p := &peer{id: event.PeerID{2}, addr: netip.MustParseAddrPort(c.to), left: c.left}
		if useful(a, p) != c.want {
			t.Errorf("%s: %v", c.name, !c.want)
		}
		p.id = a.id
		if useful(a, p) {
			t.Errorf("%s: given to itself", c.name)
		}
	}
}

// A client with only a magnet link announces nothing left, and needs a seed.
func TestWhoIsCompleteIsGivenTakersFirstAndSeedsAfterThem(t *testing.T) {
	t1 := &torrent{}
	for i := range byte(20) {
		t1.dialable = append(t1.dialable, &peer{id: event.PeerID{i + 2}, addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, i}), 1), left: int64(i % 2)})
	}
	s := &state{torrents: map[event.InfoHash]*torrent{{}: t1}}
	a := asker{id: event.PeerID{1}, addr: netip.MustParseAddrPort("198.51.100.1:1"), complete: true}
	got := choose(s, a, 15, rand.New(rand.NewPCG(1, 2)))
	if len(got) != 15 {
		t.Fatalf("%d given", len(got))
	}
	for i, p := range got {
		if p.complete() != (i >= 10) {
			t.Errorf("place %d: complete %v", i, p.complete())
		}
	}
}

func TestAnAddressMayAskInBurstsAndThenAtItsRate(t *testing.T) {
	r := newRates(2, 4)
	a, now := netip.MustParseAddr("192.0.2.1"), epoch
	ask := func(a netip.Addr) (n int) {
		for range 100 {
			if allows(r, a, now) {
				n++
			}
		}
		return n
	}
	if n := ask(a); n != 20 {
		t.Errorf("%d of a burst of 20 are allowed", n)
	}
	now = now.Add(3 * time.Second)
	if n := ask(a); n != 6 {
		t.Errorf("%d of 6 in 3 s are allowed", n)
	}
	if n := ask(netip.MustParseAddr("192.0.2.2")); n != 20 {
		t.Errorf("another address has %d of its 20", n)
	}
	if n := ask(netip.MustParseAddr("127.0.0.1")); n != 100 {
		t.Errorf("this machine has %d of 100", n)
	}
}
