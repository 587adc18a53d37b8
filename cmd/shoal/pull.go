package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/shoalcast/shoal/ingest"
	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/obs"
)

type pullCmd struct {
	dataFlags `embed:""`
	Source    string `arg:"" help:"srt://HOST:PORT of a listener; ?streamid=, &passphrase=, &latency= (milliseconds) and &program= (of a transport stream with several) may follow."`
	As        string `required:"" placeholder:"NAME" help:"The stream to publish it as, which must exist."`
}

// pullRequest is the body of POST /pull.
type pullRequest struct {
	Name   string `json:"name"`
	Source string `json:"source"`
	Format string `json:"format"` // of the log that is the answer
}

// Run has the running instance pull: its ingest has the bus, and knows who publishes.
func (c *pullCmd) Run(ctx context.Context, common *Common, t terminal) error {
	running, err := datadir.Find(c.Data)
	if errors.Is(err, datadir.ErrNotRunning) {
		return refused(fmt.Errorf("%w: start `shoal up`, or `shoal ingest`, on %s first", err, c.Data))
	}
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err = askPull(ctx, running.Control, pullRequest{c.As, c.Source, common.LogFormat}, t.err)
	if ctx.Err() != nil {
		return nil // the instance sees it go
	}
	return err
}

func askPull(ctx context.Context, socket string, p pullRequest, log io.Writer) error {
	body, err := json.Marshal(p)
	if err != nil {
		return fmt.Errorf("ask the running instance to pull: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://shoal/pull", bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("ask the running instance to pull: %w", err)
	}
	res, err := controlClient(socket).Do(req)
	if err != nil {
		return fmt.Errorf("ask the running instance to pull: %w", err)
	}
	defer res.Body.Close()
	switch res.StatusCode {
	case http.StatusOK:
		if _, err := io.Copy(log, res.Body); err != nil {
			return fmt.Errorf("the running instance went away: start this again when it is back: %w", err)
		}
		if why := res.Trailer.Get(pullEnded); why != "" {
			return errors.New(why)
		}
		return errors.New("the running instance stopped: start this again when it is back")
	case http.StatusNotFound:
		return refused(errors.New("the running instance has no ingest: name the data directory of one that has with --data"))
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, 4<<10))
	if err != nil {
		return fmt.Errorf("ask the running instance to pull: %w", err)
	}
	return refused(errors.New(strings.TrimSpace(string(text))))
}

const (
	maxPullRequest = 8 << 10
	// pullEnded is the trailer that says why a pull ended.
	pullEnded = "Shoal-Pull-Ended"
	// readerPatience is how long a pull waits for who reads its log, which may be a
	// terminal that was halted.
	readerPatience = time.Second
)

// pullHandler pulls for as long as a request lasts.
func pullHandler(pull pulls, log *slog.Logger) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var p pullRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxPullRequest)).Decode(&p); err != nil {
			http.Error(w, "the request cannot be read", http.StatusBadRequest)
			return
		}
		out := &liveAnswer{to: w, control: http.NewResponseController(w)}
		told, err := obs.NewLogger(out, p.Format, slog.LevelInfo)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		// It lasts longer than requests usually may.
		if err := out.control.SetReadDeadline(time.Time{}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.Header().Set("Trailer", pullEnded)
		err = pull(r.Context(), p.Name, p.Source, slog.New(slog.NewMultiHandler(log.Handler(), told.Handler())))
		var refusal *ingest.Refusal
		switch {
		case err == nil:
		case out.begun:
			_ = out.control.SetWriteDeadline(time.Now().Add(readerPatience))
			w.Header().Set(pullEnded, err.Error())
		case errors.As(err, &refusal):
			http.Error(w, err.Error(), http.StatusUnprocessableEntity)
		default:
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	})
}

// liveAnswer sends what is written at once.
type liveAnswer struct {
	to      io.Writer
	control *http.ResponseController
	begun   bool
}

func (a *liveAnswer) Write(b []byte) (int, error) {
	a.begun = true
	if err := a.control.SetWriteDeadline(time.Now().Add(readerPatience)); err != nil {
		return 0, err
	}
	n, err := a.to.Write(b)
	if err != nil {
		return n, err
	}
	return n, a.control.Flush()
}
