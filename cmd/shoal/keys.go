package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"

	"github.com/shoalcast/shoal/internal/atomicfile"
)

type keysCmd struct {
	Show   keysShowCmd   `cmd:"" help:"Show the fingerprint of every stream's key; the page shows the same."`
	Export keysExportCmd `cmd:"" help:"Write all keys to a file, encrypted with a passphrase."`
	Import keysImportCmd `cmd:"" help:"Read keys that were exported."`
}

type keysShowCmd struct {
	dataFlags `embed:""`
	JSON      bool `help:"Print as JSON."`
}

func (c *keysShowCmd) Run(t terminal) error {
	streams, err := listStreams(t, c.Data)
	if err != nil {
		return err
	}
	type shown struct {
		Name        string `json:"name"`
		ID          string `json:"stream_id"`
		Fingerprint string `json:"fingerprint"`
	}
	all := make([]shown, 0, len(streams))
	for _, s := range streams {
		all = append(all, shown{string(s.Name), string(s.ID), s.Fingerprint()})
	}
	if c.JSON {
		return printJSON(t.out, all)
	}
	w := tabwriter.NewWriter(t.out, 0, 0, 2, ' ', 0)
	for _, s := range all {
		fmt.Fprintf(w, "%s\t%s\t%s\n", s.Name, s.Fingerprint, s.ID)
	}
	return w.Flush()
}

type passphraseFlags struct {
	PassphraseFile string `placeholder:"FILE" help:"Read the passphrase from this file's first line instead of asking."`
}

func (f passphraseFlags) read(t terminal, twice bool) (string, error) {
	if f.PassphraseFile != "" {
		b, err := os.ReadFile(f.PassphraseFile)
		if err != nil {
			return "", refused(fmt.Errorf("read the passphrase: %w", err))
		}
		line, _, _ := strings.Cut(string(b), "\n")
		return checkPassphrase(strings.TrimRight(line, "\r"))
	}
	in, ok := t.in.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		return "", refused(errors.New("no terminal to ask for the passphrase: name a file with --passphrase-file"))
	}
	ask := func(prompt string) (string, error) {
		fmt.Fprint(t.err, prompt)
		b, err := term.ReadPassword(int(in.Fd()))
		fmt.Fprintln(t.err)
		return string(b), err
	}
	first, err := ask("Passphrase: ")
	if err != nil {
		return "", fmt.Errorf("read the passphrase: %w", err)
	}
	if twice {
		second, err := ask("Once more: ")
		if err != nil {
			return "", fmt.Errorf("read the passphrase: %w", err)
		}
		if first != second {
			return "", refused(errors.New("the two passphrases differ: nothing was written"))
		}
	}
	return checkPassphrase(first)
}

const minPassphrase = 8

func checkPassphrase(s string) (string, error) {
	if len(s) < minPassphrase {
		return "", refused(fmt.Errorf("the passphrase must have at least %d characters", minPassphrase))
	}
	return s, nil
}

type keysExportCmd struct {
	dataFlags       `embed:""`
	passphraseFlags `embed:""`
	File            string `arg:"" help:"Where to write; - for standard output."`
}

func (c *keysExportCmd) Run(t terminal) error {
	store, err := keyStore(c.Data)
	if err != nil {
		return err
	}
	pass, err := c.read(t, true)
	if err != nil {
		return err
	}
	if c.File == "-" {
		return store.Export(t.out, pass)
	}
	var b bytes.Buffer
	if err := store.Export(&b, pass); err != nil {
		return err
	}
	if err := atomicfile.Write(c.File, b.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write %s: %w", c.File, err)
	}
	_, err = fmt.Fprintf(t.out, "Wrote %s. Keep it and the passphrase apart from this machine.\n", c.File)
	return err
}

type keysImportCmd struct {
	dataFlags       `embed:""`
	passphraseFlags `embed:""`
	File            string `arg:"" help:"What was exported; - for standard input."`
}

func (c *keysImportCmd) Run(ctx context.Context, t terminal) error {
	store, err := keyStore(c.Data)
	if err != nil {
		return err
	}
	in := t.in
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return refused(fmt.Errorf("read the export: %w", err))
		}
		defer f.Close()
		in = f
	}
	pass, err := c.read(t, false)
	if err != nil {
		return err
	}
	names, err := store.Import(in, pass)
	if err != nil {
		return refused(fmt.Errorf("import %s: %w", c.File, err))
	}
	if err := tellRunning(ctx, c.Data); err != nil {
		return fmt.Errorf("the keys were imported, but the running instance does not know them yet: %w", err)
	}
	_, err = fmt.Fprintf(t.out, "Imported %d streams.\n", len(names))
	return err
}

// confirm asks and reports whether the answer is want.
func confirm(t terminal, question, want string) bool {
	fmt.Fprint(t.err, question)
	line, err := bufio.NewReader(io.LimitReader(t.in, 1<<10)).ReadString('\n')
	return (err == nil || errors.Is(err, io.EOF)) && strings.TrimSpace(line) == want
}
