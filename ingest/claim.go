package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

const claimTries = 8

// claim admits a publisher with the given key on the named stream and reserves the
// next epoch by compare-and-set. It returns the stream's state with the claim in it.
func (s *Service) claim(ctx context.Context, name event.StreamName, key string) (event.StreamState, error) {
	known, ok := s.streams.Named(name)
	for range claimTries {
		state := known
		if ok {
			// The fold may lag behind a publisher that has just ended; the bus does not.
			fresh, err := s.opts.Bus.StreamState(ctx, known.ID)
			if err != nil {
				return event.StreamState{}, fmt.Errorf("read stream %s: %w", name, err)
			}
			state = fresh
		}
		h, err := s.holder(ctx, &state)
		if err != nil {
			return event.StreamState{}, err
		}
		now := time.Now()
		if err := admit(&state, ok, key, s.opts.Instance, h, now, s.opts.Idle); err != nil {
			return event.StreamState{}, err
		}
		claimed := event.EpochClaimed{Epoch: state.NextEpoch(now.UnixMilli()), Instance: string(s.opts.Instance)}
		seq, err := s.opts.Bus.AppendStreamFact(ctx, state.ID, claimed, state.Seq)
		if errors.Is(err, bus.ErrConflict) {
			continue
		}
		if err != nil {
			return event.StreamState{}, fmt.Errorf("claim an epoch of %s: %w", name, err)
		}
		state.Apply(seq, claimed)
		return state, nil
	}
	return event.StreamState{}, refuse("stream %q is busy: try again in a moment", name)
}

// holder finds out who holds the stream's open epoch and when it last gave a sign.
func (s *Service) holder(ctx context.Context, state *event.StreamState) (holder, error) {
	s.mu.Lock()
	_, here := s.publishing[state.ID]
	s.mu.Unlock()
	h := holder{here: here}
	if here || !state.Live() || s.opts.Instance.succeeds(state.Instance) {
		return h, nil
	}
	h.lastPiece = time.UnixMilli(int64(state.LastEpoch)) // a claim is a sign too
	at, err := s.opts.Bus.LastPieceAt(ctx, state.ID, event.Source)
	if err != nil {
		return h, fmt.Errorf("look for the last piece of %s: %w", state.Name, err)
	}
	if at.After(h.lastPiece) {
		h.lastPiece = at
	}
	return h, nil
}
