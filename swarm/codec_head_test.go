package swarm

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// made returns the head of an entry as its signer makes it, but for the signature.
func made(e manifest.Entry, leaves ...[32]byte) *Head {
	e.V, e.Root = 1, manifest.RootOfLeaves(leaves)
	payload, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return unsigned(&Head{Payload: payload, Sig: fill[[64]byte](0xaa), KeyID: fill[[8]byte](0xbb), Leaves: leaves})
}

// unsigned opens a head without looking at its signature.
func unsigned(h *Head) *Head {
	h.Entry, h.members = manifest.Entry{}, nil
	if e, err := manifest.DecodeEntry(h.Envelope()); err == nil {
		h.Entry = e
		h.shorten()
	}
	return h
}

// closed is the head as it is before it is opened.
func closed(h *Head) *Head {
	c := *h
	c.Entry, c.members = manifest.Entry{}, nil
	return &c
}

// piece20000 is the entry of a usual piece of two blocks.
func piece20000() manifest.Entry {
	return manifest.Entry{
		Stream: rigStream, R: "v0", Epoch: 1, N: 7, Prev: event.Digest{9}, Issued: 5000, At: 4000,
		MSN: 3, Part: 2, PTS: 126_000, Dur: 18_000, Size: 20_000,
	}
}

func drawLeaves(t *rapid.T, count int) [][32]byte {
	leaves := make([][32]byte, count)
	for i := range leaves {
		leaves[i] = [32]byte{1, rapid.Byte().Draw(t, "leaf")}
	}
	return leaves
}

// drawEntry draws an entry that can be signed, and its leaves.
func drawEntry(t *rapid.T) (manifest.Entry, [][32]byte) {
	k := drawKey(t)
	number := func(name string) uint64 {
		return rapid.OneOf(rapid.Uint64Range(0, 200), rapid.Uint64Range(0, maxNumber)).Draw(t, name)
	}
	digest := func(name string) event.Digest {
		return event.Digest{rapid.ByteRange(1, 255).Draw(t, name), 31: rapid.Byte().Draw(t, name)}
	}
	// Most numbers that an entry may hold can be written in short, all that clocks show.
	const most = 1 << 51
	e := manifest.Entry{
		V: 1, Stream: rigStream, R: k.R, Epoch: k.Epoch % most, N: k.N, Prev: digest("prev"), MSN: number("msn"),
		At: rapid.Int64Range(0, most).Draw(t, "at"), Issued: rapid.Int64Range(1, most).Draw(t, "issued"),
		Part: rapid.Uint64Range(0, manifest.MaxParts-1).Draw(t, "part"), Key: rapid.Bool().Draw(t, "key"),
		PTS: event.Ticks(rapid.Int64Range(-most, most).Draw(t, "pts")), Dur: event.Ticks(rapid.Int64Range(1, int64(manifest.MaxSegment)).Draw(t, "dur")),
	}
	e.Epoch, e.DSN = max(e.Epoch, 1), rapid.Uint64Range(0, e.MSN).Draw(t, "dsn")
	var leaves [][32]byte
	if e.Gap = rapid.Bool().Draw(t, "gap"); e.Gap {
		e.Key = false
	} else {
		e.Size = rapid.OneOf(rapid.Int64Range(1, 80_000), rapid.Int64Range(1, event.MaxPiece)).Draw(t, "size")
		leaves = drawLeaves(t, blocksOf(e.Size))
	}
	if rapid.Bool().Draw(t, "first") {
		e.Part = 0
	}
	if e.N == 0 || e.Part == 0 {
		e.Part, e.Seg, e.Session, e.Init = 0, number("seg"), digest("session"), event.Root(digest("init"))
		e.Target = event.Ticks(rapid.Int64Range(int64(e.Dur), int64(manifest.MaxSegment)).Draw(t, "target"))
		if e.N == 0 {
			e.Prev = e.Session
		}
	}
	return e, leaves
}

// sent sends a head after a hello and checks that it arrives, and its form and length.
func sent(t interface{ Fatal(args ...any) }, h *Head, form byte) []byte {
	var e Encoder
	var d Decoder
	over(t, &e, &d, &Hello{Version: 1, Stream: rigStream})
	got, frames := over(t, &e, &d, h)
	frame := frames[len(frames)-1]
	if !reflect.DeepEqual(got, closed(h)) {
		t.Fatal("it arrives as another: ", h, got)
	}
	if frame[1] != form {
		t.Fatal("it is sent in form ", frame[1], ", not ", form, ": ", string(h.Payload))
	}
	if h.Entry.Stream == rigStream && h.FrameSize() != len(frame) {
		t.Fatal("its frame is said to have ", h.FrameSize(), " bytes, and has ", len(frame))
	}
	return frame
}

func TestWhatACreatorSignsTravelsInShort(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		e, leaves := drawEntry(t)
		h := made(e, leaves...)
		frame := sent(t, h, formOf(&e))
		if whole := 76 + len(h.Payload) + 32*len(leaves); len(frame) > whole-150 {
			t.Fatal(len(frame), "bytes instead of", whole)
		}
	})
}

func TestWhatCannotBeMadeAgainTravelsAsItIs(t *testing.T) {
	two := [][32]byte{{1}, {2}}
	usual := made(piece20000(), two...)
	sent(t, usual, formPiece)
	written := func(old, by string) *Head {
		h := closed(usual)
		if h.Payload = bytes.Replace(h.Payload, []byte(old), []byte(by), 1); bytes.Equal(h.Payload, usual.Payload) {
			t.Fatal("nothing is replaced:", old)
		}
		return unsigned(h)
	}
	changed := func(by func(e *manifest.Entry)) *Head {
		e := piece20000()
		by(&e)
		return made(e, two...)
	}
	leaves := func(leaves ...[32]byte) *Head {
		h := closed(usual)
		h.Leaves = leaves
		return unsigned(h)
	}
	for what, h := range map[string]*Head{
		"a member of a later version": written(`"size"`, `"hue":1,"size"`),
		"a member that is critical":   written(`"size":20000`, `"size":20000,"crit":["size"]`),
		"a member that says nothing":  written(`"pts"`, `"key":false,"pts"`),
		"members in another order":    written(`"msn":3,"dsn":0`, `"dsn":0,"msn":3`),
		"a member too few":            written(`"n":7,`, ``), // no entry at all
		"white space":                 written(`,"n"`, `, "n"`),
		"another spelling":            written(`"v0"`, `"\u00760"`),
		"a number that does not fit":  changed(func(e *manifest.Entry) { e.PTS = 1 << 52 }),
		"times that are far apart":    changed(func(e *manifest.Entry) { e.Issued = maxNumber }),
		"a leaf of another piece":     leaves([32]byte{1}, [32]byte{3}),
		"too few leaves":              leaves([32]byte{1}),
		"no leaves":                   leaves(),
		"another stream":              changed(func(e *manifest.Entry) { e.Stream = exampleStream }),
		"no JSON":                     unsigned(&Head{Payload: []byte("x"), Leaves: two}),
		"not opened":                  closed(usual),
	} {
		t.Run(what, func(t *testing.T) { sent(t, h, formWhole) })
	}
}

func TestAHeadIsWholeBeforeAHello(t *testing.T) {
	h := made(piece20000(), [32]byte{1}, [32]byte{2})
	got, frames := over(t, &Encoder{}, &Decoder{}, h)
	if !reflect.DeepEqual(got, closed(h)) || len(frames) != 1 || frames[0][1] != formWhole {
		t.Errorf("%+v in %x", got, frames)
	}
	var d Decoder
	for _, frame := range [][]byte{{kindTrack, 0, 0, 0, 0, 0, 0, 0, 0, 1, 'v', '0'}, sent(t, h, formPiece)} {
		m, err := d.Decode(frame)
		if short := frame[0] == kindHead; m != nil || short != errors.Is(err, ErrMessage) {
			t.Errorf("%v, %v", m, err)
		}
	}
}

// A day after its beginning a stream of 1 Mbit/s has pieces of two blocks, five to a segment.
func TestAUsualHeadIsSmall(t *testing.T) {
	const n, arrived = 432_001, int64(authorEpoch) + 86_400_200
	h := made(manifest.Entry{
		Stream: rigStream, R: "v0", Epoch: authorEpoch, N: n, Prev: fill[event.Digest](0xee), Issued: arrived + 215, At: arrived,
		MSN: n / 5, Part: n % 5, PTS: n * 18000, Dur: 18000, Size: 25_000,
	}, [32]byte{1}, [32]byte{2})
	if frame := sent(t, h, formPiece); len(frame) > 200 {
		t.Errorf("%d bytes", len(frame))
	}
}

// Who was sent a head whole that could have been shorter passes it on in short.
func TestAHeadThatWasOpenedIsSentOnInShort(t *testing.T) {
	a := newAuthor(t, 1)
	v := a.verifier(a.record)
	for _, h := range a.film(7) {
		m, _ := over(t, &Encoder{}, &Decoder{}, h)
		got := m.(*Head)
		a.must(v.OpenHead(got))
		e, d := greeted(t, a.trust.ID(), Key{"v0", event.Position{Epoch: authorEpoch}})
		again, frames := over(t, e, d, got)
		if !reflect.DeepEqual(again, h) || len(frames) != 1 || frames[0][1] != formOf(&got.Entry) {
			t.Errorf("%+v in %x", again, frames)
		}
	}
}

// short writes a head in a short form, whatever its entry says.
func short(form byte, by func(e *manifest.Entry), leaves int) []byte {
	e := piece20000()
	if by != nil {
		by(&e)
	}
	frame := append([]byte{kindHead, form, 0}, appendMembers(nil, &e)...)
	frame = append(frame, bytes.Repeat([]byte{0xaa}, 72)...)
	return append(frame, bytes.Repeat([]byte{0xcc}, 32*leaves)...)
}

func first(e *manifest.Entry) {
	e.Part, e.Seg, e.Target, e.Session, e.Init = 0, 1, 18_000, event.Digest{3}, event.Root{4}
}

var malformedHeads = map[string][]byte{
	"a head without a payload":                append([]byte{kindHead, 0, 0, 0}, make([]byte, 72)...),
	"a head with half a leaf":                 append([]byte{kindHead, 0, 0, 1}, make([]byte, 73+16)...),
	"a head with too many leaves":             append([]byte{kindHead, 0, 0, 1}, make([]byte, 73+257*32)...),
	"a head cut short":                        append([]byte{kindHead, 0, 255, 255}, make([]byte, 100)...),
	"a head of form 4":                        short(4, nil, 2),
	"a short head of an undeclared track":     append([]byte{kindHead, formPiece, 1}, short(formPiece, nil, 2)[3:]...),
	"a short head with a leaf too few":        short(formPiece, nil, 1),
	"a short head with a leaf too many":       short(formPiece, nil, 3),
	"a short head with half a leaf":           short(formPiece, nil, 2)[:len(short(formPiece, nil, 2))-16],
	"a short head without leaves":             short(formPiece, nil, 0),
	"a short head cut off in its signature":   short(formPiece, nil, 0)[:70],
	"a short head cut off in its entry":       short(formPiece, nil, 0)[:9],
	"a short head of a piece without bytes":   short(formPiece, func(e *manifest.Entry) { e.Size = 0 }, 0),
	"a short head of too large a piece":       short(formPiece, func(e *manifest.Entry) { e.Size = event.MaxPiece + 1 }, MaxBlocks+1),
	"a short head of the largest number":      short(formPiece, func(e *manifest.Entry) { e.Size = maxNumber }, 2),
	"a short head of a gap with a leaf":       short(formGap, func(e *manifest.Entry) { e.Gap = true }, 1),
	"a short head of part 128":                short(formPiece, func(e *manifest.Entry) { e.Part = 128 }, 2),
	"a short head with dsn above msn":         short(formPiece, func(e *manifest.Entry) { e.DSN = 4 }, 2),
	"a short head without a duration":         short(formPiece, func(e *manifest.Entry) { e.Dur = 0 }, 2),
	"a short head that arrived before 1970":   short(formPiece, func(e *manifest.Entry) { e.At, e.Issued = -1, 1 }, 2),
	"a short head issued before 1970":         short(formPiece, func(e *manifest.Entry) { e.Issued = 0 }, 2),
	"a short head with a number above 2^53":   short(formPiece, func(e *manifest.Entry) { e.PTS = 1 << 52 }, 2),
	"a short head of the epoch's first, late": short(formPiece, func(e *manifest.Entry) { e.N = 0 }, 2),
	"a short head without a session": short(formPiece, func(e *manifest.Entry) {
		first(e)
		e.Session = event.Digest{}
	}, 2),
	"a short head longer than its target": short(formKey, func(e *manifest.Entry) {
		first(e)
		e.Target--
	}, 2),
	"a short head whose leaves give no root": append(short(formPiece, func(e *manifest.Entry) { e.Size = 1 }, 0), make([]byte, 32)...),
	"a short head in a longer spelling":      []byte(strings.Replace(string(short(formPiece, nil, 2)), "\x00\x07", "\x00\x87\x00", 1)),
}

func init() { maps.Copy(malformedFrames, malformedHeads) }

// What the cases above change is what they are refused for.
func TestShortHeadsAreRefusedForOneReason(t *testing.T) {
	for what, frame := range map[string][]byte{
		"a piece":          short(formPiece, nil, 2),
		"a key":            short(formKey, nil, 2),
		"a gap":            short(formGap, func(e *manifest.Entry) { e.Gap = true }, 0),
		"a first":          short(formPiece, first, 2),
		"one leaf":         short(formPiece, func(e *manifest.Entry) { e.Size = 1 }, 1),
		"largest":          short(formPiece, func(e *manifest.Entry) { e.Size = event.MaxPiece }, MaxBlocks),
		"the first moment": short(formPiece, func(e *manifest.Entry) { e.At, e.Issued = 0, 1 }, 2),
		"the latest":       short(formPiece, func(e *manifest.Entry) { e.PTS = 1<<52 - 1 }, 2),
	} {
		e, d := greeted(t, rigStream, key(0))
		m, err := d.Decode(frame)
		if err != nil {
			t.Errorf("%s: %v", what, err)
			continue
		}
		if again, err := e.Encode(nil, unsigned(m.(*Head))); err != nil || len(again) != 1 || !bytes.Equal(again[0], frame) {
			t.Errorf("%s: %x is encoded again as %x, %v", what, frame, again, err)
		}
	}
}

func BenchmarkDecodeHead(b *testing.B) {
	e, d := greeted(b, rigStream, key(0))
	frames, err := e.Encode(nil, made(piece20000(), [32]byte{1}, [32]byte{2}))
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := d.Decode(frames[0]); err != nil {
			b.Fatal(err)
		}
	}
}
