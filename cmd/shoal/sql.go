package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"golang.org/x/term"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/internal/datadir"
)

// sqlCmd asks ClickHouse: the one of the running instance, or that of a data directory.
type sqlCmd struct {
	dataFlags  `embed:""`
	ClickHouse string `name:"clickhouse" default:"embedded" placeholder:"DSN" help:"A ClickHouse server to ask, as --clickhouse of up has it; its HTTP address is asked."`
	Query      string `short:"q" placeholder:"QUERY" help:"Ask this and end; by default questions are read from standard input, each up to a semicolon."`
	Format     string `enum:"auto,pretty,tsv,csv,json" default:"auto" help:"How answers look: ${enum}; auto is pretty on a terminal, tsv elsewhere."`
}

// formats are ClickHouse's names of them.
var formats = map[string]string{"pretty": "PrettyCompact", "tsv": "TabSeparatedWithNames", "csv": "CSVWithNames", "json": "JSON"}

func (c *sqlCmd) Run(ctx context.Context, t terminal) error {
	dsn, done, err := c.where(ctx)
	if err != nil {
		return err
	}
	defer done()
	s, err := store.Open(store.Options{DSN: dsn, Connections: 1})
	if err != nil {
		return refused(err)
	}
	defer func() { _ = s.Close() }()
	format := c.Format
	if format == "auto" {
		format = "tsv"
		if isTerminal(t.out) {
			format = "pretty"
		}
	}
	ask := func(q string) error { return answer(ctx, s, formats[format], q, t.out) }
	if c.Query != "" {
		return ask(c.Query)
	}
	return prompt(ctx, t, ask)
}

// where finds the ClickHouse to ask. Where no instance runs that has it open, done ends the one started for this.
func (c *sqlCmd) where(ctx context.Context) (dsn string, done func(), err error) {
	done = func() {}
	if c.ClickHouse != embedded {
		return c.ClickHouse, done, nil
	}
	running, err := datadir.Find(c.Data)
	switch {
	case err == nil && running.ClickHouse != "":
		return running.ClickHouse, done, nil
	case err == nil:
		return "", done, refused(errors.New("the running instance takes telemetry nowhere: see its log for why, and `shoal doctor`"))
	case !errors.Is(err, datadir.ErrNotRunning):
		return "", done, err
	}
	dir := c.Data + "/clickhouse"
	if _, err := os.Stat(dir); err != nil {
		return "", done, refused(fmt.Errorf("there is no telemetry in %s: start `shoal up` on it first, or name another with --data", c.Data))
	}
	library, err := chdb.Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		return "", done, refused(err)
	}
	e, stop, err := chdb.Start(ctx, chdb.EngineOptions{Library: library, Path: dir, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		return "", done, refused(err)
	}
	done = func() { _ = stop() } // whoever asks hears what is wrong
	return e.DSN(chdb.Reader, "shoal"), done, nil
}

// answer prints what a question has for an answer.
func answer(ctx context.Context, s *store.Store, format, question string, out io.Writer) error {
	rows, err := s.Format(ctx, format, question)
	if err != nil {
		return err
	}
	defer rows.Close()
	if _, err := io.Copy(out, rows); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	return nil
}

// prompt reads questions until there are no more. On a terminal it says what went wrong and goes on; elsewhere that ends it.
func prompt(ctx context.Context, t terminal, ask func(string) error) error {
	in, person := t.in.(*os.File)
	person = person && term.IsTerminal(int(in.Fd())) && isTerminal(t.out)
	if !person {
		return each(t.in, ask)
	}
	old, err := term.MakeRaw(int(in.Fd()))
	if err != nil {
		return fmt.Errorf("read from the terminal: %w", err)
	}
	restore := func() { _ = term.Restore(int(in.Fd()), old) }
	defer restore()
	screen := term.NewTerminal(struct {
		io.Reader
		io.Writer
	}{t.in, t.out}, "shoal> ")
	var question strings.Builder
	for ctx.Err() == nil {
		line, err := screen.ReadLine()
		if err != nil {
			return nil // the end of the input
		}
		if q := strings.TrimSpace(line); question.Len() == 0 && (q == "exit" || q == "quit" || q == "\\q") {
			return nil
		}
		question.WriteString(line + "\n")
		q, whole := strings.CutSuffix(strings.TrimSpace(question.String()), ";")
		if !whole {
			screen.SetPrompt("    -> ")
			continue
		}
		question.Reset()
		screen.SetPrompt("shoal> ")
		if q == "" {
			continue
		}
		restore() // an answer's lines end as elsewhere
		if err := ask(q); err != nil {
			fmt.Fprintln(t.err, err)
		}
		if old, err = term.MakeRaw(int(in.Fd())); err != nil {
			return fmt.Errorf("read from the terminal: %w", err)
		}
	}
	return nil
}

// maxQuestion bounds one question.
const maxQuestion = 1 << 20

// each asks every question of an input, which end with semicolons at ends of lines.
func each(in io.Reader, ask func(string) error) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxQuestion)
	var question strings.Builder
	flush := func() error {
		q := strings.TrimSuffix(strings.TrimSpace(question.String()), ";")
		question.Reset()
		if strings.TrimSpace(q) == "" {
			return nil
		}
		return ask(q)
	}
	for lines.Scan() {
		if question.Len()+len(lines.Text()) > maxQuestion {
			return errors.New("a question of more than 1 MB: end questions with a semicolon")
		}
		question.WriteString(lines.Text() + "\n")
		if strings.HasSuffix(strings.TrimSpace(lines.Text()), ";") {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read questions: %w", err)
	}
	return flush()
}
