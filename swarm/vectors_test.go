package swarm

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

var update = flag.Bool("update", false, "write the vectors anew")

// vectors compares what is made now with what stands in testdata, and reads that into v.
func vectors(t *testing.T, name string, made, v any) {
	t.Helper()
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", " ")
	if err := enc.Encode(made); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stands, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(stands, b.Bytes()) {
		t.Errorf("%s differs from what is made now; if that is meant, run go test -update", path)
	}
	if err := json.Unmarshal(stands, v); err != nil {
		t.Fatal(err)
	}
}

type encodingVectors struct {
	Conversations []conversation   `json:"conversations"`
	Ignored       []string         `json:"ignored"`
	Malformed     []malformedFrame `json:"malformed"`
	Grown         []encodingStep   `json:"grown"`
}

type conversation struct {
	What  string         `json:"what"`
	Steps []encodingStep `json:"steps"`
}

type encodingStep struct {
	Message map[string]any `json:"message"`
	Frames  []string       `json:"frames"`
}

type malformedFrame struct {
	What  string `json:"what"`
	Frame string `json:"frame"`
	Zeros int    `json:"zeros,omitzero"` // bytes that follow
}

// fields writes a message as the vectors do.
func fields(m Message) map[string]any {
	f := map[string]any{"type": strings.TrimPrefix(fmt.Sprintf("%T", m), "*swarm.")}
	key := func(k Key) { f["r"], f["epoch"], f["n"] = k.R, k.Epoch, k.N }
	blocks := func(k Key, m Mask) {
		key(k)
		var list []int
		for i := range MaxBlocks {
			if m.Has(i) {
				list = append(list, i)
			}
		}
		f["blocks"] = list
	}
	switch m := m.(type) {
	case *Hello:
		f["version"], f["stream"], f["id"], f["role"], f["leaf"], f["up"] = m.Version, m.Stream, hex.EncodeToString(m.ID[:]), m.Role.String(), m.Leaf, m.Up
	case *Head:
		leaves := []string{}
		for _, l := range m.Leaves {
			leaves = append(leaves, hex.EncodeToString(l[:]))
		}
		f["payload"], f["sig"], f["keyid"], f["leaves"] = hex.EncodeToString(m.Payload), hex.EncodeToString(m.Sig[:]), hex.EncodeToString(m.KeyID[:]), leaves
	case *Block:
		key(m.Key)
		f["index"], f["data"] = m.Index, hex.EncodeToString(m.Data)
	case *Have:
		key(m.Key)
		f["count"] = m.Count
	case *Want:
		blocks(m.Key, m.Blocks)
	case *Cancel:
		blocks(m.Key, m.Blocks)
	case *Deny:
		blocks(m.Key, m.Blocks)
	case *GetHeads:
		key(m.Key)
		f["count"] = m.Count
	case *Subscribe:
		f["r"], f["lanes"], f["urgent"] = m.R, m.Lanes, m.Urgent
	case *Grant:
		f["r"], f["lanes"] = m.R, m.Lanes
	case *Peers:
		var hints []any
		for _, h := range m.Hints {
			hint := map[string]any{"id": hex.EncodeToString(h.ID[:]), "role": h.Role.String(), "address": nil}
			if h.Addr.IsValid() {
				hint["address"], hint["port"] = h.Addr.Addr().String(), h.Addr.Port()
			}
			hints = append(hints, hint)
		}
		f["hints"] = hints
	case *State:
		depth, branch := make([]int, len(m.Depth)), make([]int, len(m.Branch))
		for l := range m.Depth {
			depth[l], branch[l] = int(m.Depth[l]), int(m.Branch[l])
		}
		f["r"], f["depth"], f["branch"], f["spare"], f["least"], f["open"] = m.R, depth, branch, m.Spare, m.Least, m.Open
	case *Credit:
		f["limit"] = m.Limit
	case *Ping:
		f["token"] = m.Token
	case *Pong:
		f["token"] = m.Token
	case *Records:
		var list []string
		for _, e := range m.Envelopes {
			list = append(list, hex.EncodeToString(e))
		}
		f["envelopes"] = list
	case *GetInit:
		f["root"] = m.Root.String()
	case *Init:
		f["root"], f["total"], f["offset"], f["data"] = m.Root.String(), m.Total, m.Offset, hex.EncodeToString(m.Data)
	case *Signal:
		f["from"], f["to"], f["body"] = hex.EncodeToString(m.From[:]), hex.EncodeToString(m.To[:]), hex.EncodeToString(m.Body)
	case *Bye:
		f["reason"] = uint8(m.Reason)
	}
	return f
}

func fill[T ~[16]byte | ~[32]byte | ~[64]byte | ~[8]byte](b byte) (out T) {
	for i := range len(out) {
		out[i] = b
	}
	return out
}

// exampleHead is of 20000 bytes that came a minute after their epoch began.
func exampleHead() *Head {
	const arrived = int64(authorEpoch) + 60_200
	return made(manifest.Entry{
		Stream: exampleStream, R: "v0", Epoch: authorEpoch, N: 301, Prev: fill[event.Digest](0xee), Issued: arrived + 215, At: arrived,
		MSN: 60, Part: 1, PTS: 301 * 18000, Dur: 18000, Size: 20000,
	}, fill[[32]byte](0xcc), fill[[32]byte](0xdd))
}

const exampleStream event.StreamID = "cmhiu2p6iapqnmg3fwq2rucvocfrinwk"

// examples holds one message of each kind: those that the spec works out.
func examples() []Message {
	at := func(n uint64) Key { return Key{"v0", event.Position{Epoch: authorEpoch, N: n}} }
	var want, one Mask
	want.Set(0)
	want.Set(3)
	want.Set(9)
	one.Set(9)
	depth := [allLanes]uint8{1, 2, 3, NoDepth, 1}
	return []Message{
		&Hello{Version: 1, Stream: exampleStream, ID: fill[PeerID](0x11), Role: Viewer, Up: 5000},
		exampleHead(),
		&Head{Payload: []byte("{}"), Sig: fill[[64]byte](0xaa), KeyID: fill[[8]byte](0xbb)},
		&Have{Key: at(300), Count: 1},
		&Have{Key: at(151), Count: 150},
		&Block{Key: at(300), Index: 3, Data: []byte("shoal")},
		&Want{Key: at(301), Blocks: want},
		&Cancel{Key: at(301), Blocks: one},
		&Deny{Key: at(301), Blocks: one},
		&GetHeads{Key: at(290), Count: 10},
		&Subscribe{R: "v0", Lanes: 0x15, Urgent: true},
		&Grant{R: "v0", Lanes: 0x11},
		&Peers{Hints: []Hint{
			{ID: fill[PeerID](0x22), Addr: netip.MustParseAddrPort("192.0.2.7:6881"), Role: Edge},
			{ID: fill[PeerID](0x33), Addr: netip.MustParseAddrPort("[2001:db8::7]:6882")},
			{ID: fill[PeerID](0x44)},
		}},
		&State{R: "v0", Depth: depth, Branch: [allLanes]uint8{0x51, 0x52, 0x53, 0, 0x51}, Spare: 24, Least: 2500, Open: 0x17},
		&Credit{Limit: 65536},
		&Ping{Token: 0x01020304},
		&Pong{Token: 0x01020304},
		&Drain{},
		&GetRecords{},
		&Records{Envelopes: [][]byte{[]byte("{1}"), []byte("{22}")}},
		&GetInit{Root: fill[event.Root](0xee)},
		&Init{Root: fill[event.Root](0xee), Total: 700, Offset: 695, Data: []byte("shoal")},
		&Init{Root: fill[event.Root](0xee)},
		&Signal{From: fill[PeerID](0x11), To: fill[PeerID](0x22), Body: []byte("offer")},
		&Bye{Reason: Useless},
	}
}

func encodingConversations() map[string][]Message {
	at := func(r event.Rendition, epoch event.Epoch, n uint64) *Have {
		return &Have{Key: Key{r, event.Position{Epoch: epoch, N: n}}, Count: 1}
	}
	var every Mask
	for i := range MaxBlocks {
		every.Set(i)
	}
	limits := []Message{
		at("v0", maxNumber, maxNumber), at("v0", 1, 0), at("v0", 1, 127), at("v0", 1, 128), at("v0", 1, 16383), at("v0", 1, 16384),
		&Have{Key: Key{"v0", event.Position{Epoch: 1, N: maxNumber - 1023}}, Count: MaxRun},
		&Want{Key: Key{"v0", event.Position{Epoch: 1, N: 1}}, Blocks: every},
		&GetHeads{Key: Key{"a123456789abcdef", event.Position{Epoch: 1}}, Count: MaxHeads},
		&Credit{}, &Credit{Limit: maxNumber}, &Peers{}, &Records{}, &Bye{Reason: 255},
		&Hello{Version: 255, Stream: "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", Role: Edge, Leaf: true, Up: 1<<32 - 1},
		&Head{Payload: []byte("a gap has no leaves")}, &Subscribe{R: "v0"}, &Subscribe{R: "v0", Lanes: AllLanes},
	}
	arrived := int64(authorEpoch) + 86_400_000
	first := manifest.Entry{
		Stream: exampleStream, R: "v0", Epoch: authorEpoch, Prev: fill[event.Digest](0x11), Issued: 1, At: 0, Key: true, PTS: -1, Dur: manifest.MaxSegment,
		Size: 3 * event.BlockSize, Target: manifest.MaxSegment, Session: fill[event.Digest](0x11), Init: fill[event.Root](0x22),
	}
	later := manifest.Entry{
		Stream: exampleStream, R: "v0", Epoch: authorEpoch, N: 432_000, Prev: fill[event.Digest](0x33), Issued: arrived + 15, At: arrived,
		MSN: 86_400, DSN: 3, PTS: 86_400 * event.Timescale, Dur: 18000, Size: 1, Seg: 86_397, Target: 18001, Session: fill[event.Digest](0x11), Init: fill[event.Root](0x22),
	}
	gap := later
	gap.Part, gap.Gap, gap.Size, gap.Seg, gap.Target, gap.Session, gap.Init = 127, true, 0, 0, 0, event.Digest{}, event.Root{}
	far := gap
	far.PTS = 1 << 52
	last := gap
	last.PTS, last.N, last.At, last.Issued = -1<<52, maxNumber, maxNumber, maxNumber
	other := gap
	other.Stream = rigStream
	spaced := made(gap)
	spaced.Payload = append([]byte(" "), spaced.Payload...)
	lying := made(later, fill[[32]byte](0x44))
	lying.Leaves = [][32]byte{fill[[32]byte](0x55)}
	heads := []Message{
		examples()[0], made(first, slices.Repeat([][32]byte{fill[[32]byte](0x44)}, 3)...), made(later, fill[[32]byte](0x44)), made(gap), made(last),
		made(far), made(other), unsigned(spaced), unsigned(lying),
	}
	var tracks []Message
	for epoch := range event.Epoch(trackIDs + 2) {
		tracks = append(tracks, at("v0", epoch+1, 5))
	}
	return map[string][]Message{
		"bounds": limits,
		"heads":  heads,
		"tracks": append(tracks, at("v0", 66, 6), at("v0", 3, 6), at("v0", 1, 6), at("v1", 66, 0)),
	}
}

func converse(t *testing.T, what string, messages []Message) conversation {
	t.Helper()
	c := conversation{What: what}
	var e Encoder
	for _, m := range messages {
		frames, err := e.Encode(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		step := encodingStep{Message: fields(m)}
		for _, f := range frames {
			step.Frames = append(step.Frames, hex.EncodeToString(f))
		}
		c.Steps = append(c.Steps, step)
	}
	return c
}

// declared is what comes before each malformed frame: the stream is aa…, track 0 is epoch 1
// of v0.
var declared = []string{"0101" + strings.Repeat("00", 42), "00000000000000000001" + "7630"}

func makeEncodingVectors(t *testing.T) encodingVectors {
	v := encodingVectors{Conversations: []conversation{converse(t, "examples", examples())}, Ignored: []string{"17", "ff00"}}
	all := encodingConversations()
	for _, what := range slices.Sorted(maps.Keys(all)) {
		v.Conversations = append(v.Conversations, converse(t, what, all[what]))
	}
	for _, what := range slices.Sorted(maps.Keys(malformedFrames)) {
		frame := malformedFrames[what]
		shown := bytes.TrimRight(frame, "\x00")
		if len(frame)-len(shown) < 64 {
			shown = frame
		}
		v.Malformed = append(v.Malformed, malformedFrame{what, hex.EncodeToString(shown), len(frame) - len(shown)})
	}
	hello := converse(t, "", examples()[:1]).Steps[0]
	hello.Frames[0] += "c0ffee"
	v.Grown = []encodingStep{hello}
	return v
}

func TestVectorsOfEncodingHold(t *testing.T) {
	var v encodingVectors
	vectors(t, "encoding.json", makeEncodingVectors(t), &v)
	decode := func(d *Decoder, frame string, zeros int) (Message, error) {
		b, err := hex.DecodeString(frame)
		if err != nil {
			t.Fatal(err)
		}
		return d.Decode(append(b, make([]byte, zeros)...))
	}
	for _, c := range append(v.Conversations, conversation{What: "grown", Steps: v.Grown}) {
		var d Decoder
		for i, step := range c.Steps {
			var m Message
			for _, frame := range step.Frames {
				var err error
				if m, err = decode(&d, frame, 0); err != nil {
					t.Fatal(c.What, i, err)
				}
			}
			if got := asJSON(t, fields(m)); !reflect.DeepEqual(got, asJSON(t, step.Message)) {
				t.Errorf("%s, step %d: %v where %v was sent", c.What, i, got, step.Message)
			}
		}
	}
	for _, frame := range v.Ignored {
		if m, err := decode(&Decoder{}, frame, 0); m != nil || err != nil {
			t.Errorf("%s: %v, %v", frame, m, err)
		}
	}
	for _, f := range v.Malformed {
		var d Decoder
		for _, frame := range declared {
			if _, err := decode(&d, frame, 0); err != nil {
				t.Fatal(err)
			}
		}
		if m, err := decode(&d, f.Frame, f.Zeros); m != nil || err == nil {
			t.Errorf("%s: %v, %v", f.What, m, err)
		}
	}
}

func asJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

var (
	specExample = regexp.MustCompile(`(?m)^    ((?:[0-9a-f]{2}(?:\{\d+\})?| )+)$`)
	specRepeat  = regexp.MustCompile(`([0-9a-f]{2})\{(\d+)\}`)
)

// The spec works out each message with the bytes of the vectors' first conversation. It
// writes aa{64} for 64 times aa.
func TestTheSpecsExamplesAreTheVectors(t *testing.T) {
	spec, err := os.ReadFile("../docs/spec/live-swarm.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]bool{}
	for _, m := range specExample.FindAllStringSubmatch(string(spec), -1) {
		text := specRepeat.ReplaceAllStringFunc(strings.ReplaceAll(m[1], " ", ""), func(s string) string {
			parts := specRepeat.FindStringSubmatch(s)
			k, err := strconv.Atoi(parts[2])
			if err != nil {
				t.Fatal(err)
			}
			return strings.Repeat(parts[1], k)
		})
		shown[text] = true
	}
	for _, step := range converse(t, "", examples()).Steps {
		for _, frame := range step.Frames {
			if !shown[frame] {
				t.Errorf("the spec does not show %v: %s", step.Message["type"], frame)
			}
			delete(shown, frame)
		}
	}
	for frame := range shown {
		t.Errorf("the spec shows %s, which is no vector", frame)
	}
}
