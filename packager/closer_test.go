package packager_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/packager"
)

// startArchiving runs a packager with windows of 2 s, ten pieces, until the returned
// function is called.
func startArchiving(t *testing.T, c *creator) (stop func()) {
	t.Helper()
	s := packager.New(packager.Options{Bus: c.bus, Keys: c, Archive: 2 * time.Second})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		check(t, <-ended)
	})
	t.Cleanup(stop)
	select {
	case <-s.Ready():
	case <-time.After(10 * time.Second):
		t.Fatal("the packager does not get ready")
	}
	return stop
}

// closes waits for count close records, verifies them, and returns them. What they sign
// must be what whoever has the pieces derives.
func (c *creator) closes(count int, inits ...string) []manifest.Close {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), 20*time.Second)
	defer cancel()
	var out []manifest.Close
	err := c.bus.FollowCloses(ctx, func(_ context.Context, _ event.StreamID, _ event.Rendition, f event.FileClosed) error {
		env, err := manifest.ParseEnvelope(f.Envelope)
		check(c.t, err)
		rec, err := c.trust.OpenClose(env)
		check(c.t, err)
		if out = append(out, rec); len(out) == count {
			return bus.ErrStop
		}
		return nil
	})
	if !errors.Is(err, bus.ErrStop) {
		c.t.Fatalf("after %d of %d close records: %v: %+v", len(out), count, err, out)
	}
	if len(inits) == 0 {
		inits = []string{"init"}
	}
	for _, rec := range out {
		i := slices.IndexFunc(inits, func(s string) bool { return manifest.RootOf([]byte(s)) == rec.Init })
		derived := archive.Derive(archive.NameOf("live", rec), []byte(inits[i]), func(yield func([]byte) bool) {
			for n := rec.First; n <= rec.Last; n++ {
				if !c.missing[n] && !yield(fmt.Appendf(nil, "piece %d of %d", n, rec.Epoch)) {
					return
				}
			}
		})
		if !archive.Matches(derived, rec) {
			c.t.Errorf("signed %+v, derived %s, %d bytes, infohash %s", rec, derived.SHA256, derived.Size, derived.InfoHash)
		}
	}
	return out
}

// wantFiles compares records with "window 0-9" and the like.
func wantFiles(t *testing.T, got []manifest.Close, want ...string) {
	t.Helper()
	var files []string
	for _, c := range got {
		files = append(files, fmt.Sprintf("%s %d-%d", c.Kind, c.First, c.Last))
	}
	if !slices.Equal(files, want) {
		t.Errorf("closed %q, want %q", files, want)
	}
}

func TestWindowsAndTheEndedEpochAreClosed(t *testing.T) {
	t.Parallel()
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	startArchiving(t, c)
	c.begin(1000, "init")
	c.missing = map[uint64]bool{12: true, 13: true}
	for n := range uint64(25) {
		if !c.missing[n] {
			c.publish(n)
		}
	}
	wantFiles(t, c.closes(2), "window 0-9", "window 10-19")
	c.fact(event.EpochEnded{Epoch: 1000, Reason: "test"})
	wantFiles(t, c.closes(4), "window 0-9", "window 10-19", "window 20-24", "epoch 0-24")
}

// A publisher may change its parameters in mid-epoch.
func TestFilesEndWhereTheInitSegmentChanges(t *testing.T) {
	t.Parallel()
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	startArchiving(t, c)
	c.begin(1000, "init")
	for n := range uint64(15) {
		c.publish(n)
	}
	c.init.Init, c.init.Root = []byte("other"), manifest.RootOf([]byte("other"))
	c.fact(c.init)
	for n := uint64(15); n < 25; n++ {
		c.publish(n)
	}
	c.begin(2000, "init")
	c.publish(0)
	wantFiles(t, c.closes(6, "init", "other"),
		"window 0-9", "window 10-14", "epoch 0-14", "window 15-19", "window 20-24", "epoch 15-24")
}

func TestAPackagerThatIsStoppedInMidWindowClosesTheSameFiles(t *testing.T) {
	t.Parallel()
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	c.begin(1000, "init")
	n := uint64(0)
	for n < 60 {
		stop := startArchiving(t, c)
		for range 7 {
			c.publish(n)
			n++
		}
		c.entries(int(n))
		stop()
	}
	startArchiving(t, c)
	for ; n < 70; n++ {
		c.publish(n)
	}
	c.begin(2000, "init")
	c.publish(0)
	wantFiles(t, c.closes(8), "window 0-9", "window 10-19", "window 20-29", "window 30-39", "window 40-49", "window 50-59",
		"window 60-69", "epoch 0-69")
}

func TestTwoPackagersCloseEachFileOnce(t *testing.T) {
	t.Parallel()
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	c.begin(1000, "init")
	startArchiving(t, c)
	startArchiving(t, c)
	for n := range uint64(50) {
		c.publish(n)
	}
	c.begin(2000, "init")
	c.publish(0)
	wantFiles(t, c.closes(6), "window 0-9", "window 10-19", "window 20-29", "window 30-39", "window 40-49", "epoch 0-49")
}

// The bytes on the bus are not those that ingest named: nothing is signed over them.
func TestNothingIsClosedOverOtherBytes(t *testing.T) {
	t.Parallel()
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	startArchiving(t, c)
	c.begin(1000, "init")
	for n := range uint64(25) {
		if n == 7 {
			data := fmt.Appendf(nil, "piece %d of %d", n, c.epoch)
			spoilt := slices.Clone(data)
			spoilt[0] ^= 1
			now := time.Now()
			check(t, c.bus.PublishPiece(t.Context(), &event.Piece{
				Address: event.Address{Stream: c.id, Rendition: event.Source, Position: event.Position{Epoch: c.epoch, N: n}},
				Segment: n / 5, PTS: event.Ticks(n) * pieceLength, Duration: pieceLength, Target: pieceLength,
				Init: c.init.Root, Root: manifest.RootOf(data), Size: len(data), Arrived: now, Received: now, Data: spoilt,
			}))
			continue
		}
		c.publish(n)
	}
	c.begin(2000, "init")
	c.publish(0)
	wantFiles(t, c.closes(5), "window 0-4", "epoch 0-4", "window 10-19", "window 20-24", "epoch 10-24")
}
