package event_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
)

func fold(facts ...event.StreamFact) event.StreamState {
	var s event.StreamState
	for i, f := range facts {
		s.Apply(uint64(i+1), f)
	}
	return s
}

func TestAStreamIsLiveWhileItsLastEpochIsOpen(t *testing.T) {
	genesis := event.GenesisPublished{Name: "live"}
	for _, c := range []struct {
		what  string
		facts []event.StreamFact
		live  bool
	}{
		{"nothing happened", nil, false},
		{"nobody published", []event.StreamFact{genesis}, false},
		{"somebody publishes", []event.StreamFact{genesis, event.EpochClaimed{Epoch: 5}}, true},
		{"the publisher left", []event.StreamFact{genesis, event.EpochClaimed{Epoch: 5}, event.EpochEnded{Epoch: 5}}, false},
		{"the publisher came back", []event.StreamFact{genesis, event.EpochClaimed{Epoch: 5}, event.EpochEnded{Epoch: 5}, event.EpochClaimed{Epoch: 6}}, true},
		{"an epoch's end came after the next began", []event.StreamFact{genesis, event.EpochClaimed{Epoch: 5}, event.EpochClaimed{Epoch: 6}, event.EpochEnded{Epoch: 5}}, true},
		{"the stream was removed", []event.StreamFact{genesis, event.EpochClaimed{Epoch: 5}, event.StreamRemoved{}}, false},
		{"a newer build said more", []event.StreamFact{genesis, event.EpochClaimed{Epoch: 5}, nil}, true},
	} {
		s := fold(c.facts...)
		if s.Live() != c.live {
			t.Errorf("%s: live is %v", c.what, s.Live())
		}
		if s.Seq != uint64(len(c.facts)) {
			t.Errorf("%s: the last sequence is %d", c.what, s.Seq)
		}
	}
}

func TestTheNextEpochIsAlwaysLater(t *testing.T) {
	s := fold(event.EpochClaimed{Epoch: 1000})
	for now, want := range map[int64]event.Epoch{2000: 2000, 1000: 1001, 10: 1001, -5: 1001} {
		if got := s.NextEpoch(now); got != want {
			t.Errorf("at %d the next epoch is %d, want %d", now, got, want)
		}
	}
}

func TestAFoldIsBounded(t *testing.T) {
	var s event.StreamState
	for i := range uint64(10_000) {
		s.Apply(2*i+1, event.SessionPublished{Envelope: fmt.Appendf(nil, "%d", i)})
		s.Apply(2*i+2, event.TracksAnnounced{Root: event.Root{byte(i), byte(i >> 8)}})
	}
	if len(s.Sessions) > 64 || len(s.Tracks) > 64 {
		t.Fatalf("%d sessions and %d tracks are kept", len(s.Sessions), len(s.Tracks))
	}
	if string(s.Sessions[len(s.Sessions)-1]) != "9999" {
		t.Error("the newest session is not kept")
	}
	if _, ok := s.Init(event.Root{9999 & 0xff, 9999 >> 8}); !ok {
		t.Error("the newest init segment is not kept")
	}
	if _, ok := s.Init(event.Root{0xff, 0xff}); ok {
		t.Error("an init segment is found that never was")
	}
}

// A service that starts again reads everything again: hearing facts twice, or from
// the beginning, changes nothing.
func TestHearingFactsAgainChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		kinds := []event.StreamFact{
			event.GenesisPublished{Name: "a", Envelope: json.RawMessage(`1`)},
			event.GenesisPublished{Name: "b", Unlisted: true},
			event.RootRotated{Envelope: json.RawMessage(`2`)},
			event.SessionPublished{Envelope: json.RawMessage(`3`)},
			event.PublishKeySet{Key: event.Digest{1}},
			event.EpochClaimed{Epoch: 1, Instance: "x"},
			event.EpochClaimed{Epoch: 2},
			event.TracksAnnounced{Epoch: 1, Root: event.Root{1}},
			event.EpochEnded{Epoch: 1},
			event.EpochEnded{Epoch: 2},
			event.StreamRemoved{},
			nil,
		}
		log := rapid.SliceOfN(rapid.SampledFrom(kinds), 0, 200).Draw(t, "facts")
		want := fold(log...)
		var s event.StreamState
		for heard := 0; heard < len(log); {
			from := rapid.IntRange(0, heard).Draw(t, "from")
			to := rapid.IntRange(heard, len(log)).Draw(t, "to")
			for i := from; i < to; i++ {
				s.Apply(uint64(i+1), log[i])
			}
			heard = max(heard, to)
		}
		if !reflect.DeepEqual(s, want) {
			t.Fatalf("heard with repetitions: %+v\nheard once: %+v", s, want)
		}
	})
}

func TestACopyStaysAsItIs(t *testing.T) {
	s := fold(event.SessionPublished{Envelope: json.RawMessage(`1`)}, event.RootRotated{}, event.TracksAnnounced{Codecs: "a"})
	c := s.Clone()
	before := s.Clone()
	for i := range uint64(100) {
		s.Apply(10+3*i, event.SessionPublished{Envelope: json.RawMessage(`2`)})
		s.Apply(11+3*i, event.TracksAnnounced{Codecs: "b"})
		s.Apply(12+3*i, event.RootRotated{Envelope: json.RawMessage(`9`)})
	}
	if !reflect.DeepEqual(c, before) {
		t.Error("the copy changed with its original")
	}
}

func TestADirectoryFindsStreamsByTheNameTheyHaveNow(t *testing.T) {
	const one, two = event.StreamID("1"), event.StreamID("2")
	d := event.NewDirectory()
	d.Apply(one, 1, event.GenesisPublished{Name: "live"})
	if s, ok := d.Named("live"); !ok || s.ID != one {
		t.Fatalf("got %+v", s)
	}
	d.Apply(one, 2, event.StreamRemoved{})
	if _, ok := d.Named("live"); ok {
		t.Error("a removed stream is found by name")
	}
	if s, ok := d.Get(one); !ok || !s.Removed {
		t.Error("a removed stream is not found by id")
	}
	d.Apply(two, 3, event.GenesisPublished{Name: "live"})
	d.Apply(one, 4, event.EpochClaimed{Epoch: 9})
	d.Apply(one, 5, nil)
	if s, ok := d.Named("live"); !ok || s.ID != two {
		t.Errorf("the name belongs to %q", s.ID)
	}
	if n := len(d.All()); n != 2 {
		t.Errorf("%d streams", n)
	}
	if _, ok := d.Get("3"); ok {
		t.Error("a stream is found that never was")
	}
}

func TestNamesThatPeopleMayChoose(t *testing.T) {
	for name, ok := range map[string]bool{
		"live": true, "a": true, "0-_": true, "": false, "-a": false, "_a": false, "Live": false, "a b": false, "a.b": false, "ä": false,
		"a/b": false, "a*": false, "a\n": false, fmt.Sprintf("%063d", 0): true, fmt.Sprintf("%064d", 0): false,
	} {
		if _, err := event.ParseStreamName(name); (err == nil) != ok {
			t.Errorf("stream name %q: %v", name, err)
		}
	}
	for id, ok := range map[string]bool{
		"abcdefghijklmnopqrstuvwxyz234567": true, "": false, "abcdefghijklmnopqrstuvwxyz23456": false, "abcdefghijklmnopqrstuvwxyz2345678": false,
		"Abcdefghijklmnopqrstuvwxyz234567": false, "abcdefghijklmnopqrstuvwxyz23456>": false, "1bcdefghijklmnopqrstuvwxyz234567": false,
	} {
		if _, err := event.ParseStreamID(id); (err == nil) != ok {
			t.Errorf("stream id %q: %v", id, err)
		}
	}
	for r, ok := range map[string]bool{"v0": true, "audio1": true, "": false, "0v": false, "V0": false, "v.0": false, "v012345678901234": true, "v0123456789012345": false} {
		if _, err := event.ParseRendition(r); (err == nil) != ok {
			t.Errorf("rendition %q: %v", r, err)
		}
	}
}

func TestTicksAndDurations(t *testing.T) {
	for d, want := range map[time.Duration]event.Ticks{0: 0, time.Second: 90_000, 200 * time.Millisecond: 18_000, time.Second / 3: 29_999, 100 * 365 * 24 * time.Hour: 283_824_000_000_000} {
		if got := event.TicksOf(d); got != want {
			t.Errorf("%v is %d ticks, want %d", d, got, want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		ticks := event.Ticks(rapid.Int64Range(0, 1<<47).Draw(t, "ticks"))
		d := ticks.Duration()
		if back := event.TicksOf(d); back != ticks && back != ticks-1 {
			t.Fatalf("%d ticks are %v, which is %d ticks", ticks, d, back)
		}
	})
}

func TestHashesAreWrittenInLowerCaseHexadecimal(t *testing.T) {
	r := event.Root(event.DigestOf([]byte("x")))
	back, err := event.ParseRoot(r.String())
	if err != nil || back != r {
		t.Fatalf("%v: %v", back, err)
	}
	text := r.String()
	for _, bad := range []string{"", text[1:], text + "0", "G" + text[1:], "A" + text[1:]} {
		if _, err := event.ParseRoot(bad); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
	a, b := event.Position{Epoch: 1, N: 9}, event.Position{Epoch: 2, N: 0}
	if !a.Before(b) || b.Before(a) || a.Before(a) || !a.Before(event.Position{Epoch: 1, N: 10}) {
		t.Error("positions are out of order")
	}
}
