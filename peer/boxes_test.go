package peer

import (
	"bytes"
	"encoding/binary"
	"io"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Whatever a creator signs as a piece, reading it ends, without a panic, and what it
// says of the place of a decode time is inside the piece.
func FuzzReadPiece(f *testing.F) {
	m, err := small()
	if err != nil {
		f.Fatal(err)
	}
	tracks, err := readInit(m.init)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		o := output{tracks: tracks, ends: map[uint32]span{1: {1 << 40, 0, 1 << 41}, 2: {90_000, 0, 90_000}}, shift: map[uint32]int64{}}
		before := bytes.Clone(b)
		out, err := o.place(b)
		if !bytes.Equal(b, before) {
			t.Fatal("the piece itself was changed")
		}
		if err == nil && len(out) != len(b) {
			t.Fatalf("%d bytes became %d", len(b), len(out))
		}
	})
}

func FuzzReadInit(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {
		tracks, err := readInit(b)
		if err == nil && (len(tracks) == 0 || len(tracks) > maxTracks || !sameTracks(tracks, tracks)) {
			t.Fatalf("%d tracks", len(tracks))
		}
	})
}

type sink struct{ bytes.Buffer }

func (*sink) Close() error { return nil }

// Within one publish the file holds the init segment and the pieces byte for byte.
func TestPiecesAreWrittenVerbatim(t *testing.T) {
	m := mustMedia(t, small)
	var to sink
	o := output{open: func(int) (io.WriteCloser, error) { return &to, nil }, limit: 2 * event.Timescale}
	if err := o.begin(); err != nil {
		t.Fatal(err)
	}
	init := initSegment{root: manifest.RootOf(m.init), data: m.init}
	want := append([]byte(nil), m.init...)
	for n, p := range m.pieces {
		e := manifest.Entry{Epoch: 7, N: uint64(n), Key: p.key, PTS: p.pts, Dur: p.dur}
		if n < 3 { // before its keyframe
			e.Key = false
		} else if n >= 5 && n < 15 {
			want = append(want, p.data...)
		}
		if err := o.write(fetched{entry: e, init: init, data: p.data}); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(to.Bytes(), want) {
		t.Errorf("%d bytes written, %d expected", to.Len(), len(want))
	}
}

// A decode time of 32 bits that cannot hold what follows is an error, not a wrap.
func TestADecodeTimeDoesNotWrap(t *testing.T) {
	at := make([]byte, 4)
	if err := putTime(at, 1<<32-1); err != nil || binary.BigEndian.Uint32(at) != 1<<32-1 {
		t.Error(err)
	}
	if err := putTime(at, 1<<32); err == nil {
		t.Error("2^32 in 32 bits")
	}
}

// What follows begins after the last picture that was shown, also where that ends after
// the last one decoded, and after every other track.
func TestAlign(t *testing.T) {
	for name, c := range map[string]struct {
		video, audio span  // written
		start, first int64 // of the next video
		want         int64 // least shift
	}{
		"decoded last":  {span{89_990, 0, 89_990}, span{40_000, 0, 40_000}, 0, 0, 89_990},
		"shown last":    {span{89_990, 0, 95_990}, span{40_000, 0, 40_000}, 0, 0, 95_990},
		"audio last":    {span{89_990, 0, 89_990}, span{96_000, 0, 96_000}, 0, 0, 180_000},
		"delayed":       {span{89_990, 6_000, 95_990}, span{40_000, 0, 40_000}, 0, 6_000, 89_990},
		"begins beyond": {span{89_990, 0, 89_990}, span{40_000, 0, 40_000}, 900_000, 900_000, -810_010},
	} {
		o := output{
			tracks: map[uint32]track{1: {timescale: 90_000}, 2: {timescale: 48_000}},
			ends:   map[uint32]span{1: c.video, 2: c.audio}, shift: map[uint32]int64{},
		}
		o.align([]fragment{{track: 1, start: c.start, span: span{3_000, c.first - c.start, 3_000}}})
		if got := o.shift[1]; got < c.want || got >= c.want+2*shiftStep || got%shiftStep != 0 {
			t.Errorf("%s: shifted by %d, least %d", name, got, c.want)
		}
		if got, want := o.shift[2], o.shift[1]*48/90; got != want {
			t.Errorf("%s: audio is shifted by %d, video by %d", name, got, want)
		}
	}
}

func TestRescale(t *testing.T) {
	for _, c := range []struct {
		v        int64
		to, from uint32
		want     int64
	}{
		{48_000, 90_000, 48_000, 90_000},
		{1, 90_000, 48_000, 1},
		{-1, 90_000, 48_000, -1},
		{0, 1, 1, 0},
		{1 << 60, 90_000, 90_000, 1 << 60},
		{1 << 62, 90_000, 1, 0},
		{1 << 61, 90_000, 48_000, 1 << 61 / 8 * 15},
		{1 << 62, 90_000, 48_000, 1 << 62 / 8 * 15},
		{1 << 62, 4, 1, 0},
	} {
		if got := rescale(c.v, c.to, c.from); c.want >= 0 && got != c.want || c.want < 0 && got >= 0 {
			t.Errorf("%d×%d/%d = %d, want %d", c.v, c.to, c.from, got, c.want)
		}
	}
}
