package chdb

import (
	"context"
	"time"
)

// gate lets some statements run at once, some wait for a while, and no more in.
type gate struct {
	running chan struct{}
	waiting chan struct{}
	limit   time.Duration
}

func newGate(running, waiting int, limit time.Duration) *gate {
	return &gate{make(chan struct{}, running), make(chan struct{}, waiting), limit}
}

// enter waits for a place. Call leave once it is not needed any more.
func (g *gate) enter(ctx context.Context) (leave func(), err error) {
	leave = func() { <-g.running }
	select {
	case g.running <- struct{}{}:
		return leave, nil
	default:
	}
	select {
	case g.waiting <- struct{}{}:
		defer func() { <-g.waiting }()
	default:
		return nil, failed(codeTooMany, "Too many statements wait already: try again in a moment")
	}
	timer := time.NewTimer(g.limit)
	defer timer.Stop()
	select {
	case g.running <- struct{}{}:
		return leave, nil
	case <-timer.C:
		return nil, failed(codeTooMany, "No statement ended within %v: try again in a moment", g.limit)
	case <-ctx.Done():
		return nil, failed(codeCancelled, "The client went away while its statement waited")
	}
}

// drain waits until nothing runs any more, and keeps the gate closed.
func (g *gate) drain(ctx context.Context) error {
	for range cap(g.running) {
		select {
		case g.running <- struct{}{}:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}
