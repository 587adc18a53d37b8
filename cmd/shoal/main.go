// Command shoal runs live video that spreads like a torrent: every service in one
// process (up), each alone, a native viewer (watch), and the tools around them.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/alecthomas/kong"
)

// Exit codes: a start that cannot succeed as asked is told apart from a failure while
// running, so that supervisors need not retry it.
const (
	exitOK      = 0
	exitFailed  = 1
	exitRefused = 2
)

func main() {
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}

// terminal is where a command talks to the person who started it.
type terminal struct {
	in       io.Reader
	out, err io.Writer
}

func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	var root commands
	parser, err := newParser(&root, out, errw)
	if err != nil {
		fmt.Fprintln(errw, "shoal:", err)
		return exitFailed
	}
	exit := -1
	parser.Exit = func(code int) { exit = code }
	if len(args) == 0 {
		args = []string{"--help"}
	}
	cmd, err := parse(parser, args)
	if exit >= 0 {
		return exit // --help said it all
	}
	if err != nil {
		if wantsJSON(args) {
			jsonLine(errw, errorLine{err.Error()})
			return exitRefused
		}
		fmt.Fprintln(errw, "shoal:", err)
		return exitRefused
	}
	root.args = args
	cmd.BindTo(ctx, (*context.Context)(nil))
	err = cmd.Run(&root.Common, terminal{in: in, out: out, err: errw})
	if err == nil {
		return exitOK
	}
	if !isSilent(err) {
		fmt.Fprintln(errw, "shoal:", err)
	}
	var refused *refusedError
	if errors.As(err, &refused) {
		return exitRefused
	}
	return exitFailed
}

// refusedError marks a start that cannot succeed until a person changes something.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

func refused(err error) error {
	if err == nil {
		return nil
	}
	return &refusedError{err}
}

func newParser(root *commands, out, errw io.Writer) (*kong.Kong, error) {
	parser, err := kong.New(root,
		kong.Name("shoal"),
		kong.Description("Live video that spreads like a torrent. Every flag can also be set as SHOAL_… in the environment, or as a key in shoal.yaml."),
		kong.DefaultEnvars(envPrefix),
		kong.UsageOnError(),
		kong.Writers(out, errw),
	)
	if err != nil {
		return nil, fmt.Errorf("read the command table: %w", err)
	}
	return parser, nil
}
