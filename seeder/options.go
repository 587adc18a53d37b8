package seeder

import (
	"cmp"
	"context"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/live"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// follower is what the seeder uses of the bus; *bus.Bus is one.
type follower interface {
	FollowStreams(ctx context.Context, caughtUp func(), fn func(id event.StreamID, seq uint64, f event.StreamFact) error) error
	FollowPieces(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(context.Context, *event.Piece) error) error
	FollowEntries(ctx context.Context, id event.StreamID, r event.Rendition, since time.Time, fn func(ctx context.Context, seq uint64, payload []byte, trace string) error) error
	FollowCloses(ctx context.Context, fn func(ctx context.Context, id event.StreamID, r event.Rendition, f event.FileClosed) error) error
	PublishReport(ctx context.Context, r *event.Report) error
	LastEntries(ctx context.Context, id event.StreamID, r event.Rendition, n int) (payloads [][]byte, lastSeq uint64, err error)
}

// Options configures a Service. Only Bus must be set.
type Options struct {
	Bus follower
	Log *slog.Logger // nil discards
	// Metrics counts what the origin does; nil counts into collectors nobody reads.
	Metrics *Metrics
	// Tracer continues the traces that pieces carry; nil drops them.
	Tracer trace.TracerProvider

	// Window is how long what was live stays after its stream has stopped, and a third
	// of how far back the bus is read at the start. Default manifest.LiveWindow, 30 s.
	Window time.Duration
	// WindowBytes bounds the served bytes of one rendition; when the live window needs
	// more, it is shorter. Default manifest.MaxWindowBytes.
	WindowBytes int64
	// PendingBytes bounds the pieces of one rendition that wait for their entries;
	// the oldest go first. Default 32 MiB.
	PendingBytes int64
	// MaxHeld bounds the requests that one stream holds until something new is there;
	// more are answered 503. Default 8192.
	MaxHeld int64

	// Transport joins swarms; nil serves over HTTP alone.
	Transport live.Transport
	// Trackers are named to viewers. None means, with Tracker set, the one at /announce
	// beside this origin, however that was reached.
	Trackers []string
	Tracker  bool
	// Announce are the trackers at which the seed itself joins.
	Announce []string
	// Seeds are where viewers find this seed, as host:port; without a host it is the
	// host by which they reached the origin.
	Seeds []string
	// STUN are the servers by which viewers find their addresses, written as Seeds are.
	STUN []string
	// ICE lists what pages use for WebRTC; host is by which the page reached the origin,
	// an IPv6 address in brackets. Nil: nothing.
	ICE func(host string) []ICEServer
	// Files offers finished archive files to BitTorrent clients; nil leaves that to the
	// web seed.
	Files Files
	// Egress bounds what the swarms of all streams are given, in bit/s; 0 is no bound.
	Egress int64
	// MaxPeers bounds the connections in one swarm; who comes beyond is handed over to
	// others. Default 512.
	MaxPeers int
	// SwarmSize tells how many peers a swarm has, where a tracker knows; may be nil.
	SwarmSize func(metainfo.InfoHash) int

	// Consent is what pages do in swarms before their viewers choose: ask, share,
	// download or edge. Default ask.
	Consent string
	// Passes admits pages to NATS, at /nats on this server; nil has none.
	Passes func(event.StreamID) (bus.Pass, error)

	// Telemetry has players told that reports are wanted (docs/spec/telemetry.md), and the
	// seed itself report what it saw of each live stream.
	Telemetry bool
	// Region is where this server is, as its reports say: 1 to 32 of a-z, 0-9 and -, the
	// first a letter. Default local.
	Region string

	// PublicURL is how viewers reach this server, such as https://live.example.org.
	// Empty makes links that are relative to it.
	PublicURL string
	// ArchiveDir is where archive files are kept; empty keeps none.
	ArchiveDir string
	// ArchiveAge is how long archive files stay after their last media. Default 7 days.
	ArchiveAge time.Duration
	// ArchiveBytes bounds the archive files of all streams together; the oldest go
	// first. Default 20 GiB.
	ArchiveBytes int64
	// Index serves / and Player serves /live/{name}; nil answers 404.
	Index, Player http.Handler
}

const (
	// targetDuration is the fixed TARGETDURATION of all playlists.
	targetDuration = manifest.TargetDuration * time.Second
	// playlistHold is how long a playlist request waits for what it asks for:
	// three target durations, RFC 8216bis section 6.2.5.2.
	playlistHold = 3 * targetDuration
	// pieceHold is how long a request waits for a piece that is about to come.
	pieceHold = 5 * time.Second
	// pieceAhead is how many pieces after the newest one a request may wait for.
	pieceAhead = 3
	// manifestHold is how long manifest.json waits for a newer entry.
	manifestHold = 5 * time.Second
	// tickInterval paces what happens by time alone: holes, ends and ageing.
	tickInterval = 200 * time.Millisecond
	// maxRenditions bounds what one stream can make the origin follow.
	maxRenditions = 8
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.Tracer == nil {
		o.Tracer = noop.NewTracerProvider()
	}
	o.Window = cmp.Or(o.Window, event.Ticks(manifest.LiveWindow).Duration())
	o.WindowBytes = cmp.Or(o.WindowBytes, manifest.MaxWindowBytes)
	o.PendingBytes = cmp.Or(o.PendingBytes, 32<<20)
	o.ArchiveAge = cmp.Or(o.ArchiveAge, 7*24*time.Hour)
	o.ArchiveBytes = cmp.Or(o.ArchiveBytes, 20<<30)
	o.Consent = cmp.Or(o.Consent, "ask")
	o.Region = cmp.Or(o.Region, "local")
	o.MaxHeld = cmp.Or(o.MaxHeld, 8192)
	o.MaxPeers = cmp.Or(o.MaxPeers, 512)
	return o
}

// Keys of what the seeder logs.
const (
	keyStream    = "stream"
	keyName      = "name"
	keyRendition = "rendition"
	keyPosition  = "position"
	keyErr       = "err"
)
