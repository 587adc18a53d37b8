package matchmaker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
)

// Whatever comes as a message is read within its bounds or refused with a sentence, and
// what is passed on of it is no longer than it was, but for what we add.
func FuzzParseWS(f *testing.F) {
	f.Add([]byte(`{"numwant":5,"uploaded":0,"downloaded":0,"left":null,"event":"started","action":"announce","info_hash":"\u0000\u0001ÿ4Vx9abcde#Eg4Vx99","peer_id":"-WW0200-abcdefghijkl","offers":[{"offer":{"type":"offer","sdp":"v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\n"},"offer_id":"aaaaaaaaaaaaaaaaaaaa"}]}`))
	f.Add([]byte(`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","to_peer_id":"cccccccccccccccccccc","answer":{"type":"answer","sdp":"<v=0"},"offer_id":"dddddddddddddddddddd"}`))
	f.Add([]byte(`{"action":"scrape","info_hash":["aaaaaaaaaaaaaaaaaaaa","bbbbbbbbbbbbbbbbbbbb"]}`))
	f.Add([]byte(`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","left":1e999,"numwant":0.5,"offers":null}`))
	f.Add([]byte(`{"action":"announce","info_hash":"aaaaaaaaaaaaaaaaaaaa","peer_id":"bbbbbbbbbbbbbbbbbbbb","offers":[{"offer_id":"cccccccccccccccccccc","offer":{"type":"offer","sdp":"` + strings.Repeat("<", 9000) + `"}}]}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseWS(b)
		if err != nil {
			if out := encodeFailure(m, err); !json.Valid(out) || len(out) > 1024 {
				t.Fatalf("%q is refused with %q", b, out)
			}
			return
		}
		if m.left < event.LeftUnknown || len(m.offers) > maxOffers || len(m.hashes) > maxScrape || (m.action == "scrape") != (len(m.hashes) > 0) {
			t.Fatalf("%q is read as %+v", b, m)
		}
		var out [][]byte
		for _, o := range m.offers {
			out = append(out, encodeOffer(m.infohash, m.peer, o))
		}
		if m.answer != nil {
			out = append(out, encodeAnswer(m))
		}
		for _, forwarded := range out {
			if len(forwarded) > 3*len(b)+512 {
				t.Fatalf("%d bytes are passed on as %d", len(b), len(forwarded))
			}
			var again map[string]json.RawMessage
			if err := json.Unmarshal(forwarded, &again); err != nil {
				t.Fatal(err)
			}
			for name, want := range map[string][20]byte{"info_hash": m.infohash, "peer_id": m.peer} {
				var got binary20
				if err := got.UnmarshalJSON(again[name]); err != nil || got != want {
					t.Fatalf("%s %x is passed on as %x: %v", name, want, got, err)
				}
			}
			if bytes.Contains(forwarded, []byte("\n")) {
				t.Fatalf("%q", forwarded)
			}
		}
	})
}
