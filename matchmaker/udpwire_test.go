package matchmaker

import (
	"bytes"
	"encoding/binary"
	"net/netip"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

func TestAConnectionIDIsOfOneAddressAndAMinuteOrTwo(t *testing.T) {
	secret, a, now := []byte("secret"), netip.MustParseAddr("192.0.2.1"), time.Unix(1_700_000_040, 0)
	id := connectionID(secret, a, now)
	for name, c := range map[string]struct {
		secret string
		addr   string
		after  time.Duration
		want   bool
	}{
		"at once":        {"secret", "192.0.2.1", 0, true},
		"in a minute":    {"secret", "192.0.2.1", time.Minute, true},
		"in two":         {"secret", "192.0.2.1", 2 * time.Minute, false},
		"another":        {"secret", "192.0.2.2", 0, false},
		"another secret": {"other", "192.0.2.1", 0, false},
	} {
		if connected([]byte(c.secret), netip.MustParseAddr(c.addr), id, now.Add(c.after)) != c.want {
			t.Errorf("%s: %v", name, !c.want)
		}
	}
}

// Whatever comes as a datagram is answered or not, never with more than its sender may
// have, and what is read from it is what stands in it.
func FuzzParseUDP(f *testing.F) {
	announce := binary.BigEndian.AppendUint64(nil, 7)
	announce = append(announce, make([]byte, 90)...)
	announce[11], announce[91] = actionAnnounce, 1
	f.Add(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, udpMagic), 5))
	f.Add(announce)
	f.Add(append([]byte{0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 2, 0, 0, 0, 1}, make([]byte, 20*80)...))
	s := New(Options{})
	from := netip.MustParseAddrPort("127.0.0.1:9")
	f.Fuzz(func(t *testing.T, b []byte) {
		q, err := parseUDP(b)
		if err == nil && q.action == actionAnnounce {
			if !bytes.Equal(q.infohash[:], b[16:36]) || q.port != binary.BigEndian.Uint16(b[96:]) || q.left < 0 || q.want < 0 || q.want > maxWant {
				t.Fatalf("%x is read as %+v", b, q)
			}
		}
		if len(q.hashes) > maxScrape {
			t.Fatalf("%d torrents in one scrape", len(q.hashes))
		}
		now := time.Now()
		if out := s.datagram(b, from, now); len(out) > len(b) {
			t.Fatalf("%d bytes are answered by %d, to who may not be there", len(b), len(out))
		}
		if len(b) >= udpHead { // and as one who is
			b = bytes.Clone(b)
			binary.BigEndian.PutUint64(b, connectionID(s.secret[:], from.Addr(), now))
			if out := s.datagram(b, from, now); len(out) > 20+18*maxWant {
				t.Fatalf("%d bytes are answered", len(out))
			}
		}
	})
}

func FuzzParseAnnounce(f *testing.F) {
	f.Add("info_hash=%124Vx%9a%bc%de%f1%23Eg%89%ab%cd%ef%124Vx%9a&peer_id=-TR3000-abcdefghijkl&port=51413&left=0&numwant=80&compact=1&event=started")
	f.Add("info_hash=aaaaaaaaaaaaaaaaaaaa&peer_id=bbbbbbbbbbbbbbbbbbbb&port=1&left=99999999999999999999&ip=::1&numwant=-1")
	f.Add("info_hash=%&port=;")
	f.Fuzz(func(t *testing.T, raw string) {
		if q, err := parseAnnounce(raw); err == nil &&
			(q.left < event.LeftUnknown || q.downloaded < 0 || q.uploaded < 0 || q.want < 0 || q.want > maxWant) {
			t.Fatalf("%q is read as %+v", raw, q)
		}
		if hashes, err := parseScrape(raw); err == nil && (len(hashes) == 0 || len(hashes) > maxScrape) {
			t.Fatalf("%d torrents in one scrape", len(hashes))
		}
	})
}
