package seeder

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
)

// swarming is the seed's part in one stream's swarm.
type swarming struct {
	service *Service
	stream  *stream
	loop    *live.Loop
	stop    context.CancelFunc
	sent    int64 // bytes, as counted; the loop's goroutine alone
}

// tend joins the swarms of streams that are read from the bus, and leaves the others.
// A sensitive stream has none.
func (s *Service) tend(ctx context.Context) {
	if s.opts.Transport == nil || !s.Ready() {
		return
	}
	changed := false
	for _, st := range s.known() {
		read, part := st.isRead() && !st.state().Sensitive, st.part.Load()
		switch {
		case read && part == nil:
			if err := s.join(ctx, st); err != nil {
				s.opts.Log.Error("the stream's swarm cannot be joined; viewers take it over HTTP", keyStream, st.id, keyName, st.name, keyErr, err)
			}
			changed = true
		case !read && part != nil:
			st.leave()
			changed = true
		case part != nil:
			part.count()
		}
	}
	if changed {
		s.share()
	}
}

// share divides the egress that the swarms may have among them.
func (s *Service) share() {
	var parts []*swarming
	for _, st := range s.known() {
		if p := st.part.Load(); p != nil {
			parts = append(parts, p)
		}
	}
	for _, p := range parts {
		p.post(func(now swarm.Time, n *swarm.Node) { n.SetUp(now, s.opts.egress(len(parts))) })
	}
	s.opts.Metrics.Swarms.Set(float64(len(parts)))
}

// egress is what each of n swarms may have, in bit/s.
func (o *Options) egress(n int) int64 {
	if o.Egress <= 0 {
		return swarm.Unlimited
	}
	return o.Egress / int64(max(n, 1))
}

// isRead reports whether any rendition is followed on the bus.
func (s *stream) isRead() bool {
	for _, r := range s.all() {
		r.mu.Lock()
		read := r.stop != nil
		r.mu.Unlock()
		if read {
			return true
		}
	}
	return false
}

// join begins to seed a stream, with all that its window holds already.
func (s *Service) join(ctx context.Context, st *stream) error {
	verifier := swarm.NewTrusted(st.trust)
	for _, env := range st.records() {
		if _, err := verifier.AddRecord(env); err != nil {
			s.opts.Log.Debug("a record is not passed on in the swarm", keyStream, st.id, keyErr, err)
		}
	}
	var random [4]byte
	_, _ = rand.Read(random[:]) // never fails: crypto/rand
	tuning := swarm.DefaultTuning()
	tuning.MaxConns = s.opts.MaxPeers
	part := &swarming{service: s, stream: st}
	part.loop = live.New(live.Options{
		Node: swarm.Config{
			Stream: st.id, ID: live.NewID(s.opts.Transport), Role: swarm.Seed, Verifier: verifier, NoOrigin: true, Up: s.opts.egress(1),
			Random: binary.BigEndian.Uint32(random[:]), Tuning: tuning,
		},
		Handler: live.Handler{Drop: func(r swarm.Reason) { s.opts.Metrics.Dropped.WithLabelValues(r.String()).Inc() }},
		Log:     s.opts.Log.With(keyStream, st.id, keyName, st.name),
	})
	member, err := s.opts.Transport.Join(st.descriptor, s.opts.Announce, part.loop)
	if err != nil {
		return fmt.Errorf("join the torrent of the descriptor: %w", err)
	}
	ctx, part.stop = context.WithCancel(ctx)
	s.follows.Go(func() {
		defer member.Close()
		if err := part.loop.Run(ctx); err != nil {
			s.opts.Log.Error("the seed has left its swarm", keyStream, st.id, keyErr, err)
		}
	})
	st.part.Store(part)
	for _, r := range st.all() {
		// Under the rendition's lock, so that no piece is fed before those that precede it.
		r.mu.Lock()
		part.feed(r.win.shown)
		r.mu.Unlock()
	}
	s.opts.Log.Debug("seeding", keyStream, st.id, keyName, st.name, "infohash", st.descriptor.InfoHash.String())
	return nil
}

// records returns the envelopes by which entries are judged.
func (s *stream) records() [][]byte {
	s.mu.RLock()
	defer s.mu.RUnlock()
	out := make([][]byte, 0, len(s.rotations)+len(s.sessions))
	for _, r := range s.rotations {
		out = append(out, r)
	}
	for _, r := range s.sessions {
		out = append(out, r.envelope)
	}
	return out
}

// leave ends the seed's part in the stream's swarm.
func (s *stream) leave() {
	if part := s.part.Swap(nil); part != nil {
		part.service.opts.Metrics.Peers.DeleteLabelValues(string(s.id))
		s.seen.swarm(0, 0)
		part.stop()
	}
}

// post runs fn with the node soon. Once the part has ended there is nobody to tell.
func (p *swarming) post(fn func(now swarm.Time, n *swarm.Node)) { _ = p.loop.Post(fn) }

// feed hands verified items to the swarm.
func (p *swarming) feed(items []*item) {
	for _, it := range items {
		if !it.complete() {
			continue
		}
		h, err := swarm.HeadOf(manifest.Signed{Entry: it.entry, Envelope: it.signed}, it.leaves)
		if err != nil {
			p.service.opts.Log.Error("a piece does not go to the swarm", keyStream, p.stream.id, keyPosition, it.position().String(), keyErr, err)
			continue
		}
		init, hasInit := event.TracksAnnounced{}, false
		if !it.entry.Init.IsZero() {
			init, hasInit = p.stream.init(it.entry.Init)
		}
		p.post(func(now swarm.Time, n *swarm.Node) {
			if hasInit {
				n.AddInit(now, init.Root, init.Init)
			}
			n.Add(now, h, it.data, swarm.FromSeed)
		})
	}
}

// learn passes a rotation or session record on.
func (p *swarming) learn(envelope json.RawMessage) {
	p.post(func(now swarm.Time, n *swarm.Node) {
		if err := n.AddRecord(now, envelope); err != nil {
			p.service.opts.Log.Debug("a record is not passed on in the swarm", keyStream, p.stream.id, keyErr, err)
		}
	})
}

// count brings the metrics up to date, and the node's idea of how large the swarm is.
func (p *swarming) count() {
	size := 0
	if p.service.opts.SwarmSize != nil {
		size = p.service.opts.SwarmSize(p.stream.descriptor.InfoHash)
	}
	m := p.service.opts.Metrics
	p.post(func(_ swarm.Time, n *swarm.Node) {
		n.SetSwarm(size)
		s := n.Stats()
		m.Peers.WithLabelValues(string(p.stream.id)).Set(float64(s.Conns))
		m.Given.Add(float64(s.Sent - p.sent))
		p.stream.seen.swarm(s.Sent-p.sent, s.Conns)
		p.sent = s.Sent
	})
}

// trackers are those that a viewer is told who reached this server at base. Ours is
// there twice: browsers come to it by WebSocket.
func (o *Options) trackers(base string) []string {
	switch {
	case len(o.Trackers) > 0:
		return o.Trackers
	case !o.Tracker:
		return nil
	case o.PublicURL != "":
		base = strings.TrimRight(o.PublicURL, "/")
	}
	// http becomes ws, https wss.
	return []string{base + "/announce", "ws" + strings.TrimPrefix(base, "http") + "/announce"}
}

// Knows reports whether a torrent is one of this installation's: a stream's descriptor or
// a file of the archive. Nobody may find peers of a sensitive stream, so its are not.
func (s *Service) Knows(hash [20]byte) bool {
	for _, st := range s.known() {
		if st.descriptor.InfoHash == hash {
			return !st.state().Sensitive
		}
	}
	for _, f := range s.shared() {
		if f.Close.InfoHash == hash {
			return true
		}
	}
	return false
}

// shared returns the archive's files that torrents are for, the newest first.
func (s *Service) shared() []*Archived {
	return slices.DeleteFunc(s.Archive(), func(f *Archived) bool { return s.isSensitive(f.Stream) })
}

func (s *Service) isSensitive(id event.StreamID) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	st := s.streams[id]
	return st != nil && st.state().Sensitive
}

// refuseTorrent answers for a sensitive stream, and reports whether it did.
func refuseTorrent(w http.ResponseWriter, st *stream) bool {
	if !st.state().Sensitive {
		return false
	}
	fail(w, http.StatusNotFound, "this stream is sensitive: it has no torrents, and viewers take it from this server alone")
	return true
}

// StreamOf returns the stream of whose descriptor a torrent is.
func (s *Service) StreamOf(hash [20]byte) (event.StreamID, bool) {
	for _, st := range s.known() {
		if st.descriptor.InfoHash == hash {
			return st.id, true
		}
	}
	return "", false
}

// serveTorrent answers with the torrent file by which the stream's peers meet.
func (s *Service) serveTorrent(w http.ResponseWriter, r *http.Request) {
	st := s.findStream(w, r)
	if st == nil || refuseTorrent(w, st) {
		return
	}
	h := w.Header()
	h.Set("Cache-Control", cacheNever) // it says how this server was reached
	h.Set("Content-Disposition", `attachment; filename="`+st.descriptor.FileName()+`.torrent"`)
	s.serveText(w, r, "api", "application/x-bittorrent", st.descriptor.Torrent(s.opts.trackers(requestBase(r))), nil)
}
