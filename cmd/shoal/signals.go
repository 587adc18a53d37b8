package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// signals catches what the process is sent, from before it opens anything: a service
// manager may change its mind while the bus still starts.
type signals struct {
	stop    chan os.Signal // asks for a stop, the second one for an abort
	reload  chan os.Signal
	release func()
}

// catchSignals begins to catch. The context ends with ctx or the first signal to stop,
// and is for the start. Call release at the end.
func catchSignals(ctx context.Context) (context.Context, *signals) {
	starting, cancel := context.WithCancel(ctx)
	s := &signals{stop: make(chan os.Signal, 2), reload: make(chan os.Signal, 1)}
	caught, done := make(chan os.Signal, 2), make(chan struct{})
	signal.Notify(caught, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(s.reload, syscall.SIGHUP)
	go func() {
		for {
			select {
			case sig := <-caught:
				cancel()
				select {
				case s.stop <- sig:
				default: // two have said it all
				}
			case <-done:
				return
			}
		}
	}()
	s.release = func() {
		signal.Stop(caught)
		signal.Stop(s.reload)
		close(done)
		cancel()
	}
	return starting, s
}
