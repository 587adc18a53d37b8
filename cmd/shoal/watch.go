package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/peer"
	"github.com/shoalcast/shoal/peer/hls"
	"github.com/shoalcast/shoal/swarm/bt"
)

type watchCmd struct {
	URL        string  `arg:"" help:"A stream's page, manifest.json or magnet link; with the stream's id in it the creator's key is checked."`
	Out        string  `placeholder:"FILE" help:"Write the verified stream as fragmented MP4; - for standard output."`
	Seconds    float64 `placeholder:"N" help:"Stop after this much media, counted from a keyframe."`
	HLS        string  `name:"hls" placeholder:"ADDR" help:"Serve what is verified to players on this machine, such as 127.0.0.1:9000: VLC, mpv, ffplay, Safari and hls.js play it."`
	Rendition  string  `default:"v0" placeholder:"NAME" help:"Which rendition to watch: v0 is what the creator sent; v1, v2 and so on are smaller ones, where the stream has them."`
	Up         string  `placeholder:"RATE" help:"Give other viewers at most this much, such as 5Mbit."`
	NoUp       bool    `help:"Give other viewers nothing; those who give come first."`
	Stats      string  `enum:"auto,view,text,json,none" default:"auto" help:"How standard error shows the session: ${enum}. view is a live picture of it, which auto means on a terminal; text and json report once a second and at the end. With json, standard error holds JSON lines only; logs go to --log-file."`
	Listen     string  `default:":0" placeholder:"ADDR" help:"Where other viewers connect to, TCP and UDP; port 0 is any that is free."`
	HTTPOnly   bool    `name:"http-only" help:"Take no part in the swarm: everything comes from the origin."`
	ICEServers string  `name:"ice-servers" placeholder:"URLS" help:"STUN servers by which viewers behind NATs find their addresses, separated by commas (default: those that the stream's page names); others are left to pages."`
	Telemetry  bool    `default:"true" help:"Tell the stream's server how it plays and where its bytes come from, if it wants to know; no address, no name. --telemetry=false, or DO_NOT_TRACK=1 in the environment, turns it off."`
	Pins       string  `placeholder:"FILE" help:"Where the keys first seen under links without an id are remembered (default in the user's configuration directory)."`
}

func (c *watchCmd) Run(ctx context.Context, common *Common, t terminal) error {
	if c.Stats == "auto" {
		c.Stats = "none"
		if showsViews(t.err) && !(c.Out == "-" && isTerminal(t.out)) {
			c.Stats = statsView
		}
	}
	summary, err := c.watch(ctx, common, t)
	switch c.Stats {
	case statsJSON:
		if err != nil {
			jsonLine(t.err, errorLine{err.Error()})
		}
		if summary != nil {
			jsonLine(t.err, summary)
		}
		return silent(err)
	case statsText, statsView:
		if summary != nil {
			fmt.Fprintf(t.err, "%d pieces verified, %d rejected, delay %d ms (p95 %d ms), %d stalls\n",
				summary.PiecesVerified, summary.PiecesRejected, summary.DelayMS.P50, summary.DelayMS.P95, summary.Stalls)
		}
	}
	return err
}

// watch returns no summary when it could not begin.
func (c *watchCmd) watch(ctx context.Context, common *Common, t terminal) (_ *peer.Summary, err error) {
	if err := c.check(); err != nil {
		return nil, refused(err)
	}
	link, err := peer.ParseLink(c.URL)
	if err != nil {
		return nil, refused(err)
	}
	opts := peer.Options{
		URL: c.URL, Length: time.Duration(c.Seconds * float64(time.Second)), HLS: c.HLS, NoUp: c.NoUp, Telemetry: c.Telemetry && !askedNotToTrack(),
	}
	if opts.Rendition, err = event.ParseRendition(c.Rendition); err != nil {
		return nil, refused(fmt.Errorf("--rendition: %w", err))
	}
	if c.Up != "" {
		up, err := parseBytes("--up", c.Up)
		if err != nil {
			return nil, refused(err)
		}
		opts.UpRate = 8 * int64(up)
	}
	if link.ID() == "" { // else the link says whose stream it is
		if opts.PinFile, err = c.pinFile(); err != nil {
			return nil, refused(err)
		}
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	log, closeLog, err := c.logger(common, t)
	if err != nil {
		return nil, err
	}
	defer closeLog()
	switch c.Out {
	case "":
	case "-":
		opts.Out = t.out
	default:
		opts.File = c.Out
	}
	client, err := c.transport(link, log)
	if err != nil {
		return nil, refused(err)
	}
	if client != nil {
		defer func() { err = errors.Join(err, client.Close()) }()
		opts.Transport = bt.Transport{Client: client, Offers: offers}
		if c.ICEServers == "" {
			opts.STUN = func(servers []string) { client.SetICEServers(stunURLs(servers)) }
		}
	}
	show := c.reporter(t, link, opts.UpRate, stop)
	opts.Stats, opts.Serving = show.line, show.serving
	opts.Log = log
	if common.LogFile == "" && show.notice != nil {
		opts.Log = slog.New(notices(show.notice))
	}
	summary, err := peer.Watch(ctx, opts)
	err = errors.Join(err, show.stop())
	if taken := (*hls.AddressError)(nil); errors.As(err, &taken) {
		return nil, refused(fmt.Errorf("--hls: %w", err))
	}
	return &summary, err
}

// askedNotToTrack reports whether the user wants no program to report (consoledonottrack.com).
func askedNotToTrack() bool {
	v := os.Getenv("DO_NOT_TRACK")
	return v != "" && v != "0" && v != "false"
}

// offers is how many peers, browsers among them, the viewer asks a WebTorrent tracker for
// at a time.
const offers = 4

// stunPort is where shoal's own STUN server listens unless it is told otherwise. It is
// asked there until the stream's page has said where.
const stunPort = "3478"

func stunURLs(addrs []string) []string {
	out := make([]string, len(addrs))
	for i, a := range addrs {
		out[i] = "stun:" + a
	}
	return out
}

// transport makes the viewer's BitTorrent client; nil when it takes no part in swarms.
func (c *watchCmd) transport(link peer.Link, log *slog.Logger) (*bt.Client, error) {
	if c.HTTPOnly {
		return nil, nil
	}
	ice := stunOnly(c.ICEServers)
	if len(ice) == 0 && link.Location != nil {
		if u, err := url.Parse(link.Location.Base); err == nil {
			ice = stunURLs([]string{net.JoinHostPort(u.Hostname(), stunPort)})
		}
	}
	client, err := bt.New(bt.Options{Listen: c.Listen, WebRTC: c.Listen, ICEServers: ice, Log: log})
	if err != nil {
		return nil, fmt.Errorf("cannot listen on --listen %s: %s; choose another address, or --http-only", c.Listen, reasonOf(err))
	}
	return client, nil
}

func (c *watchCmd) check() error {
	switch {
	case c.Seconds < 0:
		return fmt.Errorf("--seconds %v must not be negative", c.Seconds)
	case c.NoUp && c.Up != "":
		return errors.New("--up and --no-up exclude each other: name one")
	}
	return first(checkAddress("--hls", c.HLS), checkAddress("--listen", c.Listen), checkICE("--ice-servers", c.ICEServers))
}

// Values of --stats that report anything.
const (
	statsJSON = "json"
	statsText = "text"
	statsView = "view"
)

// errorLine is what stands on standard error instead of a sentence with --stats json.
type errorLine struct {
	Error string `json:"error"`
}

// wantsJSON reports whether a command line that may be wrong asks for JSON lines.
func wantsJSON(args []string) bool {
	if !slices.Contains(args, "watch") {
		return false
	}
	if v, given, _ := flagValue(args, "stats"); given {
		return v == statsJSON
	}
	return os.Getenv("SHOAL_STATS") == statsJSON
}

// logger keeps logs off standard error where JSON lines go there.
func (c *watchCmd) logger(common *Common, t terminal) (*slog.Logger, func(), error) {
	if c.Stats == statsJSON && common.LogFile == "" {
		return slog.New(slog.DiscardHandler), func() {}, nil
	}
	log, _, done, err := newLogger(common, t.err)
	return log, done, err
}

// pinFile returns where pins stand. The directory is made with the first.
func (c *watchCmd) pinFile() (string, error) {
	if c.Pins != "" {
		return c.Pins, nil
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no place to remember keys: %w; name a file with --pins", err)
	}
	return filepath.Join(dir, "shoal", "pins.json"), nil
}

func jsonLine(w io.Writer, v any) {
	// A summary cannot fail to encode, and a standard error that is gone is nobody's.
	_ = json.NewEncoder(w).Encode(v)
}

// silentError was already told; it only sets the exit code.
type silentError struct{ error }

func (e *silentError) Unwrap() error { return e.error }

func silent(err error) error {
	if err == nil {
		return nil
	}
	return &silentError{err}
}

func isSilent(err error) bool {
	var s *silentError
	return errors.As(err, &s)
}
