package matchmaker

import (
	"cmp"
	"context"
	"log/slog"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

// facts is what the matchmaker uses of the bus; *bus.Bus is one.
type facts interface {
	AppendPeerFact(ctx context.Context, region, swarm string, f event.PeerFact) error
	FollowPeers(ctx context.Context, region string, caughtUp func(), fn func(f event.PeerFact) error) error
}

// reports is what the matchmaker hears of how peers serve each other; *bus.Bus is one.
type reports interface {
	TelemetryEnd(ctx context.Context) (bus.Place, error)
	FollowReports(ctx context.Context, after bus.Place, dropped func(error) (keep bool), fn func(context.Context, *bus.Reported) error) error
}

// Options configures a Service. The zero value is a tracker of any torrent that forgets
// its peers when it stops. Limits that are zero take the defaults named.
type Options struct {
	// Bus keeps what is learnt about peers; nil keeps nothing.
	Bus facts
	// Reports tell which peers are late; nil: nobody is.
	Reports reports
	Log     *slog.Logger // nil discards
	Metrics *Metrics     // nil counts into collectors nobody reads
	// Region is where this tracker's peers are: 1 to 64 of a-z, 0-9 and -. Default local.
	Region string
	// Known says which torrents are tracked: those of this installation's streams and
	// archives. It is called for every announce, from many goroutines. nil tracks all.
	Known func(infohash [20]byte) bool
	// Stream names the stream of which a torrent is the live one, so that its facts stand
	// under its id. nil files all under infohashes.
	Stream func(infohash [20]byte) (event.StreamID, bool)

	// Interval is how long a peer is asked to wait between announces; it is forgotten
	// after two of them. Default 120 s.
	Interval time.Duration
	// MinInterval is the least that a peer should wait. Default 15 s.
	MinInterval time.Duration
	// TrustedProxies are those whose X-Forwarded-For is believed. Default none.
	TrustedProxies []netip.Prefix

	// Origins are those whose pages may use the tracker over WebSockets, such as
	// https://example.org, besides the host that it is reached by; "*" is every one.
	Origins []string

	// Torrents bounds how many are tracked at once. Default 65,536.
	Torrents int
	// Peers bounds those of one torrent; a new one takes a random one's place. Default
	// 10,000.
	Peers int
	// AllPeers bounds those of all torrents together. Default 1,000,000.
	AllPeers int
	// AddressPeers bounds those at one address (IPv6: one /64) in all torrents together,
	// each port of each torrent counted. Default 8,192. This machine itself is free of it.
	AddressPeers int
	// Sockets bounds the WebSockets that are open at once. Default 4,096.
	Sockets int
	// AddressSockets bounds those from one address. Default 512. This machine itself is free
	// of it.
	AddressSockets int
	// AddressRate bounds the announces and scrapes, and messages on WebSockets, from one address in a second, after a
	// burst of ten times as many. Default 50. This machine itself is free of it.
	AddressRate float64
	// Queue bounds the facts that wait for the bus; the oldest are dropped. Default 4,096.
	Queue int
}

const (
	defaultWant = 50
	maxWant     = 200
	// maxScrape bounds the torrents that one scrape asks for: as many as fit into a
	// datagram (BEP 15).
	maxScrape = 74
	// maxAddresses bounds the addresses whose rates are known at once.
	maxAddresses = 1 << 16
	burst        = 10 // seconds of AddressRate
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	o.Region = cmp.Or(o.Region, "local")
	o.Interval = cmp.Or(o.Interval, 2*time.Minute)
	o.MinInterval = min(cmp.Or(o.MinInterval, 15*time.Second), o.Interval)
	o.Torrents = cmp.Or(o.Torrents, 1<<16)
	o.Peers = cmp.Or(o.Peers, 10_000)
	o.AllPeers = cmp.Or(o.AllPeers, 1_000_000)
	o.AddressPeers = cmp.Or(o.AddressPeers, 8192)
	o.Sockets = cmp.Or(o.Sockets, 4096)
	o.AddressSockets = cmp.Or(o.AddressSockets, 512)
	o.AddressRate = cmp.Or(o.AddressRate, 50)
	o.Queue = cmp.Or(o.Queue, 4096)
	return o
}
