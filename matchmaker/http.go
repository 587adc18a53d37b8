package matchmaker

import (
	"encoding/binary"
	"net/http"
	"net/netip"
	"strconv"
	"strings"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/internal/obs"
)

// Announce serves GET /announce: BEP 3, with compact answers unless compact=0 (BEP 23),
// IPv6 addresses under peers6 (BEP 7). An error is a dictionary with a failure reason, and
// status 200, as clients expect. The parameter ip is believed only of askers on this
// machine or a private network. A request for a WebSocket becomes one, on which the
// WebTorrent tracker protocol is spoken.
func (s *Service) Announce(w http.ResponseWriter, r *http.Request) {
	if upgrade(r) {
		s.serveSocket(w, r)
		return
	}
	q, err := parseAnnounce(r.URL.RawQuery)
	var a answer
	if err == nil {
		from := s.asker(r)
		a, err = s.announce(announcement{
			infohash: q.infohash, peer: q.peer, from: from, addr: netip.AddrPortFrom(believe(from, q.named), q.port),
			left: q.left, downloaded: q.downloaded, uploaded: q.uploaded, stopped: q.stopped, want: q.want,
		})
	}
	s.opts.Metrics.Requests.WithLabelValues("http", "announce", result(err)).Inc()
	if err != nil {
		s.respond(w, failure(err))
		return
	}
	out := map[string]any{
		"interval":     int(s.opts.Interval.Seconds()),
		"min interval": int(s.opts.MinInterval.Seconds()),
		"complete":     a.complete,
		"incomplete":   a.incomplete,
	}
	if q.compact {
		four, six := compact(a.peers)
		out["peers"] = four
		if len(six) > 0 {
			out["peers6"] = six
		}
	} else {
		out["peers"] = listed(a.peers, q.noPeerID)
	}
	s.respond(w, out)
}

// Scrape serves GET /scrape (BEP 48) for the torrents named; the list of all is not given.
func (s *Service) Scrape(w http.ResponseWriter, r *http.Request) {
	hashes, err := parseScrape(r.URL.RawQuery)
	var all []counts
	if err == nil {
		all, err = s.scrape(s.asker(r), hashes)
	}
	s.opts.Metrics.Requests.WithLabelValues("http", "scrape", result(err)).Inc()
	if err != nil {
		s.respond(w, failure(err))
		return
	}
	files := map[string]any{}
	for i, h := range hashes {
		if s.known(h) {
			files[string(h[:])] = map[string]int{
				"complete": all[i].complete, "incomplete": all[i].incomplete, "downloaded": all[i].downloaded,
			}
		}
	}
	s.respond(w, map[string]any{
		"files": files,
		"flags": map[string]int{"min_request_interval": int(s.opts.MinInterval.Seconds())},
	})
}

func failure(err error) map[string]any { return map[string]any{"failure reason": err.Error()} }

func (s *Service) respond(w http.ResponseWriter, answer map[string]any) {
	b, err := bencode.EncodeBytes(answer)
	if err != nil { // only of types that bencode lacks, which we never give
		s.opts.Log.Error("a tracker's answer cannot be written", obs.KeyError, err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/plain")
	h.Set("Content-Length", strconv.Itoa(len(b)))
	h.Set("Cache-Control", "no-store")
	_, _ = w.Write(b) // an asker that has gone needs no answer
}

// compact writes addresses as 6 bytes (BEP 23) and 18 bytes (BEP 7) each.
func compact(peers []found) (four, six string) {
	var b4, b6 []byte
	for _, p := range peers {
		if p.addr.Addr().Is4() {
			b4 = appendAddr(b4, p.addr)
		} else {
			b6 = appendAddr(b6, p.addr)
		}
	}
	return string(b4), string(b6)
}

func appendAddr(b []byte, a netip.AddrPort) []byte {
	b = append(b, a.Addr().AsSlice()...)
	return binary.BigEndian.AppendUint16(b, a.Port())
}

func listed(peers []found, noPeerID bool) []map[string]any {
	out := make([]map[string]any, len(peers))
	for i, p := range peers {
		out[i] = map[string]any{"ip": p.addr.Addr().String(), "port": int(p.addr.Port())}
		if !noPeerID {
			out[i]["peer id"] = string(p.id[:])
		}
	}
	return out
}

// asker finds the address that a request came from: the nearest to us on its way that is
// no trusted proxy.
func (s *Service) asker(r *http.Request) netip.Addr {
	remote, err := netip.ParseAddrPort(r.RemoteAddr)
	if err != nil {
		return netip.IPv4Unspecified()
	}
	from := clean(remote.Addr())
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && s.trusted(from); i-- {
		hop, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		from = clean(hop)
	}
	return from
}

func (s *Service) trusted(a netip.Addr) bool {
	for _, p := range s.opts.TrustedProxies {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// clean returns an address as it is compared and told: IPv4 as such, and without a zone.
func clean(a netip.Addr) netip.Addr { return a.Unmap().WithZone("") }
