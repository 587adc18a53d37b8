package bt

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"

	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/mse"
	pp "github.com/anacrolix/torrent/peer_protocol"
	"golang.org/x/time/rate"
)

// Client is one BitTorrent peer: it takes part in any number of streams and seeds any
// number of files.
type Client struct {
	opts     Options
	id       peerID
	torrents *torrent.Client
	listener *listener // nil without TCP
	ice      *ice      // nil without WebRTC
	bans     *bans
	ctx      context.Context
	stop     context.CancelFunc
	tasks    sync.WaitGroup

	mu      sync.Mutex
	swarms  map[[20]byte]*Swarm
	files   map[[20]byte]*torrent.Torrent
	sockets map[string]*socket // by the tracker's URL
	closed  bool
}

// New starts a client. Close ends it.
func New(o Options) (*Client, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, fmt.Errorf("start BitTorrent: %w", err)
	}
	c := &Client{
		opts: o, bans: newBans(),
		swarms: map[[20]byte]*Swarm{}, files: map[[20]byte]*torrent.Torrent{}, sockets: map[string]*socket{},
	}
	copy(c.id[:], peerIDPrefix)
	if _, err := rand.Read(c.id[len(peerIDPrefix):]); err != nil {
		return nil, fmt.Errorf("make a peer id: %w", err)
	}
	c.ctx, c.stop = context.WithCancel(context.Background())
	if c.torrents, err = torrent.NewClient(c.config()); err != nil {
		c.stop()
		return nil, fmt.Errorf("start BitTorrent: %w", err)
	}
	c.torrents.AddDialer(dialer{c})
	if err := c.listen(); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return c, nil
}

func (c *Client) listen() error {
	if c.opts.Listen != "" {
		l, err := (&net.ListenConfig{KeepAlive: -1}).Listen(c.ctx, "tcp", c.opts.Listen)
		if err != nil {
			return fmt.Errorf("listen for peers: %w", err)
		}
		c.listener = &listener{TCPListener: l.(*net.TCPListener), client: c}
		c.torrents.AddListener(c.listener)
	}
	if c.opts.WebRTC != "" {
		i, err := newICE(c)
		if err != nil {
			return err
		}
		c.ice = i
		c.torrents.AddListener(i)
	}
	return nil
}

// config sets the library up: no sockets, DHT or encryption of its own, and none of its
// limits where they do not fit a live swarm.
func (c *Client) config() *torrent.ClientConfig {
	cfg := torrent.NewDefaultClientConfig()
	cfg.PeerID = string(c.id[:])
	cfg.Bep20 = peerIDPrefix
	cfg.ExtendedHandshakeClientVersion = clientName
	cfg.HTTPUserAgent = clientName
	cfg.Slogger = slog.New(quiet{c.opts.Log.Handler()}).With("library", "torrent")
	cfg.DefaultStorage = noStorage{}
	// The sockets are handed in, see listen and dialer.
	cfg.DisableTCP, cfg.DisableUTP, cfg.DialForPeerConns = true, true, false
	cfg.NoDefaultPortForwarding = true
	cfg.NoDHT, cfg.DisablePEX, cfg.PeriodicallyAnnounceTorrentsToDht = true, true, false
	cfg.DisableWebtorrent, cfg.DisableWebseeds = true, true
	cfg.Extensions = pp.NewPeerExtensionBytes(pp.ExtensionBitLtep, pp.ExtensionBitFast)
	// Complete peers stay connected: the swarm is what they are here for.
	cfg.Seed, cfg.DropMutuallyCompletePeers = true, false
	cfg.DisableAcceptRateLimiting = true
	cfg.DialRateLimiter = rate.NewLimiter(rate.Inf, 1)
	cfg.EstablishedConnsPerTorrent = c.opts.MaxConns + spareConns
	cfg.HalfOpenConnsPerTorrent, cfg.TotalHalfOpenConns = maxHalfOpen, 4*maxHalfOpen
	cfg.NominalDialTimeout, cfg.MinDialTimeout = dialTimeout, dialTimeout
	cfg.HandshakesTimeout = handshakeTimeout
	cfg.AlwaysWantConns = true
	// Obfuscated headers are taken, from clients that insist; the payload stays plain.
	cfg.HeaderObfuscationPolicy = torrent.HeaderObfuscationPolicy{}
	cfg.CryptoProvides = mse.CryptoMethodPlaintext
	cfg.CryptoSelector = func(provided mse.CryptoMethod) mse.CryptoMethod {
		return provided & mse.CryptoMethodPlaintext
	}
	if c.opts.UploadRate > 0 {
		cfg.UploadRateLimiter = rate.NewLimiter(rate.Limit(c.opts.UploadRate), 256<<10)
	}
	if ip := c.opts.PublicIP; ip.Is4() {
		cfg.PublicIp4 = ip.AsSlice()
	} else if ip.Is6() {
		cfg.PublicIp6 = ip.AsSlice()
	}
	cfg.Callbacks.PeerConnAdded = []func(*torrent.PeerConn){c.added}
	return cfg
}

// added says which extensions a connection offers. The library calls it under its lock,
// before its extended handshake; the map that it finds there is shared by all clients'
// connections, so each gets its own.
func (c *Client) added(pc *torrent.PeerConn) {
	m := &torrent.LocalLtepProtocolMap{Index: []pp.ExtensionName{pp.ExtensionNameMetadata}, NumBuiltin: 1}
	if c.swarm(pc.Torrent().InfoHash()) != nil {
		m.Index = append(m.Index, extensionName) // extensionID
	}
	pc.LocalLtepProtocolMap = m
}

// Port returns the TCP port that connections are taken at, 0 if there is none.
func (c *Client) Port() uint16 {
	if c.listener == nil {
		return 0
	}
	return c.listener.Addr().(*net.TCPAddr).AddrPort().Port()
}

// PeerID returns this client's id in BitTorrent handshakes and announces.
func (c *Client) PeerID() [20]byte { return c.id }

// Ban closes what connections there are to a peer, and keeps it from connecting and from
// being dialled, for an hour. Link.Close does so to the peer of a link.
func (c *Client) Ban(addr netip.AddrPort) {
	addr = unmap(addr)
	c.bans.add(addr, addr.Addr(), peerID{})
	c.mu.Lock()
	swarms := slices.Collect(maps.Values(c.swarms))
	c.mu.Unlock()
	for _, s := range swarms {
		for _, l := range s.at(addr) {
			l.Close("banned", true)
		}
	}
}

// swarm returns the stream's swarm that an infohash names, or nil.
func (c *Client) swarm(hash [20]byte) *Swarm {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.swarms[hash]
}

// Close leaves all swarms and waits until every connection and goroutine has ended.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	swarms := slices.Collect(maps.Values(c.swarms))
	c.mu.Unlock()
	var tasks sync.WaitGroup
	for _, s := range swarms {
		tasks.Go(s.Close)
	}
	tasks.Wait()
	c.stop()
	errs := c.torrents.Close()
	if c.listener != nil {
		errs = append(errs, c.listener.Close())
	}
	if c.ice != nil {
		errs = append(errs, c.ice.Close())
	}
	c.tasks.Wait()
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("stop BitTorrent: %w", err)
	}
	return nil
}

func unmap(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
