package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/ffmpeg"
	"github.com/shoalcast/shoal/internal/publish"
)

type publishCmd struct {
	storeFlags `embed:""`
	File       string `arg:"" help:"What to publish: a media file, or - for MPEG-TS on standard input."`
	To         string `placeholder:"URL" help:"Publish URL: rtmp://, rtmps:// or srt://, with its key."`
	As         string `placeholder:"NAME" help:"A stream of the instance in --data, in place of --to."`
	Over       string `enum:"auto,srt,rtmp" default:"auto" help:"How to get to the stream of --as: ${enum}. auto is SRT where it runs, RTMP otherwise."`
	Loop       bool   `help:"Play the file again and again."`
	Transcode  bool   `help:"Encode anew, as H.264 and AAC with a key frame a second, even what could be sent as it is."`
	Retry      bool   `default:"true" help:"Connect again when the server goes away. --retry=false ends then."`
	Quiet      bool   `short:"q" help:"Say nothing but the error that ends it."`
}

func (c *publishCmd) Run(ctx context.Context, t terminal) error {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	o, err := c.options(t)
	if err != nil {
		return refused(err)
	}
	show := newPublishView(t.err, c.Quiet)
	o.Told, o.Notice = show.told, show.notice
	show.notice(fmt.Sprintf("Publishing %s to %s. Ctrl-C ends it.", c.source(), o.Target))
	status, err := publish.Run(ctx, o)
	show.end()
	if no := (*publish.RefusedError)(nil); errors.As(err, &no) {
		return refused(err)
	}
	if err == nil {
		show.notice("Published " + status.Line() + ".")
	}
	return err
}

func (c *publishCmd) source() string {
	if c.File == "-" {
		return "standard input"
	}
	return c.File
}

func (c *publishCmd) options(t terminal) (publish.Options, error) {
	o := publish.Options{Loop: c.Loop, Transcode: c.Transcode, Retry: c.Retry}
	switch {
	case (c.To == "") == (c.As == ""):
		return o, errors.New("where to? Name --to URL, or --as NAME for a stream of the instance in --data")
	case c.To != "" && c.Over != "auto":
		return o, errors.New("--over is for --as: the URL of --to says it already")
	case c.File == "-" && c.Loop:
		return o, errors.New("--loop needs a file: standard input comes once")
	case c.File == "-" && readsTerminal(t.in):
		return o, errors.New("standard input is a terminal: pipe MPEG-TS into it, or name a file")
	}
	if c.File == "-" {
		o.Input = t.in
	} else {
		o.File = c.File
		if err := c.readable(); err != nil {
			return o, err
		}
	}
	url := c.To
	var err error
	if url == "" {
		if url, err = c.url(t); err != nil {
			return o, err
		}
	}
	if o.Target, err = publish.ParseTarget(url); err != nil {
		return o, err
	}
	o.Program, err = ffmpeg.Find()
	return o, err
}

// readable refuses what ffmpeg would, in fewer words.
func (c *publishCmd) readable() error {
	info, err := os.Stat(c.File)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no file %s", c.File)
	case err != nil:
		return fmt.Errorf("read the file: %w", err)
	case info.IsDir():
		return fmt.Errorf("%s is a directory: name a media file", c.File)
	}
	return nil
}

func readsTerminal(in io.Reader) bool {
	f, ok := in.(*os.File)
	return ok && isTerminal(f)
}

// url returns the publish URL of the stream --as, as `stream list` prints it.
func (c *publishCmd) url(t terminal) (string, error) {
	l, err := c.links()
	if err != nil {
		return "", err
	}
	streams, err := listStreams(t, c.Data)
	if err != nil {
		return "", err
	}
	for _, s := range streams {
		if s.Name != event.StreamName(c.As) {
			continue
		}
		d := describe(s, l)
		switch {
		case c.Over == "srt" && d.SRT == "":
			return "", errors.New("the instance takes no SRT: publish --over rtmp, or see why with shoal doctor")
		case c.Over != "rtmp" && d.SRT != "":
			return d.SRT, nil
		}
		return d.RTMP, nil
	}
	return "", fmt.Errorf("there is no stream %q in %s: make it with shoal stream add %s", c.As, c.Data, c.As)
}

// publishView says on standard error how a publish goes: one line that is written over
// on a terminal, one every few seconds elsewhere.
type publishView struct {
	w     io.Writer
	quiet bool
	over  bool // lines are written over
	open  bool // the newest line has no end yet
	last  time.Time
}

// lineEvery is the time between two lines where they stay.
const lineEvery = 5 * time.Second

func newPublishView(w io.Writer, quiet bool) *publishView {
	return &publishView{w: w, quiet: quiet, over: showsViews(w), last: time.Now()}
}

func (v *publishView) told(s publish.Status) {
	switch {
	case v.quiet:
	case v.over:
		fmt.Fprintf(v.w, "\r\x1b[K%s", s.Line())
		v.open = true
	case time.Since(v.last) >= lineEvery:
		v.last = time.Now()
		fmt.Fprintln(v.w, s.Line())
	}
}

func (v *publishView) notice(words string) {
	if v.quiet {
		return
	}
	v.end()
	fmt.Fprintln(v.w, words)
}

// end leaves the line that was written over.
func (v *publishView) end() {
	if v.open {
		fmt.Fprintln(v.w)
		v.open = false
	}
}
