package event_test

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
)

var peerFacts = map[string]event.PeerFact{
	"joined": {
		Kind: event.PeerJoined, InfoHash: event.InfoHash{0xab, 1}, Peer: event.PeerID{'-', 'S', 'H'},
		Addr: netip.MustParseAddrPort("203.0.113.7:6881"), Left: 1 << 20, At: 1_700_000_000_000, Instance: "tracker-1",
	},
	"measured": {
		Kind: event.PeerMeasured, InfoHash: event.InfoHash{0xab, 1}, Peer: event.PeerID{'-', 'S', 'H'},
		Addr: netip.MustParseAddrPort("[2001:db8::7]:6881"), Left: 0, Downloaded: 1 << 20, Uploaded: 5, At: 1_700_000_060_000, Instance: "tracker-1",
	},
	"left": {
		Kind: event.PeerLeft, InfoHash: event.InfoHash{0xab, 1}, Peer: event.PeerID{'-', 'S', 'H'},
		Addr: netip.MustParseAddrPort("203.0.113.7:6881"), Left: event.LeftUnknown, At: 1_700_000_090_000,
	},
}

func TestPeerFactsAreWrittenAsTheirGoldenFilesSay(t *testing.T) {
	for kind, f := range peerFacts {
		t.Run(kind, func(t *testing.T) {
			got, err := event.EncodePeerFact(f)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "peer_v1_"+kind+".golden", append(got, '\n'))
			back, err := event.DecodePeerFact(got)
			if err != nil || back != f {
				t.Errorf("read back as %+v, %v", back, err)
			}
		})
	}
}

func TestEveryGoldenPeerFactIsStillRead(t *testing.T) {
	files, err := filepath.Glob("testdata/peer_v*.golden")
	if err != nil || len(files) < len(peerFacts) {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		_, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".golden"), "_v1_")
		if f, err := event.DecodePeerFact(b); err != nil || f != peerFacts[kind] {
			t.Errorf("%s is read as %+v, %v", file, f, err)
		}
	}
}

func TestPeerFactsOfNewerBuildsAreToldFromBrokenOnes(t *testing.T) {
	const rest = `"infohash":"ab01000000000000000000000000000000000000","peer":"2d53480000000000000000000000000000000000","addr":"203.0.113.7:6881","left":1,"at":5}`
	if f, err := event.DecodePeerFact([]byte(`{"v":1,"kind":"joined","added":[1],` + rest)); err != nil || f.Left != 1 {
		t.Errorf("a field more: %+v, %v", f, err)
	}
	var unknown *event.UnknownFactError
	for _, s := range []string{`{"v":2,"kind":"joined",` + rest, `{"v":1,"kind":"moved",` + rest} {
		if f, err := event.DecodePeerFact([]byte(s)); !errors.As(err, &unknown) {
			t.Errorf("%s: %+v, %v", s, f, err)
		}
	}
	for _, s := range []string{
		``, `[]`, `{"v":1,"kind":"joined"}`, `{"v":1,"kind":"joined",` + strings.Replace(rest, "203.0.113.7:6881", "here", 1),
		`{"v":1,"kind":"joined",` + strings.Replace(rest, `"left":1`, `"left":-2`, 1), `{"v":1,"kind":"joined",` + strings.Replace(rest, "ab01", "xb01", 1),
		`{"v":1,"kind":"joined",` + strings.Replace(rest, "ab01", "", 1),
	} {
		if f, err := event.DecodePeerFact([]byte(s)); err == nil || errors.As(err, &unknown) {
			t.Errorf("%q: %+v, %v", s, f, err)
		}
	}
}

// Whatever is read as a fact about a peer is written and read again as the same.
func FuzzDecodePeerFact(f *testing.F) {
	files, err := filepath.Glob("testdata/peer_*.golden")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		fact, err := event.DecodePeerFact(b)
		if err != nil {
			return
		}
		first, err := event.EncodePeerFact(fact)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", b, err)
		}
		again, err := event.DecodePeerFact(first)
		if err != nil || again != fact {
			t.Fatalf("%q is read again as %+v, %v", first, again, err)
		}
		if second, err := event.EncodePeerFact(again); err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%q became %q: %v", first, second, err)
		}
	})
}
