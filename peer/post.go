package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/reporting"
)

const (
	// perPost is how many reports one request brings: its headers cost more than they do.
	perPost = 6
	// lastPost is how long the last reports may take when the session ends.
	lastPost = time.Second
	// reportsWaiting is how many reports wait for the sender.
	reportsWaiting = 4
)

// errNotTaken means that reports were not taken and never will be.
var errNotTaken = errors.New("the server does not take these reports")

// postReports sends what comes to the origin, some at a time, until in is closed; then
// what is left. Nobody minds where that fails: a session goes on without.
func postReports(ctx context.Context, o *origin, in <-chan event.Report, log *slog.Logger) {
	var kept reporting.Kept
	tick := time.NewTicker(perPost * o.timing.report)
	defer tick.Stop()
	send := func(ctx context.Context) {
		for next := kept.First(perPost); len(next) > 0; next = kept.First(perPost) {
			switch err := o.report(ctx, next); {
			case err == nil:
				kept.Received(len(next))
			case errors.Is(err, errNotTaken):
				log.Debug("reports are dropped", "error", err)
				kept.Drop(len(next))
			default:
				log.Debug("reports wait", "error", err)
				return
			}
		}
	}
	for {
		select {
		case r, more := <-in:
			if more {
				kept.Add(r)
				continue
			}
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastPost)
			defer cancel()
			send(last)
			return
		case <-tick.C:
			send(ctx)
		}
	}
}

// report posts reports, one a line.
func (o *origin) report(ctx context.Context, all []event.Report) error {
	var body []byte
	for i := range all {
		line, err := event.AppendReport(body, &all[i])
		if err != nil {
			return fmt.Errorf("%w: %w", errNotTaken, err)
		}
		body = append(line, '\n')
	}
	ctx, cancel := context.WithTimeout(ctx, o.timing.reply)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.loc.Base+"/api/v1/telemetry", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%w: %w", errNotTaken, err)
	}
	req.Header.Set("Content-Type", "text/plain")
	req.Header.Set("User-Agent", "") // what reports say of the player is all that is said
	res, err := o.client.Do(req)
	if err != nil {
		return fmt.Errorf("post reports: %w", err)
	}
	defer res.Body.Close()
	_, _ = io.CopyN(io.Discard, res.Body, maxSentence) // so that the connection serves again
	switch {
	case res.StatusCode < 300:
		return nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500:
		return fmt.Errorf("post reports: the server answered %s", res.Status)
	}
	return fmt.Errorf("%w: it answered %s", errNotTaken, res.Status)
}
