package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"

	"golang.org/x/term"

	"github.com/shoalcast/shoal/peer"
	"github.com/shoalcast/shoal/peer/view"
)

// reporter shows a session on standard error, while it lasts.
type reporter struct {
	line    func(peer.Line)
	serving func(playlist string)
	notice  func(text string) // nil: logs go where logs go
	stop    func() error
}

// reporter returns the one that --stats asks for. quit ends the session.
func (c *watchCmd) reporter(t terminal, link peer.Link, upRate int64, quit func()) reporter {
	r := reporter{
		serving: func(playlist string) { fmt.Fprintln(t.err, "play", playlist) },
		stop:    func() error { return nil },
	}
	switch c.Stats {
	case statsJSON:
		r.serving = func(playlist string) { jsonLine(t.err, playLine{playlist}) }
		r.line = func(l peer.Line) { jsonLine(t.err, l) }
	case statsText:
		r.line = func(l peer.Line) {
			fmt.Fprintf(t.err, "%7.1f s  %-10s  delay %4d ms  verified %d  rejected %d  stalls %d\n",
				l.T, l.State, l.DelayMS.P50, l.PiecesVerified, l.PiecesRejected, l.Stalls)
		}
	case statsView:
		if showsViews(t.err) {
			return c.screen(t, link, upRate, quit)
		}
		r.line = plainView(t.err)
	}
	return r
}

// playLine is what stands on standard error in place of "play …" with --stats json.
type playLine struct {
	Play string `json:"play"`
}

// screen shows the session on the whole terminal.
func (c *watchCmd) screen(t terminal, link peer.Link, upRate int64, quit func()) reporter {
	info := view.Info{Output: c.Out, UpRate: upRate, NoUp: c.NoUp}
	if link.Location != nil {
		info.Name, info.Page = link.Location.Name, link.Location.Page()
	}
	if c.Out == "-" {
		info.Output = "standard output"
	}
	o := view.Options{Info: info, Style: terminalStyle(), Out: t.err, Env: os.Environ(), Quit: quit}
	if in, ok := t.in.(*os.File); ok && term.IsTerminal(int(in.Fd())) {
		o.In = in
	}
	s := view.Start(o)
	return reporter{line: s.Line, serving: s.Players, notice: s.Notice, stop: s.Stop}
}

// plainView returns what writes one row for each line, without steering anything.
func plainView(w io.Writer) func(peer.Line) {
	var history []peer.Line
	return func(l peer.Line) {
		history = view.Trim(append(history, l))
		fmt.Fprintln(w, view.Render(history, view.Info{}, plainWidth, 1, view.Style{ASCII: true}))
	}
}

const plainWidth = 120

// showsViews reports whether w is a terminal on which more can be done than write on.
func showsViews(w io.Writer) bool {
	return isTerminal(w) && os.Getenv("TERM") != "dumb"
}

// terminalStyle follows the convention of no-color.org: plain letters, then.
func terminalStyle() view.Style {
	plain := os.Getenv("NO_COLOR") != ""
	return view.Style{ASCII: plain, Color: !plain}
}

// notices is a slog.Handler that hands on what people should know, without the
// attributes but the error.
type notices func(text string)

// Enabled implements slog.Handler.
func (notices) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

// Handle implements slog.Handler.
func (n notices) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "error" || a.Key == "err" {
			text += ": " + a.Value.String()
		}
		return true
	})
	n(text)
	return nil
}

// WithAttrs implements slog.Handler.
func (n notices) WithAttrs([]slog.Attr) slog.Handler { return n }

// WithGroup implements slog.Handler.
func (n notices) WithGroup(string) slog.Handler { return n }
