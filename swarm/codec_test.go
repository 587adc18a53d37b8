package swarm

import (
	"bytes"
	"errors"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
)

// over sends messages over a connection and returns what arrives.
func over(t interface{ Fatal(args ...any) }, e *Encoder, d *Decoder, m Message) (got Message, frames [][]byte) {
	frames, err := e.Encode(nil, m)
	if err != nil {
		t.Fatal(err)
	}
	for i, frame := range frames {
		if len(frame) > MaxFrame {
			t.Fatal("a frame of", len(frame))
		}
		got, err = d.Decode(frame)
		if err != nil {
			t.Fatal(err)
		}
		if i < len(frames)-1 && got != nil {
			t.Fatal("more than one message came of one")
		}
	}
	return got, frames
}

func drawBytes(t *rapid.T, least, most int) []byte {
	return rapid.SliceOfN(rapid.Byte(), least, most).Draw(t, "bytes")
}

func drawKey(t *rapid.T) Key {
	return Key{
		event.Rendition(rapid.StringMatching(`[a-c][0-3]{0,2}`).Draw(t, "rendition")),
		event.Position{
			Epoch: event.Epoch(rapid.OneOf(rapid.Int64Range(1, 4), rapid.Int64Range(1, maxNumber)).Draw(t, "epoch")),
			N:     rapid.Uint64Range(0, maxNumber-MaxRun).Draw(t, "n"),
		},
	}
}

func drawMask(t *rapid.T) (m Mask) {
	for _, i := range rapid.SliceOfN(rapid.IntRange(0, MaxBlocks-1), 1, 20).Draw(t, "blocks") {
		m.Set(i)
	}
	return m
}

func drawPeer(t *rapid.T) (id PeerID) {
	copy(id[:], drawBytes(t, 16, 16))
	return id
}

func drawHint(t *rapid.T) Hint {
	h := Hint{ID: drawPeer(t), Role: Role(rapid.ByteRange(0, 2).Draw(t, "role"))}
	size := rapid.SampledFrom([]int{0, 4, 16}).Draw(t, "address")
	ip, ok := netip.AddrFromSlice(drawBytes(t, size, size))
	if ok && !ip.Is4In6() {
		h.Addr = netip.AddrPortFrom(ip, rapid.Uint16Range(1, 65535).Draw(t, "port"))
	}
	return h
}

// draws makes one message of each kind.
var draws = []func(t *rapid.T) Message{
	func(t *rapid.T) Message {
		return &Hello{
			Version: rapid.Byte().Draw(t, "version"), Stream: event.StreamID(rapid.StringMatching(`[a-z2-7]{32}`).Draw(t, "stream")),
			ID: drawPeer(t), Role: Role(rapid.ByteRange(0, 2).Draw(t, "role")), Leaf: rapid.Bool().Draw(t, "leaf"), Up: rapid.Uint32().Draw(t, "up"),
		}
	},
	func(t *rapid.T) Message {
		h := &Head{Payload: drawBytes(t, 1, 600)}
		copy(h.Sig[:], drawBytes(t, 64, 64))
		copy(h.KeyID[:], drawBytes(t, 8, 8))
		for range rapid.IntRange(0, 256).Draw(t, "leaves") {
			h.Leaves = append(h.Leaves, [32]byte{rapid.Byte().Draw(t, "leaf")})
		}
		return h
	},
	func(t *rapid.T) Message {
		return &Block{Key: drawKey(t), Index: rapid.IntRange(0, MaxBlocks-1).Draw(t, "index"), Data: make([]byte, rapid.IntRange(1, event.BlockSize).Draw(t, "size"))}
	},
	func(t *rapid.T) Message {
		return &Have{Key: drawKey(t), Count: rapid.IntRange(1, MaxRun).Draw(t, "count")}
	},
	func(t *rapid.T) Message { return &Want{Key: drawKey(t), Blocks: drawMask(t)} },
	func(t *rapid.T) Message { return &Cancel{Key: drawKey(t), Blocks: drawMask(t)} },
	func(t *rapid.T) Message { return &Deny{Key: drawKey(t), Blocks: drawMask(t)} },
	func(t *rapid.T) Message {
		return &GetHeads{Key: drawKey(t), Count: rapid.IntRange(1, MaxHeads).Draw(t, "count")}
	},
	func(t *rapid.T) Message {
		return &Subscribe{R: drawKey(t).R, Lanes: LaneMask(rapid.Uint32Range(0, uint32(AllLanes)).Draw(t, "lanes")), Urgent: rapid.Bool().Draw(t, "urgent")}
	},
	func(t *rapid.T) Message {
		return &Grant{R: drawKey(t).R, Lanes: LaneMask(rapid.Uint32Range(0, uint32(AllLanes)).Draw(t, "lanes"))}
	},
	func(t *rapid.T) Message {
		return &Peers{Hints: rapid.SliceOfN(rapid.Custom(drawHint), 1, MaxHints).Draw(t, "hints")}
	},
	func(t *rapid.T) Message {
		m := &State{R: drawKey(t).R, Spare: rapid.Uint16().Draw(t, "spare"), Least: rapid.Uint32().Draw(t, "least"), Open: LaneMask(rapid.Uint32Max(uint32(AllLanes)).Draw(t, "open"))}
		copy(m.Branch[:], drawBytes(t, len(m.Branch), len(m.Branch)))
		copy(m.Depth[:], drawBytes(t, len(m.Depth), len(m.Depth)))
		return m
	},
	func(t *rapid.T) Message { return &Credit{Limit: rapid.Uint64Range(0, maxNumber).Draw(t, "limit")} },
	func(t *rapid.T) Message { return &Ping{Token: rapid.Uint32().Draw(t, "token")} },
	func(t *rapid.T) Message { return &Pong{Token: rapid.Uint32().Draw(t, "token")} },
	func(*rapid.T) Message { return &Drain{} },
	func(*rapid.T) Message { return &GetRecords{} },
	func(t *rapid.T) Message {
		return &Records{Envelopes: rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 300), 1, 64).Draw(t, "records")}
	},
	func(t *rapid.T) Message { return &GetInit{Root: event.Root(drawBytes(t, 32, 32))} },
	func(t *rapid.T) Message {
		m := &Init{Root: event.Root(drawBytes(t, 32, 32)), Total: rapid.IntRange(0, MaxInit).Draw(t, "total")}
		if m.Total > 0 {
			m.Offset = rapid.IntRange(0, m.Total-1).Draw(t, "offset")
			m.Data = make([]byte, rapid.IntRange(1, min(InitChunk, m.Total-m.Offset)).Draw(t, "size"))
		}
		return m
	},
	func(t *rapid.T) Message {
		return &Signal{From: drawPeer(t), To: drawPeer(t), Body: drawBytes(t, 1, 300)}
	},
	func(t *rapid.T) Message { return &Bye{Reason: Reason(rapid.Byte().Draw(t, "reason"))} },
}

func TestWhatIsSentIsWhatArrives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var e Encoder
		var d Decoder
		for range rapid.IntRange(1, 30).Draw(t, "messages") {
			m := rapid.SampledFrom(draws).Draw(t, "kind")(t)
			if got, _ := over(t, &e, &d, m); !reflect.DeepEqual(got, m) {
				t.Fatalf("%+v arrives as %+v", m, got)
			}
		}
	})
}

func TestEachKindOfMessageIsTested(t *testing.T) {
	kinds := map[byte]bool{kindTrack: true}
	rapid.Check(t, func(t *rapid.T) {
		for _, draw := range draws {
			_, frames := over(t, &Encoder{}, &Decoder{}, draw(t))
			kinds[frames[len(frames)-1][0]] = true
		}
	})
	for kind := range kindBye + 1 {
		if !kinds[kind] {
			t.Errorf("nothing of kind %d was sent", kind)
		}
	}
}

func TestTracksBeyondTheIdsAreDeclaredAnew(t *testing.T) {
	var e Encoder
	var d Decoder
	for round := range 3 {
		for epoch := range event.Epoch(2 * trackIDs) {
			m := &Have{Key: Key{"v0", event.Position{Epoch: epoch + 1, N: uint64(round)}}, Count: 1}
			for again := range 2 {
				got, frames := over(t, &e, &d, m)
				if !reflect.DeepEqual(got, m) {
					t.Fatalf("%+v arrives as %+v", m, got)
				}
				if len(frames) != 2-again {
					t.Fatalf("round %d, epoch %d: %d frames", round, epoch, len(frames))
				}
			}
		}
	}
}

func TestAddressesCostLittle(t *testing.T) {
	var e Encoder
	var d Decoder
	at := func(n uint64) Key { return Key{"v0", event.Position{Epoch: 1_790_000_000_000, N: n}} }
	over(t, &e, &d, &Have{Key: at(0), Count: 1})
	for _, c := range []struct {
		m    Message
		most int
	}{
		{&Have{Key: at(100), Count: 1}, 3},
		{&Have{Key: at(400_000), Count: 1}, 5}, // a day at 200 ms
		{&Have{Key: at(400_000), Count: 150}, 7},
		{&Block{Key: at(maxNumber), Index: 255, Data: make([]byte, event.BlockSize)}, event.BlockSize + 16},
		{&Want{Key: at(400_000), Blocks: Mask{0xff}}, 6},
	} {
		if _, frames := over(t, &e, &d, c.m); len(frames) != 1 || len(frames[0]) > c.most {
			t.Errorf("%T takes %d bytes, want %d", c.m, len(frames[0]), c.most)
		}
	}
}

func TestALaterVersionMaySayMore(t *testing.T) {
	var e Encoder
	var d Decoder
	hello := &Hello{Version: 1, Stream: rigStream, Up: 5}
	_, frames := over(t, &e, &d, hello)
	grown := append(slices.Clone(frames[0]), 1, 2, 3)
	grown[1+1+20+16] = 77 // a role
	grown[1+1+20+16+1] = 0xfe
	if m, err := d.Decode(grown); err != nil || !reflect.DeepEqual(m, hello) {
		t.Errorf("%+v, %v", m, err)
	}
	for _, frame := range [][]byte{{kindBye + 1}, {255, 1, 2, 3}} {
		if m, err := d.Decode(frame); m != nil || err != nil {
			t.Errorf("kind %d: %v, %v", frame[0], m, err)
		}
	}
}

// malformedFrames are frames that no sender may send, after track 0 was declared.
var malformedFrames = map[string][]byte{
	"nothing":                          {},
	"a frame that is too long":         make([]byte, MaxFrame+1),
	"a track with an id too high":      {kindTrack, 64, 0, 0, 0, 0, 0, 0, 0, 1, 'v'},
	"a track of epoch 0":               {kindTrack, 1, 0, 0, 0, 0, 0, 0, 0, 0, 'v'},
	"a track of an epoch too high":     {kindTrack, 1, 0, 32, 0, 0, 0, 0, 0, 0, 'v'},
	"a track without a rendition":      {kindTrack, 1, 0, 0, 0, 0, 0, 0, 0, 1},
	"a track of a wrong rendition":     {kindTrack, 1, 0, 0, 0, 0, 0, 0, 0, 1, 'V'},
	"a rendition that is too long":     append([]byte{kindTrack, 1, 0, 0, 0, 0, 0, 0, 0, 1}, "v0123456789abcdef"...),
	"a hello cut short":                append([]byte{kindHello}, make([]byte, helloSize-2)...),
	"a block of an undeclared track":   {kindBlock, 1, 0, 0, 'x'},
	"a block of an impossible track":   {kindBlock, 64, 0, 0, 'x'},
	"an empty block":                   {kindBlock, 0, 0, 0},
	"a block that is too long":         append([]byte{kindBlock, 0, 0, 0}, make([]byte, event.BlockSize+1)...),
	"a number not in shortest form":    {kindHave, 0, 0x80, 0},
	"a number above 2^53":              {kindHave, 0, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x10},
	"a number of eleven bytes":         append([]byte{kindHave, 0}, bytes.Repeat([]byte{0xff}, 11)...),
	"a number cut short":               {kindHave, 0, 0x80},
	"a run of one, said in words":      {kindHave, 0, 0, 1},
	"a run of none":                    {kindHave, 0, 0, 0},
	"a run that is too long":           {kindHave, 0, 0, 0x81, 8},
	"a run past the last number":       {kindHave, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f, 2},
	"bytes after a have":               {kindHave, 0, 0, 2, 0},
	"a want of nothing":                {kindWant, 0, 0},
	"a want with zeros at its end":     {kindWant, 0, 0, 1, 0},
	"a want of more blocks than exist": append(append([]byte{kindWant, 0, 0}, make([]byte, 32)...), 1),
	"no heads asked for":               {kindGetHeads, 0, 0, 0},
	"too many heads asked for":         {kindGetHeads, 0, 0, 65},
	"a subscription to lane 17":        {kindSubscribe, 0, 2, 0, 0, 0, 'v'},
	"a subscription with other flags":  {kindSubscribe, 0, 0, 0, 1, 2, 'v'},
	"a grant of lane 31":               {kindGrant, 128, 0, 0, 0, 'v'},
	"a hint with an odd address":       append(append([]byte{kindPeers}, make([]byte, 17)...), 5, 1, 2, 3, 4, 5, 0, 1),
	"a hint with port 0":               append(append([]byte{kindPeers}, make([]byte, 17)...), 4, 1, 2, 3, 4, 0, 0),
	"a hint with a mapped address":     append(append([]byte{kindPeers}, make([]byte, 17)...), 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 1, 2, 3, 4, 0, 1),
	"a hint with an unknown role":      append(append([]byte{kindPeers}, make([]byte, 16)...), 3, 0),
	"too many hints":                   append([]byte{kindPeers}, make([]byte, 18*(MaxHints+1))...),
	"a state cut short":                append([]byte{kindState}, make([]byte, 19)...),
	"a ping of five bytes":             {kindPing, 0, 0, 0, 0, 0},
	"a drain with more":                {kindDrain, 0},
	"an empty record":                  {kindRecords, 0, 0},
	"a record that is too long":        append([]byte{kindRecords, 0x80, 1}, make([]byte, 0x8001)...),
	"a record cut short":               {kindRecords, 0, 2, 'x'},
	"too many records":                 append([]byte{kindRecords}, bytes.Repeat([]byte{0, 1, 'x'}, maxRecords+1)...),
	"a short root":                     append([]byte{kindGetInit}, make([]byte, 31)...),
	"part of an init segment of none":  append(append([]byte{kindInit}, make([]byte, 40)...), 'x'),
	"an init segment past its end":     append(append([]byte{kindInit}, make([]byte, 32)...), 0, 0, 0, 2, 0, 0, 0, 1, 'x', 'y'),
	"an empty part of an init segment": append(append([]byte{kindInit}, make([]byte, 32)...), 0, 0, 0, 2, 0, 0, 0, 1),
	"an init segment that is too long": append(append([]byte{kindInit}, make([]byte, 32)...), 0, 16, 0, 1, 0, 0, 0, 0, 'x'),
	"a signal without a body":          append([]byte{kindSignal}, make([]byte, 32)...),
	"a signal that is too long":        append([]byte{kindSignal}, make([]byte, 33+MaxSignal)...),
	"a bye without a reason":           {kindBye},
}

// greeted returns both ends of a connection of a stream, on which track 0 is declared.
func greeted(t interface{ Fatal(args ...any) }, stream event.StreamID, track Key) (*Encoder, *Decoder) {
	var e Encoder
	var d Decoder
	over(t, &e, &d, &Hello{Version: 1, Stream: stream})
	over(t, &e, &d, &Have{Key: track, Count: 1})
	return &e, &d
}

func TestMalformedFramesAreRefused(t *testing.T) {
	for what, frame := range malformedFrames {
		_, d := greeted(t, rigStream, key(0))
		m, err := d.Decode(frame)
		if m != nil || !errors.Is(err, ErrMessage) {
			t.Errorf("%s: %+v, %v", what, m, err)
		}
	}
}

func TestWhatNobodyWouldAcceptIsNotSent(t *testing.T) {
	at := Key{"v0", event.Position{Epoch: 1}}
	for what, m := range map[string]Message{
		"nil":                    nil,
		"no epoch":               &Have{Key: Key{R: "v0"}, Count: 1},
		"no rendition":           &Have{Key: Key{"", event.Position{Epoch: 1}}, Count: 1},
		"a number too high":      &Have{Key: Key{"v0", event.Position{Epoch: 1, N: 1 << 60}}, Count: 1},
		"an empty run":           &Have{Key: at},
		"a run past the end":     &Have{Key: Key{"v0", event.Position{Epoch: 1, N: maxNumber}}, Count: 2},
		"an empty block":         &Block{Key: at},
		"block 256":              &Block{Key: at, Index: 256, Data: []byte("x")},
		"a large block":          &Block{Key: at, Data: make([]byte, event.BlockSize+1)},
		"an empty want":          &Want{Key: at},
		"no heads":               &GetHeads{Key: at},
		"another kind of stream": &Hello{Stream: "Live"},
		"a head without payload": &Head{},
		"a head that is too big": &Head{Payload: make([]byte, MaxFrame)},
		"lane 5":                 &Grant{R: "v0", Lanes: 1 << allLanes},
		"no such rendition":      &Subscribe{R: "V0"},
		"no state's rendition":   &State{},
		"records over a frame":   &Records{Envelopes: slices.Repeat([][]byte{make([]byte, MaxEnvelope)}, 2)},
		"too many hints":         &Peers{Hints: make([]Hint, MaxHints+1)},
		"too much credit":        &Credit{Limit: 1 << 53},
		"an empty signal":        &Signal{},
		"init past its end":      &Init{Total: 1, Offset: 1, Data: []byte("x")},
	} {
		var e Encoder
		if frames, err := e.Encode(nil, m); frames != nil || !errors.Is(err, ErrMessage) || len(e.tracks) > 0 {
			t.Errorf("%s: %x, %v", what, frames, err)
		}
	}
}

func TestAddressesOfPeersHaveOneForm(t *testing.T) {
	for text, want := range map[string]string{
		"1.2.3.4:5": "1.2.3.4:5", "[::ffff:1.2.3.4]:5": "1.2.3.4:5", "[fe80::1%eth0]:5": "[fe80::1]:5", "1.2.3.4:0": "invalid AddrPort",
	} {
		got, _ := over(t, &Encoder{}, &Decoder{}, &Peers{Hints: []Hint{{Addr: netip.MustParseAddrPort(text)}}})
		if addr := got.(*Peers).Hints[0].Addr.String(); addr != want {
			t.Errorf("%s arrives as %s", text, addr)
		}
	}
}

// FuzzDecode: what comes of any bytes is a message that is encoded as those bytes
// again, but for what later versions may add, and for heads that could have been shorter.
func FuzzDecode(f *testing.F) {
	for _, frame := range malformedFrames {
		f.Add(frame[:min(len(frame), 300)])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		e, d := greeted(t, rigStream, key(0))
		sent := bytes.Clone(frame)
		m, err := d.Decode(frame)
		if !bytes.Equal(frame, sent) {
			t.Fatal("the frame was changed")
		}
		if err != nil {
			if m != nil || !errors.Is(err, ErrMessage) {
				t.Fatalf("%v, %v", m, err)
			}
			return
		}
		if m == nil {
			return
		}
		read := m
		h, isHead := m.(*Head)
		if isHead {
			opened := *h
			read = unsigned(&opened)
		}
		again, err := e.Encode(nil, read)
		if err != nil || len(again) == 0 {
			t.Fatalf("%+v is not encoded again: %v", m, err)
		}
		if _, ok := m.(*Hello); ok || isHead && frame[1] == formWhole {
			var back Message
			for _, frame := range again {
				if back, err = d.Decode(frame); err != nil {
					t.Fatal(err)
				}
			}
			if !reflect.DeepEqual(back, m) {
				t.Fatalf("%+v is read back as %+v", m, back)
			}
			return
		}
		if len(again) != 1 || !bytes.Equal(again[0], frame) {
			t.Fatalf("%x is encoded again as %x", frame, again)
		}
	})
}

func BenchmarkEncodeBlock(b *testing.B) {
	var e Encoder
	m := &Block{Key: key(7), Index: 3, Data: make([]byte, event.BlockSize)}
	b.SetBytes(event.BlockSize)
	b.ReportAllocs()
	var frames [][]byte
	for b.Loop() {
		var err error
		if frames, err = e.Encode(frames[:0], m); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecodeBlock(b *testing.B) {
	var d Decoder
	frames, err := new(Encoder).Encode(nil, &Block{Key: key(7), Index: 3, Data: make([]byte, event.BlockSize)})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(event.BlockSize)
	b.ReportAllocs()
	for b.Loop() {
		for _, frame := range frames {
			if _, err := d.Decode(frame); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestErrorsSayWhatIsWrong(t *testing.T) {
	_, err := new(Decoder).Decode([]byte{kindBye})
	if err == nil || !strings.Contains(err.Error(), "ends too early") {
		t.Error(err)
	}
}
