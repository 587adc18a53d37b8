package e2e

import (
	"encoding/json"
	"net/http"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// document is manifest.json.
type document struct {
	Live       bool                `json:"live"`
	ID         event.StreamID      `json:"stream_id"`
	Genesis    manifest.Envelope   `json:"genesis"`
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

// lastEpoch returns the epoch of the newest entry, 0 without one.
func (d document) lastEpoch(t *testing.T) event.Epoch {
	t.Helper()
	entries := d.Renditions[event.Source].Entries
	if len(entries) == 0 {
		return 0
	}
	e, err := manifest.DecodeEntry(entries[len(entries)-1])
	if err != nil {
		t.Fatalf("read an entry: %v", err)
	}
	return e.Epoch
}
