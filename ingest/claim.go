package ingest

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

const (
	claimTries = 8
	// nobody is asked about in place of a stream that does not exist, so that the
	// answer takes as long as the one to a wrong key.
	nobody = event.StreamID("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
)

// authenticate returns the named stream's state as it is now, if it is permitted. It costs one question to the bus, and all the stream's facts only when the fold
// has fallen behind them.
func (s *Service) authenticate(ctx context.Context, name event.StreamName, may permit) (event.StreamState, error) {
	state, known := s.streams.Named(name)
	if !known {
		state.ID = nobody
	}
	last, err := s.bus.LastFact(ctx, state.ID)
	if err == nil && known && last > state.Seq {
		state, err = s.bus.StreamState(ctx, state.ID)
	}
	if err != nil {
		return state, fmt.Errorf("read stream %s: %w", name, err)
	}
	return state, may(&state, known)
}

// claim reserves the next epoch by compare-and-set for who is permitted, and
// returns the stream's state with the claim in it.
func (s *Service) claim(ctx context.Context, state event.StreamState, may permit) (event.StreamState, error) {
	for range claimTries {
		lastPiece, err := s.lastSign(ctx, &state)
		if err != nil {
			return state, err
		}
		now := time.Now()
		if err := admit(&state, s.opts.Instance, lastPiece, now, s.opts.Idle); err != nil {
			return state, err
		}
		claimed := event.EpochClaimed{Epoch: state.NextEpoch(now.UnixMilli()), Instance: s.opts.Instance}
		seq, err := s.bus.AppendStreamFact(ctx, state.ID, claimed, state.Seq)
		if err == nil {
			state.Apply(seq, claimed)
			return state, nil
		}
		if !errors.Is(err, bus.ErrConflict) {
			return state, publishError("claim an epoch", err)
		}
		if state, err = s.bus.StreamState(ctx, state.ID); err != nil {
			return state, fmt.Errorf("read stream %s: %w", state.ID, err)
		}
		if err := may(&state, true); err != nil {
			return state, err
		}
	}
	return state, refuse("stream %q is busy: try again in a moment", state.Name)
}

// lastSign returns when another node's publisher on the stream last gave a sign of
// life; zero when there is none.
func (s *Service) lastSign(ctx context.Context, state *event.StreamState) (time.Time, error) {
	if !state.Live() || s.opts.Instance.Shares(state.Instance) {
		return time.Time{}, nil
	}
	claimed := time.UnixMilli(int64(state.LastEpoch)) // a claim is a sign too
	at, err := s.bus.LastPieceAt(ctx, state.ID, event.Source)
	if err != nil {
		return at, fmt.Errorf("look for the last piece of %s: %w", state.Name, err)
	}
	if at.Before(claimed) {
		at = claimed
	}
	return at, nil
}

// reserve keeps a stream for one connection, so that no other one to this ingest takes
// what looks left open while it is being claimed, published or closed.
func (s *Service) reserve(id event.StreamID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, here := s.publishing[id]; here {
		return false
	}
	s.publishing[id] = nil
	return true
}

func (s *Service) release(id event.StreamID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.publishing, id)
}
