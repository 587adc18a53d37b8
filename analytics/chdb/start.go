package chdb

import (
	"context"
	"errors"
	"sync"
)

// Start runs an Engine by itself and waits until it answers. Stop ends it and returns what Run did; ctx bounds the wait alone.
func Start(ctx context.Context, o EngineOptions) (e *Engine, stop func() error, err error) {
	if e, err = NewEngine(o); err != nil {
		return nil, nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan error, 1)
	go func() { ended <- e.Run(run) }()
	stop = sync.OnceValue(func() error {
		cancel()
		return <-ended
	})
	if err := e.Ready(ctx); err != nil {
		return nil, nil, errors.Join(err, stop())
	}
	return e, stop, nil
}
