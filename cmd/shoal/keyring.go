package main

import (
	"cmp"
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

// addKeyring adds the service that holds the creator's keys.
func (n *node) addKeyring(f keyFlags, s sessionFlags) (*keyring.Store, *keyring.SessionKeys, error) {
	store := keyring.Open(n.dir.Path(keysDir))
	sessions, err := n.sessionKeys(s)
	if err != nil {
		return nil, nil, err
	}
	service := keyring.New(keyring.ServiceOptions{
		Store: store, Sessions: sessions, Bus: n.bus.As("keyring"),
		Log:    n.log.With(obs.KeyService, "keyring"),
		Rhythm: keyring.Rhythm{Length: f.SessionLength, Fresh: f.Fresh},
	})
	n.reloads = append(n.reloads, func(ctx context.Context) error {
		service.Reload()
		return n.published(ctx, store)
	})
	n.ready.add("keyring", closed(service.Ready()))
	n.group.Add(proc.Service, "keyring", service.Run)
	return store, sessions, nil
}

func (n *node) sessionKeys(f sessionFlags) (*keyring.SessionKeys, error) {
	sessions, err := keyring.OpenSessions(cmp.Or(f.Sessions, n.dir.Path(sessionsDir)))
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
