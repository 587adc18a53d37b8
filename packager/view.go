package packager

import (
	"fmt"
	"log/slog"
	"sync"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/manifest"
)

// view is what a worker knows of its stream: the newest facts, told by the service, and
// the keys that follow from them. All but trust and known is safe for concurrent use.
type view struct {
	log       *slog.Logger
	id        event.StreamID
	rendition event.Rendition

	mu      sync.Mutex
	state   event.StreamState // newest known; its envelopes are what trust is made of
	changed chan struct{}     // closed and replaced when state is

	trust *manifest.Trust
	known uint64 // state.Seq up to which trust has taken in sessions
}

func newView(opts *Options, r event.Rendition, state event.StreamState) view {
	return view{
		log:       opts.Log.With(obs.KeyName, state.Name, obs.KeyRendition, r),
		id:        state.ID,
		rendition: r,
		state:     state,
		changed:   make(chan struct{}),
	}
}

func (v *view) update(state event.StreamState) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if state.Seq > v.state.Seq {
		v.state = state
		close(v.changed)
		v.changed = make(chan struct{})
	}
}

// news is closed once more is known of the stream.
func (v *view) news() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.changed
}

func (v *view) current() event.StreamState {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.state
}

// refresh takes in what became known of the stream's keys since the last time.
func (v *view) refresh() error {
	state := v.current()
	if v.trust != nil && state.Seq == v.known {
		return nil
	}
	if v.trust == nil {
		genesis, err := manifest.ParseEnvelope(state.Genesis)
		if err != nil {
			return fmt.Errorf("read genesis: %w", err)
		}
		trust, err := manifest.NewTrust(genesis)
		if err != nil {
			return fmt.Errorf("verify genesis: %w", err)
		}
		if trust.ID() != v.id {
			return fmt.Errorf("the genesis on the bus belongs to %s", trust.ID())
		}
		v.trust = trust
	}
	for _, b := range state.Rotations {
		if err := take(b, v.trust.AddRotation); err != nil {
			v.log.Warn("a rotation of the root key was ignored", obs.KeyError, err)
		}
	}
	for _, b := range state.Sessions {
		if err := take(b, v.trust.AddSession); err != nil {
			v.log.Warn("a session record was ignored", obs.KeyError, err)
		}
	}
	v.known = state.Seq
	return nil
}

func take(b []byte, add func(manifest.Envelope) error) error {
	env, err := manifest.ParseEnvelope(b)
	if err != nil {
		return err
	}
	return add(env)
}
