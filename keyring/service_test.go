package keyring_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/keyring"
	"github.com/shoalcast/shoal/manifest"
)

// house is a keyring service at work on a real bus.
type house struct {
	dir      string
	store    *keyring.Store
	sessions *keyring.SessionKeys
	bus      *bus.Bus
	service  *keyring.Service
	stop     func()
}

func start(t *testing.T, b *bus.Bus, dir string, o keyring.ServiceOptions) *house {
	t.Helper()
	h := &house{dir: dir, store: open(t, filepath.Join(dir, "keys")), bus: b}
	var err error
	h.sessions, err = keyring.OpenSessions(filepath.Join(dir, "sessions"))
	must(t, err)
	o.Store, o.Sessions = h.store, h.sessions
	if o.Bus == nil {
		o.Bus = b
	}
	h.service = keyring.New(o)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- h.service.Run(ctx) }()
	h.stop = func() {
		cancel()
		if done == nil {
			return
		}
		if err := <-done; err != nil {
			t.Errorf("the service ended with %v", err)
		}
		done = nil
	}
	t.Cleanup(h.stop)
	return h
}

func (h *house) ready(t *testing.T) {
	t.Helper()
	select {
	case <-h.service.Ready():
	case <-time.After(20 * time.Second):
		t.Fatal("the service is never ready")
	}
}

func (h *house) state(t *testing.T, id event.StreamID) event.StreamState {
	t.Helper()
	s, err := h.bus.StreamState(t.Context(), id)
	must(t, err)
	return s
}

// until polls a condition that the service brings about.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(20 * time.Second)
	for !cond() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("it never came about that %s", what)
		}
	}
}

// trustOf builds what a viewer knows from the bus.
func trustOf(t *testing.T, s event.StreamState) *manifest.Trust {
	t.Helper()
	env, err := manifest.ParseEnvelope(s.Genesis)
	must(t, err)
	trust, err := manifest.NewTrust(env)
	must(t, err)
	for _, docs := range []struct {
		all [][]byte
		add func(manifest.Envelope) error
	}{{s.Rotations, trust.AddRotation}, {s.Sessions, trust.AddSession}} {
		for _, b := range docs.all {
			env, err := manifest.ParseEnvelope(b)
			must(t, err)
			must(t, docs.add(env))
		}
	}
	return trust
}

func TestEveryStreamInTheStoreBecomesPublishable(t *testing.T) {
	b := bustest.Start(t)
	dir := t.TempDir()
	live := add(t, open(t, filepath.Join(dir, "keys")), "live")
	h := start(t, b, dir, keyring.ServiceOptions{})
	h.ready(t)

	check := func(stream keyring.Stream) manifest.Session {
		t.Helper()
		s := h.state(t, stream.ID)
		trust := trustOf(t, s)
		session, _, ok := trust.SessionAt(event.Position{Epoch: event.Epoch(time.Now().UnixMilli())})
		if trust.ID() != stream.ID || s.Name != stream.Name || s.Key != stream.PublishKeyDigest() || !ok ||
			!session.Covers(time.Now().UnixMilli()) {
			t.Fatalf("the bus knows %+v, session %+v", s, session)
		}
		if _, err := h.sessions.Key(stream.ID, manifest.KeyID(session.Key)); err != nil {
			t.Error(err)
		}
		return session
	}
	first := check(live)

	// A stream added while it runs, with a change to the first.
	other := add(t, h.store, "other")
	must(t, h.store.SetOptions("live", keyring.Options{Unlisted: true}))
	_, err := h.store.RotatePublishKey("live")
	must(t, err)
	live, err = h.store.Get("live")
	must(t, err)
	h.service.Reload()
	until(t, "the other stream has a session", func() bool { return len(h.state(t, other.ID).Sessions) == 1 })
	until(t, "the new publish key is known", func() bool { return h.state(t, live.ID).Key == live.PublishKeyDigest() })
	check(other)
	check(live)
	if !h.state(t, live.ID).Unlisted {
		t.Error("the stream is still listed")
	}

	// A restart finds all as it should be, and adds nothing.
	before := h.state(t, live.ID)
	h.stop()
	h = start(t, b, dir, keyring.ServiceOptions{})
	h.ready(t)
	if after := h.state(t, live.ID); after.Seq != before.Seq {
		t.Errorf("a restart appended facts: %+v", after)
	}
	if again := check(live); again.Serial != first.Serial {
		t.Errorf("session %d became %d", first.Serial, again.Serial)
	}

	// The folder of session keys is lost: the next entry needs a key that is here.
	h.stop()
	must(t, os.RemoveAll(filepath.Join(dir, "sessions")))
	h = start(t, b, dir, keyring.ServiceOptions{})
	h.ready(t)
	if again := check(live); again.Serial <= first.Serial {
		t.Errorf("session %d is still in force, its key is gone", again.Serial)
	}

	// The root key is replaced.
	_, err = h.store.RotateRoot("live")
	must(t, err)
	h.service.Reload()
	until(t, "the rotation is known", func() bool { return len(h.state(t, live.ID).Rotations) == 1 })
	live, err = h.store.Get("live")
	must(t, err)
	if !trustOf(t, h.state(t, live.ID)).RootKey().Equal(live.Root) {
		t.Error("viewers see another root key")
	}

	// And it goes.
	must(t, h.store.Remove("live"))
	if _, err := h.store.Get("live"); !errors.Is(err, keyring.ErrNotFound) {
		t.Errorf("after its removal: %v", err)
	}
	h.service.Reload()
	until(t, "the stream is removed", func() bool { return h.state(t, live.ID).Removed })
	until(t, "its session keys are deleted", func() bool {
		_, err := os.Stat(filepath.Join(dir, "sessions", string(live.ID)))
		return errors.Is(err, os.ErrNotExist)
	})
	if h.state(t, other.ID).Removed {
		t.Error("the other stream went, too")
	}
}

func TestAStreamWithDamagedKeysIsNamedAndTheOthersGoOn(t *testing.T) {
	dir := t.TempDir()
	store := open(t, filepath.Join(dir, "keys"))
	good := add(t, store, "good")
	add(t, store, "bad")
	must(t, os.WriteFile(filepath.Join(dir, "keys", "bad", "stream.json"), []byte("{"), 0o600))
	var log bytes.Buffer // read once the service has ended
	h := start(t, bustest.Start(t), dir, keyring.ServiceOptions{Log: slog.New(slog.NewTextHandler(&log, nil))})
	h.ready(t)
	if s := h.state(t, good.ID); len(s.Sessions) == 0 || s.Key != good.PublishKeyDigest() {
		t.Errorf("nobody can publish to the good one: %+v", s)
	}
	h.stop()
	if got := strings.Count(log.String(), filepath.Join("bad", "stream.json")); got != 1 {
		t.Errorf("the log names the bad one %d times: %s", got, &log)
	}
}

func TestARemovalWhileStoppedIsToldLater(t *testing.T) {
	b := bustest.Start(t)
	dir := t.TempDir()
	store := open(t, filepath.Join(dir, "keys"))
	live := add(t, store, "live")
	h := start(t, b, dir, keyring.ServiceOptions{})
	h.ready(t)
	h.stop()
	must(t, store.Remove("live"))
	again := add(t, store, "live") // the name is free at once
	h = start(t, b, dir, keyring.ServiceOptions{})
	h.ready(t)
	if !h.state(t, live.ID).Removed || h.state(t, again.ID).Removed || live.ID == again.ID {
		t.Errorf("old %+v, new %+v", h.state(t, live.ID), h.state(t, again.ID))
	}
}

// counted is a bus that counts how often the keyring asked for the head.
type counted struct {
	*bus.Bus
	looks atomic.Int64
}

func (c *counted) LastEntries(ctx context.Context, id event.StreamID, r event.Rendition, n int) ([][]byte, uint64, error) {
	defer c.looks.Add(1)
	return c.Bus.LastEntries(ctx, id, r, n)
}

// TestTenSecondKeysRotateWhileAPublisherIsLive signs a live stream as the packager does.
// The clock goes on by 200 ms with every piece.
func TestTenSecondKeysRotateWhileAPublisherIsLive(t *testing.T) {
	var passed atomic.Int64
	begin := time.Now()
	clock := func() time.Time { return begin.Add(time.Duration(passed.Load())) }
	b := bustest.Start(t)
	watched := &counted{Bus: b}
	dir := t.TempDir()
	live := add(t, open(t, filepath.Join(dir, "keys")), "live")
	h := start(t, b, dir, keyring.ServiceOptions{Bus: watched, Now: clock, Rhythm: keyring.Rhythm{Length: 10 * time.Second}})
	h.ready(t)

	streams := event.NewDirectory()
	ctx, cancel := context.WithCancel(t.Context())
	followed := make(chan error, 1)
	caughtUp := make(chan struct{})
	go func() {
		followed <- b.FollowStreams(ctx, func() { close(caughtUp) }, func(id event.StreamID, seq uint64, f event.StreamFact) error {
			streams.Apply(id, seq, f)
			return nil
		})
	}()
	defer func() { cancel(); <-followed }()
	<-caughtUp

	epoch := event.Epoch(clock().UnixMilli())
	claim := func() error {
		s := h.state(t, live.ID)
		_, err := b.AppendStreamFact(ctx, live.ID, event.EpochClaimed{Epoch: epoch, Instance: "test"}, s.Seq)
		return err
	}
	until(t, "the epoch is claimed", func() bool { return claim() == nil })

	const pieces = 160 // 32 s of 200 ms
	var chain manifest.Chain
	var last uint64
	var signed []manifest.Signed
	signers := map[string]bool{}
	for n := range uint64(pieces) {
		passed.Add(int64(200 * time.Millisecond))
		if before := watched.looks.Load(); n%2 == 0 {
			until(t, "the keyring has looked", func() bool {
				h.service.Reload()
				return watched.looks.Load() >= before+3 // at least one whole look
			})
		}
		p := &event.Piece{
			Address: event.Address{Stream: live.ID, Rendition: "v0", Position: event.Position{Epoch: epoch, N: n}},
			Segment: n / 5, PTS: event.Ticks(n) * 18_000, Duration: 18_000, Target: 18_000,
			Init: manifest.RootOf([]byte("init")), Root: manifest.RootOf([]byte{byte(n)}), Size: 1, Arrived: clock(), Data: []byte{byte(n)},
		}
		e, more, err := chain.Next(p)
		must(t, err)
		if more {
			t.Fatal("nothing was lost")
		}
		state, _ := streams.Get(live.ID)
		session, digest, ok := trustOf(t, state).SessionAt(e.Position())
		if !ok || !session.Covers(clock().UnixMilli()) {
			for _, s := range trustOf(t, state).Sessions() {
				t.Logf("session %d from %s, %d to %d ms", s.Serial, s.From, s.NotBefore-int64(epoch), s.NotAfter-int64(epoch))
			}
			t.Fatalf("piece %d, %d ms: session %d does not cover this moment", n, clock().UnixMilli()-int64(epoch), session.Serial)
		}
		key, err := h.sessions.Key(live.ID, manifest.KeyID(session.Key))
		must(t, err)
		e = e.Seal(clock(), digest)
		env, err := manifest.SignEntry(key, e)
		must(t, err)
		last, err = b.AppendEntry(ctx, live.ID, "v0", env.JSON(), last, time.Hour, "", "")
		must(t, err)
		must(t, chain.Check(e, env.Payload))
		signed = append(signed, manifest.Signed{Entry: e, Envelope: env})
		signers[env.KeyID] = true
	}
	if len(signers) < 3 {
		t.Errorf("%d keys signed 32 s", len(signers))
	}
	trust := trustOf(t, h.state(t, live.ID))
	for _, s := range signed {
		if _, err := trust.Open(s.Envelope); err != nil {
			t.Errorf("entry %d: %v", s.Entry.N, err)
		}
	}
}

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }
