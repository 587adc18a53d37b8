package peer

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
)

var epochStart = time.UnixMilli(1_700_000_000_000)

const pieceDur = event.Ticks(18_000) // 200 ms

// chunk is piece n of a camera that sends without any jitter: it is signed the moment
// its last sample arrived.
func chunk(n int, catchup bool) Chunk {
	at := epochStart.Add(time.Duration(n) * 200 * time.Millisecond)
	return Chunk{
		Position: event.Position{Epoch: 1, N: uint64(n)}, PTS: event.Ticks(n) * pieceDur, Dur: pieceDur,
		At: at, Ready: at.Add(200 * time.Millisecond), Catchup: catchup,
	}
}

// deliver adds pieces from to to, each late behind its end.
func deliver(p *Playhead, from, to int, late time.Duration) (now time.Time) {
	for n := from; n <= to; n++ {
		c := chunk(n, false)
		now = c.Ready.Add(late)
		p.Add(now, c)
	}
	return now
}

func report(p *Playhead, now time.Time) Summary {
	var s Summary
	p.Report(now, &s)
	return s
}

func within(got, want, by int64) bool { return got >= want-by && got <= want+by }

// With pieces of 200 ms, delivered 10 ms after they end, one cannot be closer to the
// camera than 210 ms; the playhead is 20 ms behind that.
func TestThePlayheadIsAsCloseAsTheDeliveryAllows(t *testing.T) {
	var p Playhead
	now := deliver(&p, 0, 100, 10*time.Millisecond)
	s := report(&p, now)
	if !within(s.DelayMS.P50, 230, 5) || !within(s.DelayMS.P95, 230, 5) || s.Stalls != 0 {
		t.Errorf("%+v", s)
	}
}

// A newcomer goes to live at once and does not play the history it fetched.
func TestANewcomerStartsAtLive(t *testing.T) {
	var p Playhead
	joined := chunk(50, true).Ready.Add(50 * time.Millisecond)
	for n := 40; n <= 50; n++ {
		p.Add(joined, chunk(n, true))
	}
	now := deliver(&p, 51, 100, 10*time.Millisecond)
	if s := report(&p, now); !within(s.DelayMS.P50, 230, 10) || s.Stalls != 0 {
		t.Errorf("%+v", s)
	}
}

// The jitter that shows in the history is kept as a buffer from the start.
func TestTheBufferIsChosenByJitter(t *testing.T) {
	var p Playhead
	joined := chunk(50, true).Ready.Add(50 * time.Millisecond)
	for n := 40; n <= 50; n++ {
		c := chunk(n, true)
		if n%5 == 0 {
			c.Ready = c.Ready.Add(150 * time.Millisecond)
		}
		p.Add(joined, c)
	}
	var now time.Time
	for n := 51; n <= 100; n++ {
		late := 10 * time.Millisecond
		if n%5 == 0 {
			late = 150 * time.Millisecond
		}
		now = deliver(&p, n, n, late)
	}
	if s := report(&p, now); !within(s.DelayMS.P50, 370, 10) || s.DelayMS.P95 > s.DelayMS.P50+5 {
		t.Errorf("%+v", s)
	}
}

// A piece that comes half a second late is one stall, after which the viewer is that
// much further behind.
func TestALatePieceIsAStall(t *testing.T) {
	var p Playhead
	deliver(&p, 0, 49, 0)
	late := chunk(50, false)
	during := report(&p, late.Ready.Add(400*time.Millisecond))
	if during.Stalls != 1 || !within(during.StalledMS, 380, 5) {
		t.Errorf("while it lasts: %+v", during)
	}
	p.Add(late.Ready.Add(500*time.Millisecond), late)
	p.Add(late.Ready.Add(500*time.Millisecond), chunk(51, false))
	p.Add(late.Ready.Add(500*time.Millisecond), chunk(52, false))
	now := deliver(&p, 53, 200, 0)
	s := report(&p, now)
	if s.Stalls != 1 || !within(s.StalledMS, 480, 5) || !within(s.DelayMS.P50, 700, 15) {
		t.Errorf("%+v", s)
	}
}

// A short hold is no stall: nobody sees it.
func TestAShortHoldIsNoStall(t *testing.T) {
	var p Playhead
	deliver(&p, 0, 49, 0)
	now := deliver(&p, 50, 60, 200*time.Millisecond)
	if s := report(&p, now); s.Stalls != 0 || s.StalledMS != 0 {
		t.Errorf("%+v", s)
	}
}

// Media that is missing from the stream is jumped over; media that is late is not.
func TestAGapIsSkipped(t *testing.T) {
	var p Playhead
	deliver(&p, 0, 49, 0)
	now := deliver(&p, 51, 60, 0)
	if s := report(&p, now); s.Stalls != 0 {
		t.Errorf("a gap of one piece: %+v", s)
	}
}

// Between two publishes nothing can be played, and that is no stall.
func TestBeingOfflineIsNoStall(t *testing.T) {
	var p Playhead
	now := deliver(&p, 0, 49, 0)
	p.SetOffline(now.Add(200*time.Millisecond), true)
	later := now.Add(time.Minute)
	p.SetOffline(later, false)
	c := chunk(0, false)
	c.Epoch, c.At, c.Ready = 2, later.Add(-200*time.Millisecond), later
	p.Add(later.Add(50*time.Millisecond), c)
	if s := report(&p, later.Add(100*time.Millisecond)); s.Stalls != 0 || s.DelayMS.P95 > 400 {
		t.Errorf("%+v", s)
	}
}

// After an outage the viewer goes back to live and does not stay behind for ever.
func TestAfterAnOutageThePlayheadReturnsToLive(t *testing.T) {
	var p Playhead
	deliver(&p, 0, 49, 0)
	back := chunk(100, false).Ready
	for n := 50; n <= 100; n++ {
		p.Add(back, chunk(n, false))
	}
	deliver(&p, 101, 102, 10*time.Millisecond)
	if d := p.delayAt(chunk(103, false).At); d > 5*time.Second {
		t.Errorf("%s behind after an outage of 10 s", d)
	}
	if s := report(&p, back); s.Stalls != 1 {
		t.Errorf("%+v", s)
	}
}

// However pieces arrive, the playhead never plays what is not here, counts no more
// stalls than late pieces, holds a bounded queue, and its delay is never negative.
func TestPlayheadInvariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p Playhead
		now, lateOnes := epochStart, int64(0)
		for n := range 200 {
			if rapid.IntRange(0, 20).Draw(t, "lost") == 0 {
				continue
			}
			c := chunk(n, false)
			late := time.Duration(rapid.IntRange(0, 3000).Draw(t, "late")) * time.Millisecond
			if at := c.Ready.Add(late); at.After(now) {
				now, lateOnes = at, lateOnes+1
			}
			p.Add(now, c)
			if len(p.queue) > 25 || len(p.delays.bins) > 2000 {
				t.Fatalf("%d chunks, %d bins are kept", len(p.queue), len(p.delays.bins))
			}
			if p.started {
				if played := p.queue[0].PTS; played > c.PTS {
					t.Fatalf("plays %d while the newest is %d", played, c.PTS)
				}
				if d := p.delayAt(now); d < 0 {
					t.Fatalf("a delay of %s", d)
				}
			}
		}
		if s := report(&p, now); s.Stalls > lateOnes || s.StalledMS < 250*s.Stalls {
			t.Fatalf("%d late pieces, %+v", lateOnes, s)
		}
	})
}

func TestHistogram(t *testing.T) {
	var h histogram
	if h.percentile(0.5) != 0 {
		t.Error("no samples")
	}
	for ms := range int64(1000) {
		h.add(ms)
	}
	h.add(-5)
	h.add(1 << 40)
	if p := h.percentile(0.5); !within(p, 500, 8) {
		t.Errorf("p50 %d", p)
	}
	if p := h.percentile(0.95); !within(p, 950, 16) {
		t.Errorf("p95 %d", p)
	}
	if p := h.percentile(1); p < maxSample {
		t.Errorf("max %d", p)
	}
}

// The server's time goes on by the monotonic clock, whatever the viewer's clock says.
func TestTheClockIsTheServers(t *testing.T) {
	for _, wrong := range []time.Duration{0, time.Hour, -time.Hour} {
		elapsed := time.Duration(0)
		viewer := func() time.Time { return time.Now().Round(0).Truncate(time.Hour).Add(wrong + elapsed) }
		asked := viewer()
		elapsed += 40 * time.Millisecond
		c := newClock(viewer,
			clockReading{asked: asked, answered: asked.Add(3 * time.Second), server: epochStart.Add(time.Minute)},
			clockReading{asked: asked, answered: viewer(), server: epochStart})
		elapsed += time.Second
		if got, want := c.Now(), epochStart.Add(1020*time.Millisecond); !got.Equal(want) {
			t.Errorf("viewer %s off: %s, want %s", wrong, got, want)
		}
	}
}

func TestParseURL(t *testing.T) {
	id := "abcdefghijklmnopqrstuvwxyz234567"
	for link, want := range map[string]Location{
		"http://h:8080/live/cam#" + id:                  {"http://h:8080", "cam", event.StreamID(id)},
		"https://h/live/cam/manifest.json":              {"https://h", "cam", ""},
		"https://h/tv/live/cam/#" + id:                  {"https://h/tv", "cam", event.StreamID(id)},
		"http://[::1]:1/live/cam/v0/index.m3u8?_HLS=1":  {"http://[::1]:1", "cam", ""},
		"http://h/live/cam/manifest.json?r=v0#" + id:    {"http://h", "cam", event.StreamID(id)},
		"http://h/live/cam/index.m3u8#" + id:            {"http://h", "cam", event.StreamID(id)},
		"http://h/%6cive/cam?x=" + id + "#" + id:        {"http://h", "cam", event.StreamID(id)},
		"ftp://h/live/cam":                              {},
		"h/live/cam":                                    {},
		"http://h/cam":                                  {},
		"http://h/live/":                                {},
		"http://h/live/CAM":                             {},
		"http://h/live/cam/other":                       {},
		"http://h/live/cam#short":                       {},
		"http:///live/cam":                              {},
		"http://h/live/cam/../x/manifest.json#" + id:    {},
		"http://h/live/cam/manifest.json/..#" + id + "": {},
	} {
		got, err := ParseURL(link)
		if got != want || (err != nil) != (want == Location{}) {
			t.Errorf("%s: %+v, %v", link, got, err)
		}
	}
}
