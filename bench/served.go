package main

import (
	"context"
	"slices"
	"time"
)

// served is one camera's stream on servers of its own, and the page that shows it.
type served struct {
	page  string
	ready time.Duration // after which there is enough for a page to begin
	sent  func(context.Context) (sent, error)
	stops []func()
}

// sent counts the bytes that the servers have sent by now.
type sent struct {
	media float64 // segments, pieces, and blocks given to a swarm
	lists float64 // playlists, manifests
}

func (s sent) since(b sent) sent { return sent{media: s.media - b.media, lists: s.lists - b.lists} }

func (s *served) onStop(f func()) { s.stops = append(s.stops, f) }

func (s *served) stop() {
	for _, f := range slices.Backward(s.stops) {
		f()
	}
}

// serveOurs starts shoal up and a camera; consent is what the operator lets pages do.
func serveOurs(ctx context.Context, consent string) (*served, error) {
	s := &served{ready: 5 * time.Second}
	up, err := startShoal(ctx, "--consent", consent)
	if err != nil {
		return nil, err
	}
	s.onStop(up.stop)
	stream, err := up.addStream(ctx, "glass")
	if err != nil {
		s.stop()
		return nil, err
	}
	stop, err := startCamera(ctx, browserPicture, stream.RTMP)
	if err != nil {
		s.stop()
		return nil, err
	}
	s.onStop(stop)
	s.page = stream.Watch
	s.sent = func(ctx context.Context) (sent, error) {
		m, err := scrape(ctx, up.at.HTTP+"/metrics")
		kind := func(names ...string) (n float64) {
			for _, name := range names {
				n += m[`shoal_origin_sent_bytes_total{kind="`+name+`"}`]
			}
			return n
		}
		return sent{media: m["shoal_seed_sent_bytes_total"] + kind("piece", "segment", "init"), lists: kind("playlist", "manifest", "api")}, err
	}
	return s, nil
}
