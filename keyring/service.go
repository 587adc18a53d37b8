package keyring

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/manifest"
)

// facts is what the keyring needs of the bus.
type facts interface {
	AppendStreamFact(ctx context.Context, id event.StreamID, f event.StreamFact, expectLast uint64) (uint64, error)
	FollowStreams(ctx context.Context, caughtUp func(), fn func(event.StreamID, uint64, event.StreamFact) error) error
	LastEntries(ctx context.Context, id event.StreamID, r event.Rendition, n int) ([][]byte, uint64, error)
}

// ServiceOptions of a Service.
type ServiceOptions struct {
	Store    *Store
	Sessions *SessionKeys
	Bus      facts
	Log      *slog.Logger
	Rhythm   Rhythm
	Now      func() time.Time // time.Now unless set
}

// Service tells the bus of the streams in a store and issues their session records. It
// is the only holder of root keys; several may run on one bus with different stores,
// but only one with each.
type Service struct {
	opts    ServiceOptions
	streams *event.Directory
	wake    chan struct{}
	ready   chan struct{}

	// By the one goroutine that tends:
	tended  map[event.StreamID]*tended
	damaged string // what was last said of keys that cannot be used
}

// tended is what is kept of a stream between two looks at it.
type tended struct {
	trust *manifest.Trust
	known uint64 // state.Seq that trust stands for
	rest  time.Time
}

// New returns a service that Run starts.
func New(opts ServiceOptions) *Service {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	opts.Rhythm = opts.Rhythm.withDefaults()
	return &Service{
		opts:    opts,
		streams: event.NewDirectory(),
		wake:    make(chan struct{}, 1),
		ready:   make(chan struct{}),
		tended:  map[event.StreamID]*tended{},
	}
}

// Reload makes the service look at its store again at once.
func (s *Service) Reload() {
	select {
	case s.wake <- struct{}{}:
	default: // it is about to look already
	}
}

// Ready is closed once every stream in the store has been published with a session.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run serves until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer func() {
		cancel()
		running.Wait()
	}()
	err := s.opts.Bus.FollowStreams(ctx, func() {
		running.Go(func() { s.tend(ctx) })
	}, func(id event.StreamID, seq uint64, f event.StreamFact) error {
		s.streams.Apply(id, seq, f)
		return nil
	})
	if ctx.Err() != nil {
		return nil
	}
	return fmt.Errorf("follow streams: %w", err)
}

// tend looks after all streams, again and again.
func (s *Service) tend(ctx context.Context) {
	pause := min(max(s.opts.Rhythm.Length/40, 100*time.Millisecond), 5*time.Second)
	tick := time.NewTicker(pause)
	defer tick.Stop()
	ready := false
	for {
		ok := s.round(ctx)
		if ok && !ready {
			ready = true
			close(s.ready)
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
			clear(s.tended)
			s.damaged = ""
		case <-tick.C:
		}
	}
}

// round looks once at every stream, and reports whether all is as it should be.
func (s *Service) round(ctx context.Context) bool {
	ok := true
	report := func(err error, what string, args ...any) {
		ok = false
		if ctx.Err() == nil {
			s.opts.Log.Error(what, append(args, obs.KeyError, err)...)
		}
	}
	streams, damaged, err := s.opts.Store.List()
	if err != nil {
		report(err, "the keys cannot be read")
		return false
	}
	s.reportDamaged(errors.Join(damaged...))
	for _, stream := range streams {
		err := s.look(ctx, stream)
		if errors.Is(err, bus.ErrConflict) { // to be decided anew when that fact is here
			ok = false
		} else if err != nil {
			report(err, "a stream's keys were not published", obs.KeyName, stream.Name)
		}
	}
	removed, err := s.opts.Store.removed()
	if err != nil {
		report(err, "removed streams cannot be listed")
	}
	for _, id := range removed {
		if err := s.remove(ctx, id); err != nil {
			report(err, "a stream's removal was not published", obs.KeyStream, id)
		}
	}
	return ok
}

// reportDamaged says, whenever that changes, which streams are left out.
func (s *Service) reportDamaged(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != "" && text != s.damaged {
		s.opts.Log.Error("streams whose keys cannot be used are left out", obs.KeyError, err)
	}
	s.damaged = text
}

// maxSteps bounds what one look at a stream appends.
const maxSteps = 100

// look brings what the bus knows of a stream in line with the store, one fact at a
// time, each by compare-and-set on the state it was decided from.
func (s *Service) look(ctx context.Context, stream Stream) error {
	t := s.tended[stream.ID]
	if t == nil {
		t = &tended{}
		s.tended[stream.ID] = t
	}
	state, _ := s.streams.Get(stream.ID)
	state.ID = stream.ID
	for range maxSteps {
		fact, err := s.decide(ctx, stream, state, t)
		if err != nil || fact == nil {
			return err
		}
		seq, err := s.opts.Bus.AppendStreamFact(ctx, stream.ID, fact, state.Seq)
		if err != nil {
			return fmt.Errorf("append fact: %w", err)
		}
		// It follows right upon what was known: nothing can have come in between.
		state = s.streams.Apply(stream.ID, seq, fact)
	}
	return errors.New("there is no end of facts to publish")
}

// decide returns the next fact that the bus lacks, or nil.
func (s *Service) decide(ctx context.Context, stream Stream, state event.StreamState, t *tended) (event.StreamFact, error) {
	if fact := missing(stream, state); fact != nil {
		return fact, nil
	}
	now := s.opts.Now()
	if state.Seq == t.known && now.Before(t.rest) {
		return nil, nil
	}
	if err := t.fold(state); err != nil {
		return nil, err
	}
	return s.decideSession(ctx, stream, state, t, now)
}

// missing returns the next fact about a stream's identity that the bus lacks.
func missing(stream Stream, state event.StreamState) event.StreamFact {
	switch {
	case len(state.Genesis) == 0 || state.Removed || state.Unlisted != stream.Unlisted || state.Sensitive != stream.Sensitive:
		return event.GenesisPublished{
			Name: stream.Name, Envelope: stream.Genesis.JSON(), Unlisted: stream.Unlisted, Sensitive: stream.Sensitive,
		}
	case len(state.Rotations) < len(stream.Rotations):
		return event.RootRotated{Envelope: stream.Rotations[len(state.Rotations)].JSON()}
	case state.Key != stream.PublishKeyDigest():
		return event.PublishKeySet{Key: stream.PublishKeyDigest()}
	}
	return nil
}

func (s *Service) decideSession(ctx context.Context, stream Stream, state event.StreamState, t *tended, now time.Time) (event.StreamFact, error) {
	last, err := s.opts.Store.lastSerial(stream.Name)
	if err != nil {
		return nil, err
	}
	situation := Situation{Last: last, Epoch: state.LastEpoch, Live: state.Live()}
	var keep []string
	for _, session := range t.trust.Sessions() {
		situation.Last = max(situation.Last, session.Serial)
		if s.opts.Sessions.holds(session) {
			situation.Sessions = append(situation.Sessions, session)
		}
		if now.Before(time.UnixMilli(session.NotAfter).Add(s.opts.Rhythm.Length)) {
			keep = append(keep, manifest.KeyID(session.Key))
		}
	}
	if err := s.readHead(ctx, stream.ID, state, &situation); err != nil {
		return nil, err
	}
	session, needed := NextSession(now, situation, s.opts.Rhythm)
	if !needed {
		t.rest = restUntil(now, situation, s.opts.Rhythm)
		return nil, s.opts.Sessions.retain(stream.ID, keep)
	}
	key, err := s.opts.Sessions.create(stream.ID)
	if err != nil {
		return nil, err
	}
	session.Key = key
	env, err := s.opts.Store.signSession(stream.Name, session)
	if err != nil {
		return nil, err
	}
	s.opts.Log.Info("a session key was issued", obs.KeyName, stream.Name, "serial", session.Serial,
		"from", session.From.String(), "not_after", time.UnixMilli(session.NotAfter).UTC())
	return event.SessionPublished{Envelope: env.JSON()}, nil
}

// restUntil returns the time before which no record can be needed unless a fact
// arrives: while the newest one signs and is far from its end.
func restUntil(now time.Time, s Situation, r Rhythm) time.Time {
	current, ok := s.inForce(s.base())
	if !ok {
		return now
	}
	return time.UnixMilli(current.NotAfter).Add(-2 * r.Lead)
}

// paceOver is over how many of the newest entries the length of pieces is averaged.
const paceOver = 16

// readHead finds the newest signed entry of any rendition.
func (s *Service) readHead(ctx context.Context, id event.StreamID, state event.StreamState, situation *Situation) error {
	renditions := map[event.Rendition]bool{event.Source: true}
	for _, t := range state.Tracks {
		renditions[t.Rendition] = true
	}
	for r := range renditions {
		newest, _, err := s.opts.Bus.LastEntries(ctx, id, r, paceOver)
		if err != nil {
			return fmt.Errorf("read the newest entries of %s: %w", r, err)
		}
		var total event.Ticks
		for _, b := range newest {
			env, err := manifest.ParseEnvelope(b)
			if err != nil {
				return fmt.Errorf("read the newest entry of %s: %w", r, err)
			}
			e, err := manifest.DecodeEntry(env)
			if err != nil {
				return fmt.Errorf("read the newest entry of %s: %w", r, err)
			}
			total += e.Dur
			if !situation.Signed || situation.Head.Before(e.Position()) {
				situation.Signed, situation.Head = true, e.Position()
				situation.Piece = (total / event.Ticks(len(newest))).Duration()
			}
		}
	}
	return nil
}

// fold brings t.trust up to the state.
func (t *tended) fold(state event.StreamState) error {
	if t.trust == nil {
		env, err := manifest.ParseEnvelope(state.Genesis)
		if err != nil {
			return fmt.Errorf("read genesis back: %w", err)
		}
		if t.trust, err = manifest.NewTrust(env); err != nil {
			return fmt.Errorf("read genesis back: %w", err)
		}
	}
	// What does not verify was not signed with this stream's key: whoever put it on
	// the bus is ignored, as everyone else ignores it.
	add := func(docs [][]byte, add func(manifest.Envelope) error) {
		for _, b := range docs {
			if env, err := manifest.ParseEnvelope(b); err == nil {
				_ = add(env)
			}
		}
	}
	add(state.Rotations, t.trust.AddRotation)
	add(state.Sessions, t.trust.AddSession)
	t.known = state.Seq
	return nil
}

// remove tells the bus that a stream is gone, and then forgets it.
func (s *Service) remove(ctx context.Context, id event.StreamID) error {
	state, known := s.streams.Get(id)
	if known && !state.Removed {
		if _, err := s.opts.Bus.AppendStreamFact(ctx, id, event.StreamRemoved{}, state.Seq); err != nil {
			return fmt.Errorf("append fact: %w", err)
		}
		s.opts.Log.Info("a stream was removed", obs.KeyName, state.Name)
	}
	delete(s.tended, id)
	if err := s.opts.Sessions.removeAll(id); err != nil {
		return err
	}
	return s.opts.Store.forgetRemoved(id)
}
