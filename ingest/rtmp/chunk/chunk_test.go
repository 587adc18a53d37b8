package chunk

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

var roomy = Limits{Message: 1 << 20, Unfinished: 2 << 20, Streams: 64}

func readAll(t *testing.T, in []byte, l Limits) ([]Message, error) {
	t.Helper()
	r := NewReader(bufio.NewReader(bytes.NewReader(in)), l)
	var ms []Message
	for {
		m, err := r.Next()
		if errors.Is(err, io.EOF) {
			return ms, nil
		}
		if err != nil {
			return ms, err
		}
		ms = append(ms, m)
	}
}

// join puts a byte stream together from hexadecimal-free parts.
func join(parts ...any) []byte {
	var b []byte
	for _, p := range parts {
		switch p := p.(type) {
		case int:
			b = append(b, byte(p))
		case string:
			b = append(b, p...)
		case []byte:
			b = append(b, p...)
		}
	}
	return b
}

func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// The two examples of the specification (section 5.3.2).
func TestExamplesOfTheSpecification(t *testing.T) {
	audio := pattern(32)
	// Example 1: a header of type 0, then 2, then 3 and 3, all with the delta 20.
	in := join(0x03, 0, 0x03, 0xE8, 0, 0, 32, 8, 0x39, 0x30, 0, 0, audio,
		0x83, 0, 0, 20, audio, 0xC3, audio, 0xC3, audio)
	ms, err := readAll(t, in, roomy)
	if err != nil || len(ms) != 4 {
		t.Fatalf("%d messages, %v", len(ms), err)
	}
	for i, m := range ms {
		if m.Timestamp != uint32(1000+20*i) || m.StreamID != 12345 || m.Type != TypeAudio || !bytes.Equal(m.Payload, audio) {
			t.Errorf("message %d: %+v", i, m)
		}
	}
	// Example 2: one message in chunks of 128, 128 and 51 bytes.
	video := pattern(307)
	in = join(0x04, 0, 0x03, 0xE8, 0, 1, 0x33, 9, 0x3A, 0x30, 0, 0, video[:128], 0xC4, video[128:256], 0xC4, video[256:])
	ms, err = readAll(t, in, roomy)
	if err != nil || len(ms) != 1 || !bytes.Equal(ms[0].Payload, video) || ms[0].StreamID != 12346 {
		t.Fatalf("%+v, %v", ms, err)
	}
}

// After a full header, a header of type 3 that begins a message repeats the full
// header's timestamp as its delta (section 5.3.1.2.4).
func TestRepeatedHeaderAfterFullOne(t *testing.T) {
	in := join(0x05, 0, 0, 40, 0, 0, 1, 8, 1, 0, 0, 0, "a", 0xC5, "b", 0xC5, "c")
	ms, err := readAll(t, in, roomy)
	if err != nil || len(ms) != 3 || ms[1].Timestamp != 80 || ms[2].Timestamp != 120 {
		t.Fatalf("%+v, %v", ms, err)
	}
}

// Chunk stream ids of one, two and three bytes are told apart.
func TestChunkStreamIDs(t *testing.T) {
	header := []byte{0, 0, 0, 0, 0, 2, 9, 1, 0, 0, 0}
	in := join(
		0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, // chunks of one byte
		0x3F, header, "a", // 63
		0x00, 0, header, "A", // 64
		0x01, 0, 1, header, "x", // 64 + 256
		0xFF, "b", 0xC0, 0, "B", 0xC1, 0, 1, "y",
	)
	ms, err := readAll(t, in, roomy)
	if err != nil || len(ms) != 3 {
		t.Fatalf("%+v, %v", ms, err)
	}
	if got := string(ms[0].Payload) + string(ms[1].Payload) + string(ms[2].Payload); got != "abABxy" {
		t.Errorf("payloads %q", got)
	}
}

// Extended timestamps stand in every chunk, also in continuations that interleave
// with another stream's; deltas may be extended; and senders that leave them out of
// continuations are understood.
func TestExtendedTimestamps(t *testing.T) {
	video, audio := pattern(300), []byte("sound")
	ext := []byte{0x01, 0x00, 0x00, 0x05}
	first := join(0x06, 0xFF, 0xFF, 0xFF, 0, 1, 0x2C, 9, 1, 0, 0, 0, ext)
	sound := join(0x04, 0xFF, 0xFF, 0xFF, 0, 0, 5, 8, 1, 0, 0, 0, ext, audio)
	for _, tt := range []struct {
		name string
		cont []byte
	}{
		{"with it", join(0xC6, ext)},
		{"without it", join(0xC6)},
	} {
		in := join(first, video[:128], sound, tt.cont, video[128:256], tt.cont, video[256:])
		ms, err := readAll(t, in, roomy)
		if err != nil || len(ms) != 2 {
			t.Fatalf("%s: %+v, %v", tt.name, ms, err)
		}
		if !bytes.Equal(ms[0].Payload, audio) || !bytes.Equal(ms[1].Payload, video) ||
			ms[0].Timestamp != 0x01000005 || ms[1].Timestamp != 0x01000005 {
			t.Errorf("%s: %+v", tt.name, ms)
		}
	}
	// A delta of more than 4.6 hours, over the wrap at 2^32, and repeated by type 3.
	in := join(0x04, 0xFF, 0xFF, 0xFF, 0, 0, 1, 8, 1, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, "a",
		0x84, 0xFF, 0xFF, 0xFF, 0x01, 0, 0, 0, "b", 0xC4, 0x01, 0, 0, 0, "c")
	ms, err := readAll(t, in, roomy)
	if err != nil || len(ms) != 3 || ms[1].Timestamp != 0x00FFFFFF || ms[2].Timestamp != 0x01FFFFFF {
		t.Errorf("%+v, %v", ms, err)
	}
}

// An abort drops what its stream had begun, and the stream goes on with a new header.
func TestAbort(t *testing.T) {
	in := join(
		0x06, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0, pattern(128), // half a message
		0x02, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 6, // abort stream 6
		0x46, 0, 0, 7, 0, 0, 2, 9, "ok",
		0x02, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 99, // abort what is not there
	)
	ms, err := readAll(t, in, Limits{Message: 256, Unfinished: 300, Streams: 4})
	if err != nil || len(ms) != 1 || string(ms[0].Payload) != "ok" || ms[0].Timestamp != 7 || ms[0].StreamID != 1 {
		t.Fatalf("%+v, %v", ms, err)
	}
}

// Limits hold.
func TestReaderRefuses(t *testing.T) {
	message := func(id, length int) []byte {
		return join(id, 0, 0, 0, length>>16, length>>8, length, 9, 1, 0, 0, 0)
	}
	control := func(typ int, v ...byte) []byte {
		return join(0x02, 0, 0, 0, 0, 0, len(v), typ, 0, 0, 0, 0, v)
	}
	var streams []byte
	for id := 3; id < 10; id++ {
		streams = append(streams, join(message(id, 1), "x")...)
	}
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"chunk size 0", control(TypeSetChunkSize, 0, 0, 0, 0), ErrChunkSize},
		{"chunk size over a MiB", control(TypeSetChunkSize, 0, 0x10, 0, 1), ErrChunkSize},
		{"chunk size with the top bit", control(TypeSetChunkSize, 0x80, 0, 0, 1), ErrChunkSize},
		{"chunk size of three bytes", control(TypeSetChunkSize, 0, 0, 1), ErrChunkSize},
		{"abort of three bytes", control(TypeAbort, 0, 0, 1), ErrHeader},
		{"message too large", message(4, 1001), ErrTooLarge},
		{"too much begun", join(message(4, 1000), pattern(128), message(5, 1000), pattern(128), message(6, 1000)), ErrTooLarge},
		{"too many streams", streams, ErrStreams},
		{"type 3 first", join(0xC4, "x"), ErrHeader},
		{"type 2 first", join(0x84, 0, 0, 0, "x"), ErrHeader},
		{"a header inside a message", join(message(4, 200), pattern(128), message(4, 200)), ErrHeader},
		{"cut in a header", message(4, 1)[:5], io.ErrUnexpectedEOF},
		{"cut in a payload", join(message(4, 10), "12345"), io.ErrUnexpectedEOF},
		{"cut in a stream id", join(0x01, 5), io.ErrUnexpectedEOF},
		{"cut in an extended timestamp", join(0x04, 0xFF, 0xFF, 0xFF, 0, 0, 1, 9, 1, 0, 0, 0, 1, 2), io.ErrUnexpectedEOF},
	} {
		if _, err := readAll(t, tt.in, Limits{Message: 1000, Unfinished: 2000, Streams: 4}); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}

// A chunk size of a MiB is allowed, and a header of type 1 may open a stream, as
// librtmp does for its pings.
func TestReaderAllows(t *testing.T) {
	big := pattern(1 << 19)
	in := join(0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0x10, 0, 0,
		0x44, 0, 0, 9, 8, 0, 0, 9, big)
	ms, err := readAll(t, in, roomy)
	if err != nil || len(ms) != 1 || !bytes.Equal(ms[0].Payload, big) || ms[0].Timestamp != 9 {
		t.Fatalf("%d messages, %v", len(ms), err)
	}
}

// Whatever the writer writes is read back, at any chunk size.
func TestWriterRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var buf bytes.Buffer
		w := NewWriter(&buf)
		var want []Message
		for range rapid.IntRange(1, 5).Draw(t, "messages") {
			if rapid.Bool().Draw(t, "resize") {
				if err := w.SetSize(rapid.IntRange(1, 5000).Draw(t, "size")); err != nil {
					t.Fatal(err)
				}
			}
			m := Message{
				Type:      TypeVideo,
				Timestamp: rapid.SampledFrom([]uint32{0, 1, 0xFFFFFE, 0xFFFFFF, 0x1000000, 1<<32 - 1}).Draw(t, "timestamp"),
				StreamID:  rapid.Uint32().Draw(t, "stream"),
				Payload:   pattern(rapid.IntRange(0, 9000).Draw(t, "length")),
			}
			if err := w.Write(uint32(rapid.IntRange(3, 63).Draw(t, "id")), m); err != nil {
				t.Fatal(err)
			}
			want = append(want, m)
		}
		r := NewReader(bufio.NewReader(&buf), roomy)
		for _, m := range want {
			got, err := r.Next()
			if err != nil {
				t.Fatal(err)
			}
			if got.Timestamp != m.Timestamp || got.StreamID != m.StreamID || !bytes.Equal(got.Payload, m.Payload) {
				t.Fatalf("got %d bytes at %d", len(got.Payload), got.Timestamp)
			}
		}
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatal(err)
		}
	})
}

func TestWriterRefuses(t *testing.T) {
	w := NewWriter(io.Discard)
	if w.SetSize(0) == nil || w.SetSize(MaxSize+1) == nil {
		t.Error("an absurd chunk size was announced")
	}
	if w.Write(64, Message{}) == nil || w.Write(1, Message{}) == nil {
		t.Error("a chunk stream id without a one-byte header was written")
	}
	if w.Write(3, Message{Payload: make([]byte, 1<<24)}) == nil {
		t.Error("a message over 16 MiB was written")
	}
}

// A payload is allocated once and copied once, whatever the chunk size.
func TestOneAllocation(t *testing.T) {
	b, err := AppendMessage(nil, 6, Message{Type: TypeVideo, Payload: pattern(100_000)}, DefaultSize)
	if err != nil {
		t.Fatal(err)
	}
	src := bytes.NewReader(b)
	br := bufio.NewReaderSize(src, 16<<10)
	r := NewReader(br, roomy)
	n := testing.AllocsPerRun(20, func() {
		src.Reset(b)
		if _, err := r.Next(); err != nil {
			t.Fatal(err)
		}
	})
	if n > 1 {
		t.Errorf("%v allocations for a message", n)
	}
}

// A reader whose buffer grows in mid-stream loses nothing.
func TestGrow(t *testing.T) {
	var in []byte
	for i := range 100 {
		in, _ = AppendMessage(in, 6, Message{Type: TypeVideo, Timestamp: uint32(i), Payload: pattern(i * 97)}, DefaultSize)
	}
	r := NewReader(bufio.NewReaderSize(bytes.NewReader(in), 512), roomy)
	for i := range 100 {
		m, err := r.Next()
		if err != nil || m.Timestamp != uint32(i) || !bytes.Equal(m.Payload, pattern(i*97)) {
			t.Fatalf("message %d: %d bytes at %d, %v", i, len(m.Payload), m.Timestamp, err)
		}
		if i%30 == 10 {
			r.Grow(1024 * i)
		}
	}
}

// No input makes the reader panic, or hold more than its limits.
func FuzzReader(f *testing.F) {
	f.Add(join(0x03, 0, 0, 0, 0, 0, 5, 8, 1, 0, 0, 0, "hello", 0xC3, "again"))
	f.Add(join(0x02, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0x04, 0xFF, 0xFF, 0xFF, 0, 0, 2, 9, 1, 0, 0, 0, 1, 0, 0, 0, "a", 0xC4, 1, 0, 0, 0, "b"))
	f.Add(join(0x06, 0, 0, 0, 0, 1, 0, 9, 1, 0, 0, 0, strings.Repeat("v", 128), 0x02, 0, 0, 0, 0, 0, 4, 2, 0, 0, 0, 0, 0, 0, 0, 6))
	f.Fuzz(func(t *testing.T, b []byte) {
		l := Limits{Message: 4096, Unfinished: 8192, Streams: 4}
		r := NewReader(bufio.NewReaderSize(bytes.NewReader(b), 16), l)
		total := 0
		for {
			m, err := r.Next()
			if r.unfinished > l.Unfinished || r.unfinished < 0 || len(r.streams) > l.Streams {
				t.Fatalf("%d bytes set aside for %d streams", r.unfinished, len(r.streams))
			}
			if err != nil {
				break
			}
			if total += len(m.Payload); total > len(b) || len(m.Payload) > l.Message {
				t.Fatal("more came out than went in")
			}
			again, err := AppendMessage(nil, 3, m, DefaultSize)
			if err != nil {
				t.Fatal(err)
			}
			back, err := NewReader(bufio.NewReader(bytes.NewReader(again)), roomy).Next()
			if m.Type == TypeSetChunkSize || m.Type == TypeAbort {
				t.Fatal("a control message came through")
			}
			if err != nil || !bytes.Equal(back.Payload, m.Payload) || back.Timestamp != m.Timestamp {
				t.Fatalf("%+v became %+v: %v", m, back, err)
			}
		}
	})
}

func BenchmarkReader(b *testing.B) {
	// A second of 4 Mbps in chunks as OBS sends them.
	var in []byte
	for i := range 30 {
		m := Message{Type: TypeVideo, Timestamp: uint32(33 * i), StreamID: 1, Payload: pattern(16_000)}
		in, _ = AppendMessage(in, 6, m, 4096)
	}
	size := binary.BigEndian.AppendUint32([]byte{2, 0, 0, 0, 0, 0, 4, 1, 0, 0, 0, 0}, 4096)
	b.SetBytes(int64(len(in)))
	src := bytes.NewReader(size)
	r := NewReader(bufio.NewReaderSize(src, 16<<10), roomy)
	_, _ = r.Next()
	for b.Loop() {
		src.Reset(in)
		for range 30 {
			if _, err := r.Next(); err != nil {
				b.Fatal(err)
			}
		}
	}
}
