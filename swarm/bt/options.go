package bt

import (
	"cmp"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

// Options configure a Client.
type Options struct {
	// Listen is the TCP address to take connections at, host:port; port 0 takes a free
	// one. Empty: no TCP listener.
	Listen string
	// WebRTC is the UDP address of the one port that all ICE traffic shares. Empty: no
	// WebRTC, and DialSignalled fails.
	WebRTC string
	// PublicIP is this machine's address as the world sees it, if a one-to-one NAT
	// hides it; it goes into ICE candidates. Invalid: unknown.
	PublicIP netip.Addr
	// ICEServers are STUN URLs, stun:host:port; SetICEServers changes them.
	ICEServers []string
	// MaxConns bounds the connections of each stream; default 200.
	MaxConns int
	// UploadRate bounds what archive torrents send in all, bytes a second; 0: unbounded.
	// What the live swarm sends is the swarm's own decision.
	UploadRate int64
	// QueueBytes bounds what may wait to be written on one connection, default 2 MiB. A
	// connection that would exceed it is closed.
	QueueBytes int
	// Stall is how long a peer may take nothing of what waits for it, default 15 s.
	Stall time.Duration
	// ReadTimeout is how long a peer may be silent, default 150 s; BitTorrent clients
	// send something every 120 s.
	ReadTimeout time.Duration
	// Heartbeat is how long this side is silent at most, default 45 s.
	Heartbeat time.Duration
	// TrackerTLS says how to speak TLS to a WebTorrent tracker, such as one with a
	// certificate of its own; nil, or a nil result: as usual.
	TrackerTLS func(url string) *tls.Config
	// AnnounceRetry is the first wait after an announce that failed, default 5 s.
	AnnounceRetry time.Duration
	Log           *slog.Logger // nil discards
}

// Bounds and defaults.
const (
	// MaxPayload is the longest frame: BEP 10 payloads beyond it are not received by the
	// library that most Go clients are made with.
	MaxPayload = 65_534

	defaultMaxConns   = 200
	defaultQueue      = 2 << 20
	defaultStall      = 15 * time.Second
	defaultRead       = 150 * time.Second
	defaultHeartbeat  = 45 * time.Second
	defaultRetry      = 5 * time.Second
	dialTimeout       = 5 * time.Second
	handshakeTimeout  = 8 * time.Second
	closeGrace        = 500 * time.Millisecond
	maxHalfOpen       = 64
	maxDials          = 256
	maxWriteBatch     = 128 << 10
	maxDescriptor     = 64 << 10
	notSentLowWater   = 128 << 10
	spareConns        = 64 // connections of foreign clients, beyond MaxConns
	maxLTEP           = 64 << 10
	protocolHeader    = "\x13BitTorrent protocol"
	handshakeLen      = 68
	extensionName     = "sh_live"
	extensionID       = 2 // of sh_live in what this side announces; 1 is ut_metadata
	messageExtended   = 20
	clientName        = "Shoal"
	peerIDPrefix      = "-SH0100-"
	announceLeft      = 1 << 14
	maxAnnouncedPeers = 50
)

// Errors that callers can tell apart.
var (
	ErrClosed   = errors.New("the connection is closed")
	ErrOverflow = errors.New("the peer does not take what is sent to it")
	ErrTooLong  = fmt.Errorf("a frame is longer than %d bytes", MaxPayload)
	ErrBanned   = errors.New("the peer is banned")
	ErrBusy     = errors.New("too many connections are being made already")
	// ErrUnreachable means that a peer was tried a short while ago.
	ErrUnreachable = errors.New("the peer was tried in vain and is left alone for a while")
)

func (o Options) withDefaults() (Options, error) {
	for _, a := range []struct{ name, addr string }{{"listen address", o.Listen}, {"WebRTC address", o.WebRTC}} {
		if a.addr == "" {
			continue
		}
		if _, _, err := net.SplitHostPort(a.addr); err != nil {
			return o, fmt.Errorf("read %s %q: %w", a.name, a.addr, err)
		}
	}
	o.MaxConns = cmp.Or(o.MaxConns, defaultMaxConns)
	o.QueueBytes = cmp.Or(o.QueueBytes, defaultQueue)
	o.Stall = cmp.Or(o.Stall, defaultStall)
	o.ReadTimeout = cmp.Or(o.ReadTimeout, defaultRead)
	o.Heartbeat = cmp.Or(o.Heartbeat, defaultHeartbeat)
	o.AnnounceRetry = cmp.Or(o.AnnounceRetry, defaultRetry)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

// Keys of what is logged.
const (
	keyPeer    = "peer"
	keyErr     = "err"
	keyTracker = "tracker"
	keyReason  = "reason"
)
