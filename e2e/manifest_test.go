package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"testing"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// document is manifest.json.
type document struct {
	Live       bool                `json:"live"`
	Now        int64               `json:"now"`
	ID         event.StreamID      `json:"stream_id"`
	Genesis    manifest.Envelope   `json:"genesis"`
	Rotations  []manifest.Envelope `json:"rotations"`
	Sessions   []manifest.Envelope `json:"sessions"`
	Renditions map[event.Rendition]struct {
		Entries []manifest.Envelope `json:"entries"`
	} `json:"renditions"`
}

func (i *instance) manifest(name string) document {
	i.t.Helper()
	status, body, _ := i.get("/live/" + name + "/manifest.json")
	if status != http.StatusOK {
		i.t.Fatalf("manifest.json of %s answers %d: %s", name, status, body)
	}
	var d document
	if err := json.Unmarshal(body, &d); err != nil {
		i.t.Fatalf("read manifest.json: %v", err)
	}
	return d
}

// entries returns the source's entries in order.
func (d document) entries(t *testing.T) []manifest.Entry {
	t.Helper()
	return d.entriesOf(t, event.Source)
}

func (d document) entriesOf(t *testing.T, r event.Rendition) []manifest.Entry {
	t.Helper()
	var out []manifest.Entry
	for _, env := range d.Renditions[r].Entries {
		e, err := manifest.DecodeEntry(env)
		if err != nil {
			t.Fatalf("read an entry: %v", err)
		}
		out = append(out, e)
	}
	return out
}

// last returns the position of the newest entry, zero without one.
func (d document) last(t *testing.T) event.Position {
	t.Helper()
	entries := d.entries(t)
	if len(entries) == 0 {
		return event.Position{}
	}
	return entries[len(entries)-1].Position()
}

// lastEpoch returns the epoch of the newest entry, 0 without one.
func (d document) lastEpoch(t *testing.T) event.Epoch { return d.last(t).Epoch }

// trust returns a verifier that knows what the document says of the creator.
func (d document) trust(t *testing.T) *manifest.Trust {
	t.Helper()
	trust, err := manifest.NewTrust(d.Genesis)
	if err != nil {
		t.Fatal(err)
	}
	for _, env := range d.Rotations {
		if err := trust.AddRotation(env); err != nil {
			t.Fatal(err)
		}
	}
	for _, env := range d.Sessions {
		if err := trust.AddSession(env); err != nil {
			t.Fatal(err)
		}
	}
	return trust
}

// pieces are signed positions of one stream and what was signed there.
type pieces map[event.Position]event.Root

// note remembers every entry that the stream's manifest.json shows now, and returns
// the newest. What was once shown is signed for good.
func (p pieces) note(t *testing.T, d document) event.Position {
	t.Helper()
	for _, e := range d.entries(t) {
		if before, ok := p[e.Position()]; ok && before != e.Root {
			t.Errorf("%s was shown with root %s, then with %s", e.Position(), before, e.Root)
		}
		p[e.Position()] = e.Root
	}
	return d.last(t)
}

// requireIn fails the test for what is not in the chain.
func (p pieces) requireIn(t *testing.T, chain pieces) {
	t.Helper()
	if len(p) == 0 {
		t.Fatal("no entry was seen")
	}
	for at, root := range p {
		switch found, ok := chain[at]; {
		case !ok:
			t.Errorf("the signed entry %s is lost", at)
		case found != root:
			t.Errorf("%s was signed with root %s, now it has %s", at, root, found)
		}
	}
}

// verifyChain opens a stopped instance's bus and checks every entry of a stream.
func verifyChain(t *testing.T, data string, id event.StreamID) pieces {
	t.Helper()
	server, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: filepath.Join(data, "nats")})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Shutdown()
	return verifyOn(t, server, id)
}

// verifyOn checks every entry of a stream on a bus: each signature, each link, no
// address twice. It returns what is signed.
func verifyOn(t *testing.T, server *bus.Server, id event.StreamID) pieces {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Options{Server: server, Name: "verify"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	state, err := b.StreamState(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	envelope := func(raw []byte) manifest.Envelope {
		env, err := manifest.ParseEnvelope(raw)
		if err != nil {
			t.Fatal(err)
		}
		return env
	}
	d := document{Genesis: envelope(state.Genesis)}
	for _, raw := range state.Rotations {
		d.Rotations = append(d.Rotations, envelope(raw))
	}
	for _, raw := range state.Sessions {
		d.Sessions = append(d.Sessions, envelope(raw))
	}
	trust := d.trust(t)
	payloads, _, err := b.LastEntries(t.Context(), id, event.Source, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	if len(payloads) == 0 {
		t.Fatal("nothing was signed")
	}
	var chain manifest.Chain
	signed := pieces{}
	for n, raw := range payloads {
		s, err := trust.OpenJSON(raw)
		if err != nil {
			t.Fatalf("entry %d of %d: %v", n, len(payloads), err)
		}
		if err := chain.Check(s.Entry, s.Envelope.Payload); err != nil {
			t.Fatalf("entry %d of %d: %v", n, len(payloads), err)
		}
		if _, twice := signed[s.Entry.Position()]; twice {
			t.Fatalf("position %s is signed twice", s.Entry.Position())
		}
		signed[s.Entry.Position()] = s.Entry.Root
	}
	return signed
}
