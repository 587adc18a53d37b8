package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/shoalcast/shoal/peer"
)

type watchCmd struct {
	URL     string  `arg:"" help:"A stream's page or manifest.json; with its #id the creator's key is checked."`
	Out     string  `placeholder:"FILE" help:"Write the verified stream as fragmented MP4; - for standard output."`
	Seconds float64 `placeholder:"N" help:"Stop after this much media, counted from a keyframe."`
	Stats   string  `enum:"none,text,json" default:"none" help:"Report once a second and at the end: ${enum}. With json, standard error holds JSON lines only; logs go to --log-file."`
	Pins    string  `placeholder:"FILE" help:"Where the keys first seen under links without an id are remembered (default in the user's configuration directory)."`
}

func (c *watchCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if c.Seconds < 0 {
		return refused(fmt.Errorf("--seconds %v must not be negative", c.Seconds))
	}
	log, closeLog, err := c.logger(common, t)
	if err != nil {
		return err
	}
	defer closeLog()
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	opts := peer.Options{
		URL:    c.URL,
		Length: time.Duration(c.Seconds * float64(time.Second)),
		Log:    log,
	}
	if opts.PinFile, err = c.pinFile(); err != nil {
		return refused(err)
	}
	switch c.Out {
	case "":
	case "-":
		opts.Out = t.out
	default:
		opts.File = c.Out
	}
	switch c.Stats {
	case "json":
		opts.Stats = func(l peer.Line) { jsonLine(t.err, l) }
	case "text":
		opts.Stats = func(l peer.Line) {
			fmt.Fprintf(t.err, "%7.1f s  %-10s  delay %4d ms  verified %d  rejected %d  stalls %d\n",
				l.T, l.State, l.DelayMS.P50, l.PiecesVerified, l.PiecesRejected, l.Stalls)
		}
	}
	summary, err := peer.Watch(ctx, opts)
	switch c.Stats {
	case "json":
		if err != nil {
			jsonLine(t.err, map[string]string{"error": err.Error()})
		}
		jsonLine(t.err, summary)
		if err != nil {
			return silent(err)
		}
	case "text":
		fmt.Fprintf(t.err, "%d pieces verified, %d rejected, delay %d ms (p95 %d ms), %d stalls\n",
			summary.PiecesVerified, summary.PiecesRejected, summary.DelayMS.P50, summary.DelayMS.P95, summary.Stalls)
	}
	return err
}

// logger keeps logs off standard error where JSON lines go there.
func (c *watchCmd) logger(common *Common, t terminal) (*slog.Logger, func(), error) {
	if c.Stats == "json" && common.LogFile == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	log, _, done, err := newLogger(common, t.err)
	return log, done, err
}

// pinFile returns where pins stand, with its directory made.
func (c *watchCmd) pinFile() (string, error) {
	if c.Pins != "" {
		return c.Pins, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place to remember keys: %w; name a file with --pins", err)
	}
	dir = filepath.Join(dir, "shoal")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("no place to remember keys: %w; name a file with --pins", err)
	}
	return filepath.Join(dir, "pins.json"), nil
}

func jsonLine(w io.Writer, v any) {
	// A summary cannot fail to encode, and a standard error that is gone is nobody's.
	_ = json.NewEncoder(w).Encode(v)
}

// silentError was already told; it only sets the exit code.
type silentError struct{ error }

func (e *silentError) Unwrap() error { return e.error }

func silent(err error) error { return &silentError{err} }

func isSilent(err error) bool {
	var s *silentError
	return errors.As(err, &s)
}
