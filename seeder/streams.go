package seeder

import (
	"cmp"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shoalcast/shoal/event"
)

// maxListed bounds the list of streams.
const maxListed = 1000

// listing is one stream in /api/v1/streams.
type listing struct {
	Name       event.StreamName  `json:"name"`
	StreamID   event.StreamID    `json:"stream_id"`
	Live       bool              `json:"live"`
	Since      int64             `json:"since,omitzero"` // Unix ms, while live
	WatchURL   string            `json:"watch_url"`
	Renditions []event.Rendition `json:"renditions"`
	Width      int               `json:"width,omitzero"`
	Height     int               `json:"height,omitzero"`
	Codecs     string            `json:"codecs,omitzero"`
}

// serveTime answers with the server's time, by which viewers judge freshness.
func (s *Service) serveTime(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Cache-Control", cacheNever)
	body := strconv.AppendInt([]byte(`{"now":`), time.Now().UnixMilli(), 10)
	s.serveText(w, r, "api", "application/json", append(body, '}'), nil)
}

// serveStreams lists the streams that are not unlisted, live ones first.
func (s *Service) serveStreams(w http.ResponseWriter, r *http.Request) {
	s.mu.RLock()
	named := make([]*stream, 0, len(s.named))
	for _, st := range s.named {
		named = append(named, st)
	}
	s.mu.RUnlock()
	list := []listing{}
	for _, st := range named {
		if !st.state().Unlisted {
			list = append(list, s.describe(st))
		}
	}
	slices.SortFunc(list, func(a, b listing) int {
		if a.Live != b.Live {
			if a.Live {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.Name, b.Name)
	})
	body, err := json.Marshal(list[:min(len(list), maxListed)])
	if err != nil {
		fail(w, http.StatusInternalServerError, "the list could not be written")
		return
	}
	w.Header().Set("Cache-Control", cacheMoment)
	s.serveText(w, r, "api", "application/json", body, nil)
}

func (s *Service) describe(st *stream) listing {
	l := listing{
		Name: st.name, StreamID: st.id, Live: st.isLive(), Renditions: []event.Rendition{},
		WatchURL: strings.TrimSuffix(s.opts.PublicURL, "/") + "/live/" + string(st.name) + "#" + string(st.id),
	}
	if l.Live {
		l.Since = int64(st.state().LastEpoch)
	}
	for _, r := range st.all() {
		l.Renditions = append(l.Renditions, r.name)
		if t, ok := st.tracks(r); ok && t.Width >= l.Width {
			l.Width, l.Height, l.Codecs = t.Width, t.Height, t.Codecs
		}
	}
	return l
}
