package peer

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// TestMain lets tests in parallel that mostly wait, however few processors there are.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func parseSeconds(t *testing.T, s string) float64 {
	t.Helper()
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatalf("a time in seconds: %v", err)
	}
	return f
}

// session is one viewer in a test.
type session struct {
	Options
	out   string
	ctx   context.Context
	leave context.CancelFunc // ends it, without fault
	mu    sync.Mutex
	lines []Line
	log   bytes.Buffer
}

func viewer(t *testing.T, o *testOrigin, length time.Duration) *session {
	t.Helper()
	timing := defaultTiming()
	timing.joinFor, timing.goneFor, timing.idle, timing.again = 2*time.Second, 300*time.Millisecond, 500*time.Millisecond, 50*time.Millisecond
	timing.first, timing.most, timing.transfer = 10*time.Millisecond, 100*time.Millisecond, 2*time.Second
	s := &session{out: filepath.Join(t.TempDir(), "out.mp4")}
	s.ctx, s.leave = context.WithCancel(t.Context())
	t.Cleanup(s.leave)
	s.Options = Options{
		URL: o.link(), File: s.out, Length: length, StatsEvery: 100 * time.Millisecond, Patience: 20 * time.Second,
		Stats:  s.line,
		Log:    slog.New(slog.NewTextHandler(&s.log, nil)),
		timing: &timing,
	}
	return s
}

func (s *session) line(l Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines = append(s.lines, l)
}

func (s *session) saw(state State) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range s.lines {
		if l.State == state {
			return true
		}
	}
	return false
}

func (s *session) latest() Line {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.lines) == 0 {
		return Line{}
	}
	return s.lines[len(s.lines)-1]
}

func (s *session) watch(t *testing.T) (Summary, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, 30*time.Second)
	defer cancel()
	sum, err := Watch(ctx, s.Options)
	if errors.Is(ctx.Err(), context.DeadlineExceeded) { // not the test's goroutine, which waits
		err = errors.Join(err, fmt.Errorf("the viewer never came to an end; it was at %+v", s.latest()))
	}
	return sum, err
}

// mustWatch watches to the end, without fault.
func (s *session) mustWatch(t *testing.T) Summary {
	t.Helper()
	sum, err := s.watch(t)
	if err != nil {
		t.Fatalf("watch: %v\n%s", err, s.log.String())
	}
	return sum
}

// begin watches in the background.
func (s *session) begin(t *testing.T) (wait func() (Summary, error)) {
	type result struct {
		sum Summary
		err error
	}
	done := make(chan result, 1)
	go func() {
		sum, err := s.watch(t)
		done <- result{sum, err}
	}()
	return func() (Summary, error) {
		r := <-done
		return r.sum, r.err
	}
}

func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	deadline, tick := time.After(15*time.Second), time.NewTicker(5*time.Millisecond)
	defer tick.Stop()
	for !ok() {
		select {
		case <-deadline:
			t.Fatalf("never happened: %s", what)
		case <-tick.C:
		}
	}
}

// isPiece reports whether a request asks for the bytes of a piece other than the
// first, by root or address.
func (o *testOrigin) isPiece(r *http.Request, n uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.signed {
		if s.Entry.N == n && (r.URL.Path == "/p/"+s.Entry.Root.String() ||
			strings.HasSuffix(r.URL.Path, "/"+strconv.FormatUint(n, 10)+".m4s")) {
			return true
		}
	}
	return false
}

// A viewer of a live stream sees it soon after the camera, and keeps
// a file of the length that was asked for.
func TestWatchALiveStream(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.play(60)
	s := viewer(t, o, 4*time.Second)
	sum := s.mustWatch(t)
	frames, _ := mustPlay(t, s.out)
	if frames < 100 || frames > 105 {
		t.Errorf("4 s of 25 pictures a second, but %d pictures were written", frames)
	}
	if sum.PiecesVerified < 20 || sum.PiecesRejected != 0 || sum.Bytes.Origin == 0 || sum.BytesDuplicate != 0 {
		t.Errorf("summary %+v", sum)
	}
	// Only the median: a busy machine delays pieces now and then. The playhead's own
	// tests hold it to its stalls.
	if sum.DelayMS.P50 < 150 || sum.DelayMS.P50 > 800 || sum.DelayMS.P95 < sum.DelayMS.P50 {
		t.Errorf("delay %+v, %d stalls", sum.DelayMS, sum.Stalls)
	}
	if !s.saw(Verified) {
		t.Error("a link with an id never showed verified")
	}
}

// A copy that was damaged on the way costs nobody anything but a second request.
func TestABadCopyIsReplaced(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(40)
	o.hook = func(w http.ResponseWriter, r *http.Request, hit int) bool {
		if hit > 0 || !o.isPiece(r, 37) {
			return false
		}
		root, _ := event.ParseRoot(r.URL.Path[3:])
		bad := append([]byte(nil), o.blobs[root]...)
		bad[len(bad)-1] ^= 1
		_, _ = w.Write(bad)
		return true
	}
	s := viewer(t, o, time.Second)
	sum := s.mustWatch(t)
	mustPlay(t, s.out)
	if sum.PiecesRejected != 1 || sum.BlocksRejected != 1 || sum.PiecesVerified < 5 {
		t.Errorf("summary %+v", sum)
	}
	if size := len(o.media.pieces[37].data); sum.BytesDuplicate != int64(size/event.BlockSize*event.BlockSize) {
		t.Errorf("%d bytes counted as duplicate, of a piece of %d with one bad block", sum.BytesDuplicate, size)
	}
}

// Bytes that were never signed are not written, whatever the origin insists on.
func TestAPieceWithoutValidCopyEndsTheSession(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string]func(w http.ResponseWriter, data []byte){
		"changed":   func(w http.ResponseWriter, data []byte) { _, _ = w.Write(append([]byte{1}, data[1:]...)) },
		"shortened": func(w http.ResponseWriter, data []byte) { _, _ = w.Write(data[:len(data)-1]) },
		"prolonged": func(w http.ResponseWriter, data []byte) { _, _ = w.Write(append(data[:len(data):len(data)], 0)) },
		"endless": func(w http.ResponseWriter, data []byte) {
			for {
				if _, err := w.Write(data); err != nil {
					return
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrigin(t, "alice")
			m := mustMedia(t, small)
			o.begin(m)
			o.publish(40)
			o.hook = func(w http.ResponseWriter, r *http.Request, _ int) bool {
				if !o.isPiece(r, 37) {
					return false
				}
				answer(w, m.pieces[37].data)
				return true
			}
			s := viewer(t, o, time.Minute)
			sum, err := s.watch(t)
			var noCopy *NoCopyError
			if !errors.As(err, &noCopy) || noCopy.Rejected != 3 || sum.PiecesRejected != 3 {
				t.Fatalf("error %v, summary %+v", err, sum)
			}
			if frames, _ := mustPlay(t, s.out); frames != 10 {
				t.Errorf("%d pictures written, of 2 good pieces before the bad one", frames)
			}
		})
	}
}

// A piece that nobody has is left out; the rest goes on from the next keyframe, and
// the viewer is told at the end.
func TestAPieceThatIsGoneIsLeftOut(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	m := mustMedia(t, small)
	o.begin(m)
	o.publish(38)
	o.do(func() { delete(o.blobs, manifest.RootOf(m.pieces[37].data)) })
	o.play(20)
	s := viewer(t, o, 2*time.Second)
	sum, err := s.watch(t)
	var noCopy *NoCopyError
	if !errors.As(err, &noCopy) || noCopy.Rejected != 0 {
		t.Fatalf("error %v", err)
	}
	if frames, _ := mustPlay(t, s.out); frames < 50 {
		t.Errorf("%d pictures written, summary %+v", frames, sum)
	}
}

// Whoever follows a link with an id never sees another creator's stream under it.
func TestAnotherCreatorIsRefused(t *testing.T) {
	o := newOrigin(t, "mallory")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, time.Second)
	s.URL = strings.Split(o.link(), "#")[0] + "#" + strings.Repeat("a", 32)
	if _, err := s.watch(t); !errors.Is(err, ErrBroken) || !strings.Contains(err.Error(), string(o.id)) {
		t.Fatalf("error %v", err)
	}
	if b, err := os.ReadFile(s.out); err != nil || len(b) != 0 {
		t.Errorf("%d bytes were written, %v", len(b), err)
	}
}

// Without an id the first creator seen under an address is the one that stays.
func TestTheFirstKeySeenIsPinned(t *testing.T) {
	pinFile := filepath.Join(t.TempDir(), "state", "pins.json")
	run := func(creator, listen string) (*testOrigin, error) {
		o := newOrigin(t, creator)
		if listen != "" {
			o.stop()
			o.listen = listen
			o.start()
		}
		o.begin(mustMedia(t, small))
		o.publish(10)
		s := viewer(t, o, 800*time.Millisecond)
		s.URL, s.PinFile = strings.Split(o.link(), "#")[0], pinFile
		_, err := s.watch(t)
		if err == nil && s.saw(Verified) {
			t.Error("a link without id showed verified")
		}
		o.stop()
		return o, err
	}
	alice, err := run("alice", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run("alice", alice.listen); err != nil {
		t.Fatalf("the same creator again: %v", err)
	}
	mallory, err := run("mallory", alice.listen)
	if !errors.Is(err, ErrBroken) {
		t.Fatalf("another creator: %v", err)
	}
	for _, o := range []*testOrigin{alice, mallory} {
		if id := manifest.KeyID(manifest.PublicKey(o.root[32:])); !strings.Contains(err.Error(), id) {
			t.Errorf("key %s is not named in %q", id, err)
		}
	}
	if err := os.WriteFile(pinFile, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run("alice", alice.listen); err == nil || !strings.Contains(err.Error(), pinFile) {
		t.Errorf("a damaged pin file: %v", err)
	}
}
