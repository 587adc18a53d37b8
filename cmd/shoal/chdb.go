package main

import (
	"context"
	"log/slog"
	"os/signal"
	"syscall"

	"github.com/shoalcast/shoal/analytics/chdb"
)

// chdbCmd is the process of the embedded ClickHouse. It has no flags: the shoal that
// starts it says by a pipe what to do.
type chdbCmd struct{}

func (chdbCmd) Run(ctx context.Context, t terminal) error {
	// What stops a service often goes to all of its processes at once. This one is
	// needed until its parent has finished, and ends with its pipe.
	signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	log := slog.New(slog.NewTextHandler(t.err, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	return chdb.Child(ctx, log)
}

// withoutTime leaves the time to the parent's log, where the lines go.
func withoutTime(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && a.Key == slog.TimeKey {
		return slog.Attr{}
	}
	return a
}
