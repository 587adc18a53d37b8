package transcoder

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/internal/mediatest"
	"github.com/shoalcast/shoal/manifest"
)

const id event.StreamID = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

// rig is a bus with a source on it, and the renditions that a service makes of it.
type rig struct {
	t       *testing.T
	bus     *bus.Bus
	metrics *Metrics
	options Options

	mu      sync.Mutex
	got     map[event.Rendition][]*event.Piece
	inits   map[event.Root]event.TracksAnnounced
	changed chan struct{}
}

func newRig(t *testing.T, ladder string, stuck time.Duration) *rig {
	t.Helper()
	l, err := ParseLadder(ladder)
	check(t, err)
	r := &rig{
		t: t, bus: bustest.Start(t), metrics: NewMetrics(nil),
		got: map[event.Rendition][]*event.Piece{}, inits: map[event.Root]event.TracksAnnounced{}, changed: make(chan struct{}),
	}
	r.options = Options{Bus: r.bus, Instance: "a", Ladder: l, Metrics: r.metrics, stuck: stuck, Log: slog.New(slog.NewTextHandler(t.Output(), nil))}
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	for _, step := range l {
		running.Go(func() {
			_ = r.bus.FollowPieces(ctx, id, step.Rendition, time.Time{}, func(_ context.Context, p *event.Piece) error {
				r.note(func() { r.got[step.Rendition] = append(r.got[step.Rendition], p) })
				return nil
			})
		})
	}
	running.Go(func() {
		_ = r.bus.FollowStreams(ctx, nil, func(_ event.StreamID, _ uint64, f event.StreamFact) error {
			if tracks, ok := f.(event.TracksAnnounced); ok {
				r.note(func() { r.inits[tracks.Root] = tracks })
			}
			return nil
		})
	})
	t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	return r
}

// serve runs a service until the returned function is called.
func (r *rig) serve() (stop func()) {
	r.t.Helper()
	s := New(r.options)
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		check(r.t, <-ended)
	})
	r.t.Cleanup(stop)
	<-s.Ready()
	return stop
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) note(fn func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	fn()
	close(r.changed)
	r.changed = make(chan struct{})
}

// until waits for something to be true of what was made.
func (r *rig) until(what string, true func() bool) {
	r.t.Helper()
	timeout := time.After(30 * time.Second)
	for {
		r.mu.Lock()
		ok, changed := true(), r.changed
		r.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-timeout:
			r.t.Fatalf("waited in vain for %s", what)
		}
	}
}

func (r *rig) fact(f event.StreamFact) {
	r.t.Helper()
	_, err := r.bus.AppendStreamFact(r.t.Context(), id, f, bus.AnySeq)
	check(r.t, err)
}

// begin opens an epoch for a clip, and returns its pieces.
func (r *rig) begin(epoch event.Epoch, clip mediatest.Clip) []*event.Piece {
	r.t.Helper()
	pieces, init := cut(r.t, clip)
	root := manifest.RootOf(init.Data)
	r.fact(event.EpochClaimed{Epoch: epoch, Instance: "test/1"})
	r.fact(event.TracksAnnounced{
		Epoch: epoch, Rendition: event.Source, Root: root, Init: init.Data,
		Codecs: init.Codecs, Width: init.Width, Height: init.Height, FrameRate: init.FrameRate,
	})
	for _, p := range pieces {
		p.Stream, p.Epoch, p.Init, p.Root, p.Size = id, epoch, root, manifest.RootOf(p.Data), len(p.Data)
		p.Arrived, p.Received = time.Now(), time.Now()
	}
	return pieces
}

// publish puts pieces on the bus as fast as the last rendition is made of them.
func (r *rig) publish(pieces []*event.Piece, last event.Rendition) {
	r.t.Helper()
	for i, p := range pieces {
		p.Received = time.Now()
		check(r.t, r.bus.PublishPiece(r.t.Context(), p))
		if i >= 4 {
			want := pieces[i-4].Position
			r.until(fmt.Sprintf("piece %s of %s", want, last), func() bool { return r.has(last, want) })
		}
	}
}

func (r *rig) made(rendition event.Rendition) []*event.Piece {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got[rendition])
}

// tracks is what was announced of a piece's tracks.
func (r *rig) tracks(p *event.Piece) event.TracksAnnounced {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inits[p.Init]
}

func (r *rig) has(rendition event.Rendition, at event.Position) bool {
	got := r.got[rendition]
	return len(got) > 0 && !got[len(got)-1].Position.Before(at)
}

// expect waits for a rendition of pieces, and checks that it meets them in every way and can
// be decoded.
func (r *rig) expect(rendition event.Rendition, pieces []*event.Piece, height int) {
	r.t.Helper()
	var got []*event.Piece
	r.until(string(rendition)+" to be complete", func() bool {
		all := r.got[rendition]
		i := slices.IndexFunc(all, func(p *event.Piece) bool { return p.Position == pieces[0].Position })
		if i < 0 || len(all)-i < len(pieces) {
			return false
		}
		got = all[i : i+len(pieces)]
		return true
	})
	init := r.tracks(got[0])
	if init.Height != height || init.Rendition != rendition {
		r.t.Fatalf("%s is announced as %s with %d lines", rendition, init.Rendition, init.Height)
	}
	parts := [][]byte{init.Init}
	pictures := 0
	for i, p := range got {
		s := pieces[i]
		if p.Position != s.Position || p.Segment != s.Segment || p.Key != s.Key || p.Duration != s.Duration || p.Target != s.Target || !p.Arrived.Equal(s.Arrived.Truncate(time.Millisecond)) {
			r.t.Fatalf("%s: %+v does not meet %+v", rendition, p.Address, s.Address)
		}
		if p.Key && p.PTS != s.PTS {
			r.t.Errorf("%s: segment %d begins at %d, the source's at %d", rendition, p.Segment, p.PTS, s.PTS)
		}
		in, err := fmp4.Read(p.Data)
		check(r.t, err)
		pictures += len(in.Pictures)
		parts = append(parts, p.Data)
	}
	file := mediatest.File(r.t, parts...)
	mediatest.Decode(r.t, file)
	if n := mediatest.Frames(r.t, file); n != pictures {
		r.t.Errorf("%s: %d pictures of %d can be decoded", rendition, n, pictures)
	}
}

func clip(t *testing.T, flags string, seconds float64) mediatest.Clip {
	t.Helper()
	return encoded(t, "-c:v libx264 -preset ultrafast "+flags, seconds)
}

func encoded(t *testing.T, video string, seconds float64) mediatest.Clip {
	t.Helper()
	return mediatest.Make(t, mediatest.Spec{Video: "-s 426x240 " + video, Audio: "-c:a aac -ac 2", Seconds: seconds})
}

func TestALadderMeetsItsSourceInEveryPiece(t *testing.T) {
	for name, c := range map[string]struct {
		video string
		soak  bool
	}{
		"in order":   {"-c:v libx264 -preset ultrafast -bf 0 -g 25", false},
		"reordered":  {"-c:v libx264 -preset ultrafast -bf 2 -g 40", false},
		"interlaced": {"-vf interlace -c:v libx264 -preset ultrafast -bf 0 -g 25 -flags +ilme+ildct -x264-params tff=1", false},
		"HEVC":       {"-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25", false},
		"HEVC of 10 bits": {"-pix_fmt yuv420p10le -color_primaries bt2020 -color_trc smpte2084 -colorspace bt2020nc " +
			"-c:v libx265 -preset ultrafast -x265-params log-level=error:keyint=25:bframes=0", true},
		"AV1": {"-c:v libsvtav1 -preset 12 -g 25", true},
	} {
		if c.soak && os.Getenv("SHOAL_SOAK") == "" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "720p,180p,120p", 0)
			r.serve()
			pieces := r.begin(1000, encoded(t, c.video, 4))
			r.publish(pieces, "v3")
			r.fact(event.EpochEnded{Epoch: 1000})
			r.expect("v2", pieces, 180)
			r.expect("v3", pieces, 120)
			if len(r.made("v1")) > 0 {
				t.Error("240 lines were made 720")
			}
			next := r.begin(2000, encoded(t, c.video, 2))
			r.publish(next, "v3")
			r.fact(event.EpochEnded{Epoch: 2000})
			r.expect("v2", next, 180)
			if n := testutil.ToFloat64(r.metrics.Failures) + testutil.ToFloat64(r.metrics.Dropped); n > 0 {
				t.Errorf("%v failures and drops", n)
			}
		})
	}
}

// children returns the process ids of this process's ffmpegs.
func children(t *testing.T) []int {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	check(t, err)
	var out []int
	for _, list := range lists {
		b, _ := os.ReadFile(list)
		for _, word := range strings.Fields(string(b)) {
			name, _ := os.ReadFile("/proc/" + word + "/comm")
			if pid, err := strconv.Atoi(word); err == nil && strings.TrimSpace(string(name)) == "ffmpeg" {
				out = append(out, pid)
			}
		}
	}
	return out
}

// An encoder that is killed in the midst of a stream costs its renditions some segments.
func TestAnEncoderThatDiesIsStartedAgain(t *testing.T) {
	r := newRig(t, "120p", 0)
	r.serve()
	pieces := r.begin(1000, clip(t, "-bf 0 -g 10", 12))
	r.publish(pieces[:10], "v1")
	pids := children(t)
	if len(pids) != 1 {
		t.Fatalf("%d encoders run", len(pids))
	}
	p, err := os.FindProcess(pids[0])
	check(t, err)
	check(t, p.Kill())
	before := len(r.made("v1"))
	r.pace(pieces[10:], "v1")
	r.until("renditions after the encoder was killed", func() bool { return r.has("v1", pieces[len(pieces)-4].Position) })
	if again := r.made("v1")[before:]; len(again) == 0 || testutil.ToFloat64(r.metrics.Failures) != 1 {
		t.Fatalf("%d pieces after %v failures", len(again), testutil.ToFloat64(r.metrics.Failures))
	}
}

// feed publishes pieces as a fast camera would, whatever becomes of them.
func (r *rig) feed(pieces []*event.Piece) {
	r.t.Helper()
	tick := time.NewTicker(40 * time.Millisecond)
	defer tick.Stop()
	for _, p := range pieces {
		select {
		case <-tick.C:
		case <-r.t.Context().Done():
			return
		}
		check(r.t, r.bus.PublishPiece(r.t.Context(), p))
	}
}

// pace publishes pieces faster than a camera where the encoder keeps up, and as a camera does
// where it does not: a machine that has much else to do is no reason to leave some out.
func (r *rig) pace(pieces []*event.Piece, rendition event.Rendition) {
	r.t.Helper()
	const ahead = 5
	for i, p := range pieces {
		r.feed([]*event.Piece{p})
		if i < ahead {
			continue
		}
		timeout := time.After(p.Duration.Duration())
		for waiting := true; waiting; {
			r.mu.Lock()
			made, changed := r.has(rendition, pieces[i-ahead].Position), r.changed
			r.mu.Unlock()
			waiting = !made
			select {
			case <-changed:
			case <-timeout:
				waiting = false
			}
		}
	}
}

// An encoder that hangs is replaced, and one that is too slow gets whole segments less.
func TestAnEncoderThatDoesNotKeepUp(t *testing.T) {
	for name, c := range map[string]struct {
		stuck    time.Duration
		failures float64
	}{"it hangs": {4 * time.Second, 1}, "it was slow": {time.Hour, 0}} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "120p", c.stuck)
			r.serve()
			pieces := r.begin(1000, clip(t, "-bf 0 -g 10", 40))
			r.publish(pieces[:10], "v1")
			pids := children(t)
			if len(pids) != 1 {
				t.Fatalf("%d encoders run", len(pids))
			}
			check(t, syscall.Kill(pids[0], syscall.SIGSTOP))
			r.feed(pieces[10:45])
			if c.failures == 0 {
				if testutil.ToFloat64(r.metrics.Dropped) == 0 {
					t.Error("nothing was left out")
				}
				check(t, syscall.Kill(pids[0], syscall.SIGCONT))
			}
			r.pace(pieces[45:], "v1")
			r.until("the newest pieces", func() bool { return r.has("v1", pieces[len(pieces)-4].Position) })
			if n := testutil.ToFloat64(r.metrics.Failures); n != c.failures {
				t.Errorf("%v failures", n)
			}
			last := uint64(0)
			for _, p := range r.made("v1")[1:] {
				if p.N <= last || p.N > last+1 && !p.Key {
					t.Fatalf("piece %d comes after %d, key %v", p.N, last, p.Key)
				}
				last = p.N
			}
		})
	}
}

// A service that is started anew in the midst of a segment goes on with the next one: no
// picture refers to one that another encoder has made otherwise.
func TestPicturesOfTwoEncodersDoNotMix(t *testing.T) {
	r := newRig(t, "120p", 0)
	stop := r.serve()
	pieces := r.begin(1000, clip(t, "-bf 0 -g 50", 8))
	r.publish(pieces[:14], "v1")
	r.until("what was published", func() bool { return r.has("v1", pieces[13].Position) })
	stop()
	r.serve()
	r.pace(pieces[14:], "v1")
	r.fact(event.EpochEnded{Epoch: 1000})
	r.until("the rest", func() bool { return r.has("v1", pieces[len(pieces)-1].Position) })
	var parts [][]byte
	last := uint64(0)
	for i, p := range r.made("v1") {
		if i == 0 {
			parts = append(parts, r.tracks(p).Init)
		} else if p.N != last+1 && (!p.Key || p.N%10 != 0 || last != 13) {
			t.Fatalf("piece %d comes after %d, key %v", p.N, last, p.Key)
		}
		last = p.N
		parts = append(parts, p.Data)
	}
	mediatest.Decode(t, mediatest.File(t, parts...))
}

// Of two services on one bus one makes the renditions, and the other stands by. It takes over
// at a keyframe: at the next one when the first has ended, and when that makes nothing any
// more two seconds later. Pictures of both do not mix.
func TestOfTwoTranscodersOneMakesTheRenditions(t *testing.T) {
	for name, hangs := range map[string]bool{"the first ends": false, "the first hangs": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, "120p", 0)
			r.options.Instance = "a/1"
			stop := r.serve()
			pieces := r.begin(1000, clip(t, "-bf 0 -g 25", 36))
			r.publish(pieces[:10], "v1")
			r.options.Instance = "b/1"
			r.serve()
			r.pace(pieces[10:40], "v1")
			r.until("what the first makes", func() bool { return r.has("v1", pieces[36].Position) })
			pids := children(t)
			if len(pids) != 1 {
				t.Fatalf("%d encoders run", len(pids))
			}
			most := uint64(12) // two segments and what is on its way
			if hangs {
				most = 40 // some seconds
				check(t, syscall.Kill(pids[0], syscall.SIGSTOP))
			} else {
				stop()
			}
			r.pace(pieces[40:], "v1")
			r.until("what the second makes", func() bool { return r.has("v1", pieces[len(pieces)-4].Position) })
			if again := children(t); len(again) != 1 || again[0] == pids[0] {
				t.Errorf("encoders %v run; it was %v", again, pids)
			}
			made := r.made("v1")
			parts := [][]byte{r.tracks(made[0]).Init}
			for k, p := range made {
				if k > 0 && (p.N <= made[k-1].N || p.N > made[k-1].N+1 && (!p.Key || p.N-made[k-1].N > most)) {
					t.Fatalf("piece %d comes after %d, key %v", p.N, made[k-1].N, p.Key)
				}
				parts = append(parts, p.Data)
			}
			mediatest.Decode(t, mediatest.File(t, parts...))
		})
	}
}

// What an earlier run of the same node has claimed and left is made again from the first
// keyframe on; what another node has claimed only after two seconds in which nothing came.
func TestAnEarlierRunIsNotWaitedFor(t *testing.T) {
	for held, waits := range map[event.Instance]bool{"a/1": false, "b/1": true} {
		t.Run(string(held), func(t *testing.T) {
			r := newRig(t, "120p", 0)
			r.options.Instance = "a/2"
			r.serve()
			pieces := r.begin(1000, clip(t, "-bf 0 -g 25", 20))
			r.fact(event.RenditionsClaimed{Epoch: 1000, Instance: held})
			r.pace(pieces, "v1")
			r.until("the newest pieces", func() bool { return r.has("v1", pieces[len(pieces)-4].Position) })
			if first := r.made("v1")[0]; (first.N > 0) != waits {
				t.Errorf("the first piece is %d", first.N)
			}
		})
	}
}

// What is heard while the camera is off is in the renditions at once.
func TestSoundGoesOnWhileTheCameraIsOff(t *testing.T) {
	r := newRig(t, "120p", time.Second)
	r.serve()
	pieces := r.begin(1000, clip(t, "-bf 0 -g 25", 8))
	for _, p := range pieces[10:30] {
		in, err := fmp4.Read(p.Data)
		check(t, err)
		p.Data, p.Key = in.Replace(uint32(p.N+1), nil, 0, 0), false
		p.Root, p.Size = manifest.RootOf(p.Data), len(p.Data)
	}
	r.publish(pieces, "v1")
	r.until("the last piece", func() bool { return r.has("v1", pieces[len(pieces)-4].Position) })
	if n := testutil.ToFloat64(r.metrics.Failures) + testutil.ToFloat64(r.metrics.Dropped); n > 0 {
		t.Errorf("%v failures and drops", n)
	}
	for i, p := range r.made("v1") {
		if p.N != uint64(i) {
			t.Fatalf("piece %d is missing", i)
		}
	}
}

// Radio has no renditions, and the next publish does.
func TestNothingIsMadeOfWhatIsNoPicture(t *testing.T) {
	r := newRig(t, "120p", 0)
	r.serve()
	radio := r.begin(1000, mediatest.Make(t, mediatest.Spec{Audio: "-c:a aac -ac 2", Seconds: 2}))
	for _, p := range radio {
		check(t, r.bus.PublishPiece(t.Context(), p))
	}
	r.fact(event.EpochEnded{Epoch: 1000})
	pieces := r.begin(2000, clip(t, "-bf 0 -g 25", 2))
	r.publish(pieces, "v1")
	r.fact(event.EpochEnded{Epoch: 2000})
	r.expect("v1", pieces, 120)
	if got := r.made("v1")[0]; got.Epoch != 2000 {
		t.Errorf("a piece of %s was made", got.Address)
	}
}
