package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/shoalcast/shoal/internal/proc"
)

// readiness answers /readyz: every service in the process says when it is ready.
type readiness struct {
	names []string
	ready []func() bool
}

func (r *readiness) add(name string, ready func() bool) {
	r.names = append(r.names, name)
	r.ready = append(r.ready, ready)
}

// closed turns a channel that closes into what add wants.
func closed(ch <-chan struct{}) func() bool {
	return func() bool {
		select {
		case <-ch:
			return true
		default:
			return false
		}
	}
}

// missing names the first service that is not ready.
func (r *readiness) missing() string {
	for i, ready := range r.ready {
		if !ready() {
			return r.names[i]
		}
	}
	return ""
}

const readyPoll = 5 * time.Millisecond

// all waits until every service is ready or ctx ends.
func (r *readiness) all(ctx context.Context) bool {
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for r.missing() != "" {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}

// operatorRoutes adds what supervisors and monitoring ask for.
func operatorRoutes(mux *http.ServeMux, ready *readiness, metrics http.Handler) {
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "ok") })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		if name := ready.missing(); name != "" {
			http.Error(w, name+" is not ready yet", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ready")
	})
	mux.Handle("GET /metrics", metrics)
}

// listen opens a TCP address. Its error is a sentence with what to do.
func listen(flag, addr string) (net.Listener, error) {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, refused(fmt.Errorf("cannot listen on %s %s: %s; stop what uses it or choose another address", flag, addr, reasonOf(err)))
	}
	return l, nil
}

// reasonOf strips what net puts around an error that the sentence already says.
func reasonOf(err error) string {
	var op *net.OpError
	if errors.As(err, &op) && op.Err != nil {
		return op.Err.Error()
	}
	return err.Error()
}

// serveHTTP answers on l until ctx ends, then lets requests finish.
func serveHTTP(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       30 * time.Second,
		WriteTimeout:      60 * time.Second, // a held request is answered within 12 s
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve HTTP on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(proc.Hard(ctx), httpGrace)
	defer cancel()
	if server.Shutdown(grace) != nil {
		_ = server.Close() // they had their time
	}
	<-failed //nolint:errcheck // it says that the server was closed
	return nil
}

// httpGrace is how long running requests may take when the server stops: held ones
// would take far longer than anyone wants to wait for Ctrl-C.
const httpGrace = 300 * time.Millisecond
