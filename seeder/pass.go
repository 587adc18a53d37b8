package seeder

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/internal/limit"
)

// How often one address may ask for a pass: a page asks once in ten minutes, and a school
// that comes in at once is one address.
const (
	passRate      = 10 // a second
	passBurst     = 200
	passAddresses = 1 << 16
)

// servePass answers with what a page needs to have its stream's entries by NATS.
func (s *Service) servePass(w http.ResponseWriter, r *http.Request) {
	st := s.findStream(w, r)
	if st == nil {
		return
	}
	if s.opts.Passes == nil {
		fail(w, http.StatusNotFound, "this server has no NATS for pages")
		return
	}
	if from, free := limit.Remote(r.RemoteAddr); !free && !s.passes.Allow(from, time.Now()) {
		w.Header().Set("Retry-After", "10")
		fail(w, http.StatusTooManyRequests, "too many passes were asked for from this address")
		return
	}
	pass, err := s.opts.Passes(st.id)
	if err != nil {
		s.opts.Log.Error("a page gets no pass", keyStream, st.id, keyErr, err)
		fail(w, http.StatusInternalServerError, "the pass could not be made")
		return
	}
	body, err := json.Marshal(struct {
		URL string `json:"url"`
		bus.Pass
	}{socketURL(s.opts.base(requestBase(r))) + "/nats", pass})
	if err != nil {
		fail(w, http.StatusInternalServerError, "the pass could not be written")
		return
	}
	w.Header().Set("Cache-Control", cacheNever)
	s.serveText(w, r, "api", "application/json", body, nil)
}

// base is where viewers reach this server; host is how this one did.
func (o *Options) base(host string) string {
	if o.PublicURL != "" {
		host = o.PublicURL
	}
	return strings.TrimRight(host, "/")
}

// socketURL turns http into ws and https into wss.
func socketURL(base string) string { return "ws" + strings.TrimPrefix(base, "http") }
