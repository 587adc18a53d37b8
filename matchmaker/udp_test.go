package matchmaker_test

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/matchmaker"
)

const moment = 150 * time.Millisecond

func TestPeersMeetOverUDP(t *testing.T) {
	for _, c := range []struct {
		listen, others string
		size           int
	}{{"127.0.0.1:0", "127.0.0.1:", 4}, {"[::1]:0", "[::1]:", 16}} {
		s := matchmaker.New(matchmaker.Options{Known: func(h [20]byte) bool { return h != hash(9) }})
		u := dialUDP(t, serveUDP(t, s, c.listen).String())
		u.connect()
		action, rest := u.call(u.announcement(hash(1), 1, 6881, 0, 2, -1), patience)
		if action != 1 || len(rest) != 12 || binary.BigEndian.Uint32(rest) != 120 {
			t.Fatalf("the first is answered by %d %x", action, rest)
		}
		// Peers of both families and transports are in one swarm; each is told of what it
		// can use.
		announce(t, s, "192.0.2.5:1", form(hash(1), 5, 6885))
		announce(t, s, "[2001:db8::5]:1", form(hash(1), 6, 6885))
		action, rest = u.call(append(u.announcement(hash(1), 2, 6882, 5, 2, -1), "extensions"...), patience)
		want := []string{c.others + "6881", map[int]string{4: "192.0.2.5:6885", 16: "[2001:db8::5]:6885"}[c.size]}
		if action != 1 {
			t.Fatalf("the second is answered by %d %s", action, rest)
		}
		got := addrs(t, rest[12:], c.size)
		slices.Sort(got)
		slices.Sort(want)
		if incomplete, complete := binary.BigEndian.Uint32(rest[4:]), binary.BigEndian.Uint32(rest[8:]); !slices.Equal(got, want) || incomplete != 3 || complete != 1 {
			t.Errorf("it is told of %v, %d incomplete and %d complete", got, incomplete, complete)
		}
		h1, h2 := hash(1), hash(2)
		action, rest = u.call(append(append(head(u.id, 2), h1[:]...), h2[:]...), patience)
		if action != 2 || len(rest) != 24 || binary.BigEndian.Uint32(rest) != 1 || binary.BigEndian.Uint32(rest[8:]) != 3 || binary.BigEndian.Uint32(rest[12:]) != 0 {
			t.Errorf("a scrape is answered by %d %x", action, rest)
		}
		if action, rest = u.call(u.announcement(hash(9), 1, 6881, 0, 0, -1), patience); action != 3 || !strings.Contains(string(rest), "of its own") {
			t.Errorf("a torrent of others is answered by %d %s", action, rest)
		}
		if action, rest = u.call(u.announcement(hash(1), 2, 6882, 5, 3, -1), patience); action != 1 || len(rest) != 12 || s.SwarmSize(hash(1)) != 3 {
			t.Errorf("goodbye is answered by %d %x, and leaves %d", action, rest, s.SwarmSize(hash(1)))
		}
	}
}

func TestWhoHasNotConnectedIsAnsweredNoLongerThanItAsks(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	addr := serveUDP(t, s, "127.0.0.1:0")
	u := dialUDP(t, addr.String())
	u.id = 12345
	h := hash(1)
	for name, b := range map[string][]byte{
		"announce": u.announcement(h, 1, 6881, 0, 0, -1), "scrape": append(head(u.id, 2), h[:]...), "unknown": append(head(u.id, 7), h[:]...),
	} {
		if action, rest := u.call(b, patience); action != 3 || 8+len(rest) > len(b) {
			t.Errorf("%s of %d bytes is answered by %d and %d bytes", name, len(b), action, 8+len(rest))
		}
	}
	for name, b := range map[string][]byte{"short": head(u.id, 1), "no magic": head(u.id, 0), "more of that": append(head(u.id, 0), make([]byte, 900)...)} {
		if action, rest := u.call(b, moment); action != -1 {
			t.Errorf("%s is answered by %d %s", name, action, rest)
		}
	}
	if s.SwarmSize(h) != 0 {
		t.Error("who has not connected is listed")
	}
}

func TestShortAndUnknownRequestsOfTheConnectedGetAnError(t *testing.T) {
	s := matchmaker.New(matchmaker.Options{})
	u := dialUDP(t, serveUDP(t, s, "127.0.0.1:0").String())
	u.connect()
	for name, b := range map[string][]byte{
		"announce": u.announcement(hash(1), 1, 1, 0, 0, -1)[:97], "scrape": head(u.id, 2), "action": head(u.id, 7),
	} {
		if action, rest := u.call(b, patience); action != 3 || len(rest) == 0 {
			t.Errorf("%s is answered by %d %s", name, action, rest)
		}
	}
}
