package main

import (
	"context"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
	"github.com/shoalcast/shoal/keyring"
)

// Directories of keys in the data directory. The packager opens the second only.
const (
	keysDir     = "keys"
	sessionsDir = "sessions"
)

const (
	minSession = 5 * time.Second
	maxSession = 24 * time.Hour
)

// addKeyring adds the service that holds the creator's keys.
func (n *node) addKeyring(f signFlags) (*keyring.Store, *keyring.SessionKeys, error) {
	if f.SessionLength < minSession || f.SessionLength > maxSession {
		return nil, nil, refused(fmt.Errorf("--session-length %s must be between %s and %s", f.SessionLength, minSession, maxSession))
	}
	store := keyring.Open(n.dir.Path(keysDir))
	sessions, err := n.sessionKeys()
	if err != nil {
		return nil, nil, err
	}
	s := keyring.New(keyring.ServiceOptions{
		Store: store, Sessions: sessions, Bus: n.bus,
		Log:    n.log.With(obs.KeyService, "keyring"),
		Rhythm: keyring.Rhythm{Length: f.SessionLength, Fresh: f.Fresh},
	})
	n.reloads = append(n.reloads, func(ctx context.Context) error {
		s.Reload()
		return n.published(ctx, store)
	})
	n.ready.add("keyring", closed(s.Ready()))
	n.group.Add(proc.Service, "keyring", s.Run)
	return store, sessions, nil
}

func (n *node) sessionKeys() (*keyring.SessionKeys, error) {
	sessions, err := keyring.OpenSessions(n.dir.Path(sessionsDir))
	if err != nil {
		return nil, refused(err)
	}
	return sessions, nil
}

const publishedPoll = 10 * time.Millisecond

// published waits until the bus knows every stream in the store as it is now, so that
// what `stream add` printed works when it returns.
func (n *node) published(ctx context.Context, store *keyring.Store) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	streams, _, err := store.List() // the service says what is damaged
	if err != nil {
		return err
	}
	for _, s := range streams {
		for {
			state, err := n.bus.StreamState(ctx, s.ID)
			if err != nil {
				return err
			}
			if state.Key == s.PublishKeyDigest() && len(state.Sessions) > 0 && len(state.Rotations) == len(s.Rotations) {
				break
			}
			select {
			case <-time.After(publishedPoll):
			case <-ctx.Done():
				return fmt.Errorf("stream %q is not on the bus yet: see the log", s.Name)
			}
		}
	}
	return nil
}
