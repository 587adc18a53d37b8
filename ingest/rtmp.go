package ingest

import (
	"context"
	"errors"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
)

// rtmpServer makes the server of every RTMP and RTMPS listener.
func (s *Service) rtmpServer() *rtmp.Server {
	return rtmp.New(rtmp.Options{
		Authorize: s.authorizeRTMP,
		Limits:    rtmp.Limits{Idle: s.opts.Idle, BytesPerSecond: s.opts.ByteRate},
		Log:       s.opts.Log,
		Metrics:   s.opts.Metrics.RTMP,
	})
}

func (s *Service) authorizeRTMP(ctx context.Context, r rtmp.Request) (rtmp.Sink, error) {
	p, err := s.start(ctx, r.Name, r.Key, r.Remote, r.Encoder)
	if err != nil {
		s.opts.Metrics.Refused.Inc()
		return nil, rtmpRefusal(err)
	}
	return rtmpSink{p}, nil
}

// rtmpSink is a session as the RTMP server knows it.
type rtmpSink struct{ *session }

func (s rtmpSink) Config(c media.Config) error   { return rtmpRefusal(s.session.Config(c)) }
func (s rtmpSink) Push(u media.AccessUnit) error { return rtmpRefusal(s.session.Push(u)) }

// rtmpRefusal turns a refusal into one whose reason the RTMP server tells its peer.
func rtmpRefusal(err error) error {
	var r *Refusal
	if errors.As(err, &r) {
		return &rtmp.Refusal{Reason: r.Reason}
	}
	return err
}
