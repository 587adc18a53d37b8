package event_test

import (
	"bytes"
	"compress/flate"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/dunglas/httpsfv"

	"github.com/shoalcast/shoal/event"
)

const (
	reported = event.StreamID("k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2k2")
	visit    = "abcdefghij0123456789klmnop"
)

// reports are one of each kind: the fullest that there is, a usual one, and a seed's.
var reports = map[string]event.Report{
	"full": {
		Stream: reported, Session: visit, N: 119, At: 1_732_780_000_123,
		Event: event.OnState, State: event.Stalled, Format: "h", Type: "ll", Bitrate: 4_500, Top: 6_000, Buffer: 340, Measured: 18_250, Start: 1_180,
		Delay: 1_640, Dropped: 12, Hidden: true, Starved: true, DryMs: 730, Slack: 212,
		Reporter: event.ByPage, Interval: 5_000, PeerBytes: 2_412_345, SeedBytes: 223_456, EdgeBytes: 98_765, OriginBytes: 45_678, Duplicate: 16_384,
		Verified: 25, Rejected: 1, FalseBlocks: 2, Late: 3, LeastSlack: -40, Stalls: 1, Played: 4_270, Wanted: 5_000, Given: 1_398_123, Uplink: 20_000,
		Peers: 17, Swaps: 2, Signed50: 21, Signed95: 48, Here50: 92, Here95: 190, Consent: "share", Rendition: "v0", Region: "eu-west", Class: "chrome-desktop",
		Neighbours: []event.Neighbour{
			{ID: "1a2b3c4d", Kind: "peer", RTT: 12, Goodput: 820, Late: 1},
			{ID: "00ff00ff", Kind: "peer", RTT: 43, Goodput: 640},
			{ID: "deadbeef", Kind: "edge", RTT: 8, Goodput: 320},
			{ID: "01234567", Kind: "seed", RTT: 31, Goodput: 180},
		},
	},
	"usual": {
		Stream: reported, Session: visit, N: 12, At: 1_732_780_000_123,
		Event: event.OnInterval, State: event.Playing, Format: "h", Type: "ll", Bitrate: 904, Buffer: 340, Measured: 8_250, Delay: 640, Slack: 240,
		Reporter: event.ByPage, Interval: 5_000, PeerBytes: 512_345, SeedBytes: 43_456, Verified: 25, LeastSlack: 120, Played: 5_000, Wanted: 5_000,
		Given: 398_123, Peers: 5, Here50: 92, Here95: 190, Consent: "share", Rendition: "v0", Region: "local", Class: "chrome-desktop",
		Neighbours: []event.Neighbour{{ID: "1a2b3c4d", Kind: "peer", RTT: 12, Goodput: 820}, {ID: "01234567", Kind: "seed", RTT: 31, Goodput: 70}},
	},
	"seed": {
		Stream: reported, Session: visit, N: 0, At: 1_732_780_000_123, Event: event.OnInterval, State: event.Playing, Reporter: event.BySeed,
		Interval: 5_000, Verified: 25, Given: 1_398_123, Peers: 6, Signed50: 21, Signed95: 48, Here50: 4, Here95: 9, Rendition: "v0", Region: "local",
	},
}

func TestReportsAreWrittenAsTheirGoldenFilesSay(t *testing.T) {
	for kind, r := range reports {
		t.Run(kind, func(t *testing.T) {
			line, err := event.AppendReport(nil, &r)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, "report_v1_"+kind+".golden", append(line, '\n'))
			back, err := event.DecodeReport(line)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(back, r) {
				t.Errorf("read back as %+v, want %+v", back, r)
			}
			// Written as RFC 9651 wants it, by the judgement of others.
			dict, err := httpsfv.UnmarshalDictionary([]string{string(line)})
			if err != nil {
				t.Fatal(err)
			}
			if again, err := httpsfv.Marshal(dict); err != nil || strings.ReplaceAll(again, ", ", ",") != string(line) {
				t.Errorf("%v: another reader makes of\n%s\nthis:\n%s", err, line, again)
			}
		})
	}
}

func TestReportsAreSmall(t *testing.T) {
	for kind, most := range map[string]int{"full": 400, "usual": 400} {
		r := reports[kind]
		line, err := event.AppendReport(nil, &r)
		if err != nil {
			t.Fatal(err)
		}
		var packed bytes.Buffer
		w, _ := flate.NewWriter(&packed, flate.BestCompression)
		_, _ = w.Write(line)
		_ = w.Close()
		if packed.Len() > most {
			t.Errorf("%s: %d bytes compressed, %d as they are, want at most %d", kind, packed.Len(), len(line), most)
		}
		t.Logf("%s: %d bytes, %d compressed", kind, len(line), packed.Len())
	}
}

func TestReportsAreReadWhateverTheyHaveBesides(t *testing.T) {
	line := `br=(128;a 904;v),new;x=1="` // broken: refused
	if _, err := event.DecodeReport([]byte(line)); err == nil {
		t.Error("what is no dictionary was read")
	}
	line = `br=(904;v 128;a), cid="` + string(reported) + `",com.example-x=("a\"b" ?1 c;d=-1);e, com.shoalcast-r=page;v=1;zz=abc;pe=7,e=t,sid="` + visit + `",sn=0,sta=p,ts=5,url="https://x",v=2`
	r, err := event.DecodeReport([]byte(line))
	if err != nil {
		t.Fatal(err)
	}
	if r.Bitrate != 904 || r.PeerBytes != 7 || r.Reporter != event.ByPage {
		t.Errorf("read as %+v", r)
	}
}

func TestWhatNoHonestDeviceSaysIsRefused(t *testing.T) {
	good, _ := os.ReadFile("testdata/report_v1_full.golden")
	line := strings.TrimSuffix(string(good), "\n")
	for what, change := range map[string][2]string{
		"another version of CMCD":     {",v=2", ",v=1"},
		"another version of ours":     {"=page;v=1;", "=page;v=2;"},
		"no stream":                   {`cid="` + string(reported) + `",`, ""},
		"a stream that is none":       {string(reported), "k2';DROP TABLE reports;--"},
		"no session":                  {`sid="` + visit + `",`, ""},
		"a session with a name in it": {visit, "somebody@example.com"},
		"a negative count":            {";pe=2412345", ";pe=-1"},
		"a number out of all bounds":  {";pe=2412345", ";pe=9999999999999999"},
		"a fraction":                  {";pe=2412345", ";pe=1.5"},
		"a word for a number":         {";pe=2412345", ";pe=many"},
		"a state that is none":        {",sta=r", ",sta=z"},
		"a consent that is none":      {";co=share", ";co=all"},
		"a region that is a sentence": {";rg=eu-west", `;rg="eu west"`},
		"a reporter that is none":     {"=page;", "=cdn;"},
		"a neighbour with an address": {`"1a2b3c4d"`, `"192.0.2.1"`},
		"five neighbours":             {`"01234567"`, `"01234567" "01234567"`},
		"more than a report may have": {",v=2", `,x="` + strings.Repeat("x", event.MaxReport) + `",v=2`},
		"an end in the middle":        {",v=2", ",v=2,"},
	} {
		bad := strings.Replace(line, change[0], change[1], 1)
		if bad == line {
			t.Fatalf("%s: nothing was changed", what)
		}
		if r, err := event.DecodeReport([]byte(bad)); err == nil {
			t.Errorf("%s was read as %+v", what, r)
		}
	}
}

// Whatever is read as a report is written and read again as the same, and what others refuse as a dictionary is refused.
func FuzzDecodeReport(f *testing.F) {
	files, err := filepath.Glob("testdata/report_*.golden")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(bytes.TrimSpace(b))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		r, err := event.DecodeReport(line)
		if err != nil {
			return
		}
		if _, err := httpsfv.UnmarshalDictionary([]string{string(line)}); err != nil {
			t.Fatalf("%q is read here and nowhere else: %v", line, err)
		}
		again, err := event.AppendReport(nil, &r)
		if err != nil {
			t.Fatalf("%q was read and cannot be written: %v", line, err)
		}
		back, err := event.DecodeReport(again)
		if err != nil || !reflect.DeepEqual(back, r) {
			t.Fatalf("%q became %q: %v", line, again, err)
		}
	})
}

func BenchmarkDecodeReport(b *testing.B) {
	r := reports["usual"]
	line, _ := event.AppendReport(nil, &r)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.DecodeReport(line); err != nil {
			b.Fatal(err)
		}
	}
}
