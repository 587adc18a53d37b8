package event_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

var update = flag.Bool("update", false, "write the golden files of facts that have none yet")

// facts holds a fact of every kind with every field set: what the golden files of
// this build's version say.
var facts = map[string]event.StreamFact{
	"genesis":           event.GenesisPublished{Name: "live-1", Envelope: json.RawMessage(`{"payloadType":"t","payload":"cGF5bG9hZA==","signatures":[]}`), Unlisted: true},
	"genesis_sensitive": event.GenesisPublished{Name: "live-1", Envelope: json.RawMessage(`{"payload":"cGF5bG9hZA=="}`), Sensitive: true},
	"root_rotated":      event.RootRotated{Envelope: json.RawMessage(`{"payload":"cm90YXRpb24="}`)},
	"session":           event.SessionPublished{Envelope: json.RawMessage(`{"payload":"c2Vzc2lvbg=="}`)},
	"publish_key":       event.PublishKeySet{Key: event.DigestOf([]byte("publish key"))},
	"epoch_claimed":     event.EpochClaimed{Epoch: 1_700_000_000_000, Instance: "ingest-1"},
	"tracks": event.TracksAnnounced{
		Epoch: 1_700_000_000_000, Rendition: event.Source, Root: event.Root{1, 2, 3}, Init: []byte("ftyp moov"),
		Codecs: "avc1.640028,mp4a.40.2", Width: 1920, Height: 1080, FrameRate: 29.97,
	},
	"renditions_claimed": event.RenditionsClaimed{Epoch: 1_700_000_000_000, Instance: "transcoder-1"},
	"epoch_ended":        event.EpochEnded{Epoch: 1_700_000_000_000, Reason: "the publisher left"},
	"removed":            event.StreamRemoved{},
}

// A golden file is what some build once wrote: it is never changed, and every later
// build reads it the same. A new version of a fact gets a new file.
func TestFactsAreWrittenAsTheirGoldenFilesSay(t *testing.T) {
	for kind, f := range facts {
		t.Run(kind, func(t *testing.T) {
			got, err := event.EncodeStreamFact(f)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "stream_v1_"+kind+".golden", append(got, '\n'))
			back, err := event.DecodeStreamFact(got)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, f) {
				t.Errorf("read back as %+v, want %+v", back, f)
			}
		})
	}
}

func TestEveryGoldenFileIsStillRead(t *testing.T) {
	files, err := filepath.Glob("testdata/stream_v*.golden")
	if err != nil || len(files) < len(facts) {
		t.Fatalf("%d golden files: %v", len(files), err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := event.DecodeStreamFact(b)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		_, kind, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".golden"), "_v1_")
		if !reflect.DeepEqual(f, facts[kind]) {
			t.Errorf("%s is read as %+v", file, f)
		}
	}
}

// Every type with a method kind must stand in facts.
func TestNoKindOfFactLacksAGoldenFile(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "stream.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared := map[string]bool{}
	for _, d := range file.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv != nil && fn.Name.Name == "kind" {
			declared[fmt.Sprint(fn.Recv.List[0].Type)] = true
		}
	}
	have := map[string]bool{}
	for _, f := range facts {
		have[reflect.TypeOf(f).Name()] = true
	}
	if !maps.Equal(declared, have) {
		t.Errorf("facts of %v, golden files of %v", slices.Sorted(maps.Keys(declared)), slices.Sorted(maps.Keys(have)))
	}
}

func TestAnOlderBuildReadsPastWhatANewerOneAdds(t *testing.T) {
	f, err := event.DecodeStreamFact([]byte(`{"v":1,"kind":"epoch_ended","epoch":5,"reason":"r","added":{"later":[1]}}`))
	if err != nil || !reflect.DeepEqual(f, event.EpochEnded{Epoch: 5, Reason: "r"}) {
		t.Errorf("a field more: %+v, %v", f, err)
	}
	for _, s := range []string{`{"v":2,"kind":"epoch_ended","epoch":"otherwise"}`, `{"v":1,"kind":"weather"}`, `{}`} {
		var unknown *event.UnknownFactError
		if f, err := event.DecodeStreamFact([]byte(s)); !errors.As(err, &unknown) {
			t.Errorf("%s: %+v, %v", s, f, err)
		}
	}
	for _, s := range []string{``, `null x`, `[]`, `{"v":1,"kind":"epoch_ended","epoch":"five"}`, `{"v":1,"kind":"publish_key","key":"AB"}`} {
		var unknown *event.UnknownFactError
		if f, err := event.DecodeStreamFact([]byte(s)); err == nil || errors.As(err, &unknown) {
			t.Errorf("%q: %+v, %v", s, f, err)
		}
	}
}

func samplePiece() *event.Piece {
	return &event.Piece{
		Address: event.Address{
			Stream: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Rendition: event.Source,
			Position: event.Position{Epoch: 1_700_000_000_000, N: 41},
		},
		Segment: 8, Key: true, PTS: -1800, Duration: 17_982, Target: 18_000, Init: event.Root{0xab, 1},
		Arrived: time.UnixMilli(1_700_000_008_200), Received: time.UnixMilli(1_700_000_008_400),
		Trace: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
		Root:  event.Root{0xcd, 2},
		Size:  9,
		Data:  []byte("moof mdat"),
	}
}

func TestAPiecesHeadersAreAsTheirGoldenFileSays(t *testing.T) {
	p := samplePiece()
	h := p.Headers()
	var b bytes.Buffer
	fmt.Fprintf(&b, "id: %s\n", p.MessageID())
	for _, k := range slices.Sorted(maps.Keys(h)) {
		fmt.Fprintf(&b, "%s: %s\n", k, h[k])
	}
	golden(t, "piece_v1_headers.golden", b.Bytes())
}

func TestAPieceSurvivesItsHeaders(t *testing.T) {
	p := samplePiece()
	get := func(h map[string]string) func(string) string { return func(k string) string { return h[k] } }
	got, err := event.PieceFromHeaders(p.Stream, p.Rendition, get(p.Headers()), p.Data)
	if err != nil || !reflect.DeepEqual(got, p) {
		t.Fatalf("got %+v, %v", got, err)
	}
	for name := range p.Headers() {
		for _, bad := range []string{"", "x", "99999999999999999999", "-5", "2"} {
			h := p.Headers()
			h[name] = bad
			_, err := event.PieceFromHeaders(p.Stream, p.Rendition, get(h), nil)
			fine := name == "Traceparent" || bad == "2" && name != "Shoal-Key" && name != "Shoal-Init" && name != "Shoal-Root" || bad == "-5" && name == "Shoal-Pts"
			if (err == nil) != fine {
				t.Errorf("%s: %q gives %v", name, bad, err)
			}
			if err != nil && !strings.Contains(err.Error(), name) {
				t.Errorf("the error does not name %s: %v", name, err)
			}
		}
	}
	if _, err := event.PieceFromHeaders(p.Stream, p.Rendition, get(p.Headers()), make([]byte, event.MaxPiece+1)); err == nil {
		t.Error("a piece over the limit is accepted")
	}
}

// golden compares got with a file, which -update writes only where there is none:
// what was written once does not change.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	want, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s says\n%s\nand this build writes\n%s", path, want, got)
	}
}
