package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// A creator's session key changes in the middle of a publish and no viewer notices,
// also when the record of the new one comes late.
func TestSessionKeysRotateUnnoticed(t *testing.T) {
	t.Parallel()
	for _, late := range []bool{false, true} {
		t.Run(fmt.Sprintf("late=%v", late), func(t *testing.T) {
			o := newOrigin(t, "alice")
			o.begin(mustMedia(t, small))
			o.publish(12)
			o.do(func() {
				o.rotate(event.Position{Epoch: o.epoch, N: 12})
				if late {
					o.hidden = 1
				}
			})
			s := viewer(t, o, 2*time.Second)
			if late {
				asked := 0
				o.hook = func(_ http.ResponseWriter, r *http.Request, _ int) bool {
					if r.URL.Path == "/live/cam/manifest.json" && r.URL.RawQuery == "" {
						if asked++; asked == 7 {
							o.do(func() { o.hidden = 0 })
						}
					}
					return false
				}
			}
			wait := s.begin(t)
			eventually(t, "playing", func() bool { return s.latest().PiecesVerified > 0 })
			o.publish(20)
			if _, err := wait(); err != nil {
				t.Fatalf("%v\n%s", err, s.log.String())
			}
			mustPlay(t, s.out)
		})
	}
}

// A session record that never comes is not waited for without end, and nothing signed
// with it is written.
func TestAnUnknownSessionIsRefused(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.do(func() {
		o.rotate(event.Position{Epoch: o.epoch, N: 10})
		o.hidden = 1
	})
	s := viewer(t, o, time.Minute)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 5 })
	o.publish(20)
	if sum, err := wait(); !errors.Is(err, ErrBroken) || !errors.Is(err, manifest.ErrUnknownSession) || sum.PiecesVerified != 5 {
		t.Fatalf("%v, %+v", err, sum)
	}
	if !s.saw(Broken) {
		t.Error("broken was never shown")
	}
}

// A publisher that reconnects with the same settings goes on in the same file; one that
// comes back with others, in the next.
func TestTheOutputGoesOnAfterAReconnect(t *testing.T) {
	t.Parallel()
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, 5*time.Second)
	wait := s.begin(t)
	eventually(t, "the first publish", func() bool { return s.latest().PiecesVerified == 5 })
	o.do(func() { o.live = false })
	eventually(t, "offline", func() bool { return s.saw(Offline) })
	o.begin(mustMedia(t, small))
	o.publish(10)
	eventually(t, "the second publish", func() bool { return s.latest().PiecesVerified == 15 })
	o.begin(mustMedia(t, large))
	o.publish(25)
	if _, err := wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	if frames, seconds := mustPlay(t, s.out); frames != 75 || seconds > 3.3 {
		t.Errorf("first file: %d pictures, %f s; the publishes had 75 in 3 s", frames, seconds)
	}
	if frames, _ := mustPlay(t, s.out+".2"); frames < 50 || frames > 55 {
		t.Errorf("second file: %d pictures", frames)
	}
}

// Encoders with B-frames send a picture before those that are shown ahead of it; cut off
// between them, the next publish does not run into it.
func TestAReconnectWithBFrames(t *testing.T) {
	t.Parallel()
	for cut := 6; cut < 10; cut++ {
		t.Run(fmt.Sprintf("after %d pieces", cut), func(t *testing.T) {
			o := newOrigin(t, "alice")
			o.begin(mustMedia(t, bframes))
			o.publish(cut)
			s := viewer(t, o, 1500*time.Millisecond)
			wait := s.begin(t)
			eventually(t, "the first publish", func() bool { return s.latest().PiecesVerified == int64(cut-5) })
			o.begin(mustMedia(t, bframes))
			o.publish(10)
			if _, err := wait(); err != nil {
				t.Fatalf("%v\n%s", err, s.log.String())
			}
			mustPlay(t, s.out)
		})
	}
}

// A pipe can carry one format: it is not given bytes that no player would take.
func TestAPipeEndsWhereTheFormatChanges(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, 5*time.Second)
	var out bytes.Buffer
	s.File, s.Out = "", &out
	wait := s.begin(t)
	eventually(t, "the first publish", func() bool { return s.latest().PiecesVerified == 5 })
	o.begin(mustMedia(t, large))
	o.publish(10)
	if _, err := wait(); !errors.Is(err, ErrFormatChanged) {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.out, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	if frames, _ := mustPlay(t, s.out); frames != 25 {
		t.Errorf("%d pictures", frames)
	}
}

// Pieces that were lost before they were signed, and entries that are no longer to be
// had, leave a hole; what follows plays from its keyframe.
func TestGapsAreLeftOut(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(8)
	s := viewer(t, o, 3*time.Second)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 3 })
	o.lose(3)
	o.publish(20)
	sum, err := wait()
	if err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	if frames, _ := mustPlay(t, s.out); frames != 75 {
		t.Errorf("%d pictures of 3 s were written, %+v", frames, sum)
	}
	if sum.PiecesVerified < 16 {
		t.Errorf("%+v", sum)
	}
}

// An origin that shows nothing new is called stale, one that goes back too; neither
// ends the session.
func TestFreezeAndRollbackAreStale(t *testing.T) {
	t.Parallel()
	for _, back := range []int{0, 15} {
		t.Run(fmt.Sprintf("back=%d", back), func(t *testing.T) {
			o := newOrigin(t, "alice")
			o.do(func() {
				if o.fresh = time.Minute; back == 0 {
					o.fresh = 400 * time.Millisecond
				}
				o.sessions, o.serial = nil, 0
				o.rotate(event.Position{})
			})
			o.begin(mustMedia(t, small))
			o.publish(20)
			s := viewer(t, o, 3*time.Second)
			wait := s.begin(t)
			eventually(t, "playing", func() bool { return s.saw(Verified) && s.latest().PiecesVerified == 5 })
			if back > 0 {
				o.do(func() { o.shown = len(o.signed) - back })
			}
			eventually(t, "stale", func() bool { return s.saw(Stale) })
			o.do(func() { o.shown = -1 })
			o.publish(15)
			if _, err := wait(); err != nil {
				t.Fatalf("%v\n%s", err, s.log.String())
			}
			mustPlay(t, s.out)
		})
	}
}

// The origin may be restarted under its viewers.
func TestTheViewerResumesAfterARestart(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, 4*time.Second)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 5 })
	for range 3 {
		o.stop()
		o.publish(4)
		o.start()
		n := s.latest().PiecesVerified
		eventually(t, "resumed", func() bool { return s.latest().PiecesVerified > n })
	}
	o.publish(10)
	if _, err := wait(); err != nil {
		t.Fatalf("%v\n%s", err, s.log.String())
	}
	if frames, _ := mustPlay(t, s.out); frames < 100 {
		t.Errorf("%d pictures", frames)
	}
}

// A viewer whose clock is an hour off sees the same stream, the same delay, and no
// false alarm.
func TestAWrongClockChangesNothing(t *testing.T) {
	t.Parallel()
	for _, wrong := range []time.Duration{time.Hour, -time.Hour} {
		t.Run(wrong.String(), func(t *testing.T) {
			o := newOrigin(t, "alice")
			o.begin(mustMedia(t, small))
			o.publish(10)
			o.play(30)
			s := viewer(t, o, 2*time.Second)
			s.Now = func() time.Time { return time.Now().Add(wrong) }
			sum := s.mustWatch(t)
			if sum.DelayMS.P50 < 150 || sum.DelayMS.P50 > 800 || s.saw(Stale) || s.saw(Broken) {
				t.Errorf("%+v\n%s", sum, s.log.String())
			}
		})
	}
}

// An answer without end costs a bounded number of bytes and a bounded time.
func TestEndlessAnswersAreCutOff(t *testing.T) {
	t.Run("manifest", func(t *testing.T) {
		o := newOrigin(t, "alice")
		var sent atomic.Int64
		o.hook = func(w http.ResponseWriter, _ *http.Request, _ int) bool {
			for b := bytes.Repeat([]byte(" "), 64<<10); ; {
				n, err := w.Write(b)
				sent.Add(int64(n))
				if err != nil {
					return true
				}
			}
		}
		s := viewer(t, o, time.Second)
		s.timing.joinFor = 50 * time.Millisecond
		if _, err := s.watch(t); !errors.Is(err, errTooLarge) {
			t.Fatal(err)
		}
		tries := int64(o.hits["/live/cam/manifest.json"])
		if per := sent.Load() / tries; per > 4*maxDocument {
			t.Errorf("%d bytes were taken in %d tries", sent.Load(), tries)
		}
	})
	t.Run("a piece that stands still", func(t *testing.T) {
		o := newOrigin(t, "alice")
		m := mustMedia(t, small)
		o.begin(m)
		o.publish(40)
		o.hook = func(w http.ResponseWriter, r *http.Request, hit int) bool {
			if hit > 0 || !o.isPiece(r, 37) {
				return false
			}
			w.Header().Set("Content-Length", fmt.Sprint(len(m.pieces[37].data)))
			_, _ = w.Write(m.pieces[37].data[:event.BlockSize+100])
			w.(http.Flusher).Flush()
			<-r.Context().Done()
			return true
		}
		s := viewer(t, o, time.Second)
		s.timing.transfer = time.Minute
		sum := s.mustWatch(t)
		if sum.PiecesRejected != 0 || sum.BytesDuplicate != event.BlockSize {
			t.Errorf("%+v", sum)
		}
	})
}

// A slow line is not a line that stands still.
func TestASlowCopyIsTaken(t *testing.T) {
	o := newOrigin(t, "alice")
	m := mustMedia(t, small)
	o.begin(m)
	o.publish(40)
	o.hook = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if !o.isPiece(r, 37) {
			return false
		}
		pace := time.NewTicker(150 * time.Millisecond)
		defer pace.Stop()
		for data := m.pieces[37].data; len(data) > 0; <-pace.C {
			n := min(len(data), 3000)
			_, _ = w.Write(data[:n])
			w.(http.Flusher).Flush()
			data = data[n:]
		}
		return true
	}
	if sum := viewer(t, o, time.Second).mustWatch(t); sum.PiecesRejected != 0 || sum.BytesDuplicate != 0 {
		t.Errorf("%+v", sum)
	}
}

// Two pieces signed for one place are proof against the creator's key, and end it.
func TestAForkIsBroken(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, time.Minute)
	wait := s.begin(t)
	eventually(t, "playing", func() bool { return s.latest().PiecesVerified == 5 })
	o.do(func() {
		last := o.signed[len(o.signed)-1]
		e := last.Entry
		e.At++
		env, err := manifest.SignEntry(o.session, e)
		if err != nil {
			t.Error(err)
		}
		o.signed[len(o.signed)-1] = manifest.Signed{Entry: e, Envelope: env}
	})
	if _, err := wait(); !errors.Is(err, ErrBroken) || !errors.Is(err, manifest.ErrFork) {
		t.Fatal(err)
	}
	if !s.saw(Broken) {
		t.Error("broken was never shown")
	}
}

// A signature that does not verify may be a wire's fault once, but not for ever.
func TestAForgedEntryIsRefused(t *testing.T) {
	for _, times := range []int{1, 1000} {
		t.Run(fmt.Sprintf("times=%d", times), func(t *testing.T) {
			o := newOrigin(t, "alice")
			o.begin(mustMedia(t, small))
			o.publish(10)
			good := o.signed[9]
			forged := good
			forged.Envelope.Sig = append([]byte{good.Envelope.Sig[0] ^ 1}, good.Envelope.Sig[1:]...)
			o.hook = func(_ http.ResponseWriter, r *http.Request, hit int) bool {
				if r.URL.Path == "/live/cam/manifest.json" {
					o.do(func() {
						if o.signed[9] = good; hit < times {
							o.signed[9] = forged
						}
					})
				}
				return false
			}
			s := viewer(t, o, time.Second)
			sum, err := s.watch(t)
			if times == 1 && err != nil {
				t.Errorf("%v\n%s", err, s.log.String())
			}
			if times > 1 && (!errors.Is(err, manifest.ErrSignature) || !errors.Is(err, ErrBroken) || sum.PiecesVerified > 0) {
				t.Errorf("%v, %+v", err, sum)
			}
		})
	}
}

// A viewer who comes before the publisher waits, and plays from the beginning.
func TestTheViewerWaitsForTheStreamToBegin(t *testing.T) {
	o := newOrigin(t, "alice")
	s := viewer(t, o, 2*time.Second)
	wait := s.begin(t)
	eventually(t, "offline", func() bool { return s.saw(Offline) })
	o.begin(mustMedia(t, small))
	o.publish(12)
	if _, err := wait(); err != nil {
		t.Fatal(err)
	}
	if frames, _ := mustPlay(t, s.out); frames < 50 {
		t.Errorf("%d pictures", frames)
	}
}

// Who joins in the middle of a long GOP gets its keyframe from before the newest
// entries.
func TestJoiningInALongGOP(t *testing.T) {
	o := newOrigin(t, "alice")
	m := mustMedia(t, small)
	long := media{init: m.init, pieces: append([]mediaPiece(nil), m.pieces...)}
	for i := range long.pieces {
		long.pieces[i].key = i == 0
	}
	o.begin(long)
	o.publish(90)
	s := viewer(t, o, 18*time.Second)
	s.mustWatch(t)
	mustPlay(t, s.out)
}

// What cannot work is said in a sentence, at once.
func TestWhatAPersonIsTold(t *testing.T) {
	o := newOrigin(t, "alice")
	for what, c := range map[string]struct {
		change func(*session)
		want   string
	}{
		"no such stream":     {func(s *session) { s.URL = "http://" + o.listen + "/live/nobody" }, "there is no stream nobody"},
		"nobody listens":     {func(s *session) { s.URL = "http://127.0.0.1:1/live/cam" }, "connection refused"},
		"not a link":         {func(s *session) { s.URL = "cam" }, "looks like http://"},
		"unwritable output":  {func(s *session) { s.File = filepath.Join(s.File, "x", "y") }, "open output"},
		"patience at an end": {func(s *session) { s.Patience = 50 * time.Millisecond }, "the stream is offline"},
	} {
		t.Run(what, func(t *testing.T) {
			s := viewer(t, o, time.Second)
			s.timing.joinFor = 50 * time.Millisecond
			c.change(s)
			if _, err := s.watch(t); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v", err)
			}
		})
	}
}

// Ending a session from outside is no fault, and ends it whole.
func TestEndingFromOutside(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	s := viewer(t, o, 0)
	ctx, cancel := context.WithCancel(t.Context())
	s.Stats = func(l Line) {
		if l.PiecesVerified == 5 {
			cancel()
		}
	}
	if sum, err := Watch(ctx, s.Options); err != nil || sum.PiecesVerified != 5 {
		t.Fatalf("%v, %+v", err, sum)
	}
	mustPlay(t, s.out)
}
