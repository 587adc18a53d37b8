package ingest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/time/rate"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/mpegts"
	"github.com/shoalcast/shoal/ingest/srt"
	"github.com/shoalcast/shoal/internal/obs"
)

// ErrNoSRT is the error of ListenSRT where libsrt is not installed. It says what to do.
var ErrNoSRT = srt.ErrMissing

// SRTVersion is the version of libsrt that is installed, or ErrNoSRT.
func SRTVersion() (string, error) { return srt.Version() }

// SRTOptions say how SRT publishers are taken. Zero values have srt.Options' defaults.
type SRTOptions struct {
	Passphrase string
	Latency    time.Duration
}

// ListenSRT opens an address for SRT, which Run serves. Without the library it is
// ErrNoSRT, and all else works.
func (s *Service) ListenSRT(ctx context.Context, address string, o SRTOptions) (netip.AddrPort, error) {
	server, err := srt.New(srt.Options{
		Authorize: s.srtAuthorizer(), Passphrase: o.Passphrase, Latency: o.Latency,
		Limits: srt.Limits{Idle: s.opts.Idle, BytesPerSecond: s.opts.ByteRate},
		Log:    s.opts.Log, Metrics: s.opts.Metrics.SRT,
	})
	if err != nil {
		return netip.AddrPort{}, err
	}
	l, err := server.Listen(ctx, address)
	if err != nil {
		return netip.AddrPort{}, err
	}
	s.srt = append(s.srt, srtListener{server, l})
	return l.Addr(), nil
}

func (s *Service) srtAuthorizer() srtAuthorizer {
	return srtAuthorizer{s, rate.NewLimiter(askAgain, askAgain)}
}

// srtListener is an address, and the server that takes who calls there.
type srtListener struct {
	server *srt.Server
	*srt.Listener
}

func (l srtListener) serve(ctx context.Context) error {
	if err := l.server.Serve(ctx, l.Listener); err != nil && ctx.Err() == nil {
		return fmt.Errorf("serve SRT on %s: %w", l.Addr(), err)
	}
	return nil
}

// srtAuthorizer decides who may publish over SRT.
type srtAuthorizer struct {
	*Service
	again *rate.Limiter // of handshakes about which the bus is asked
}

// The bus is asked about a handshake that would be refused, for the key may have been
// changed a moment ago. Handshakes come by the thread that receives all data of a
// listener, so it is asked briefly and seldom: a flood of wrong keys costs two questions
// a second, and is refused by what the bus said so far.
const (
	askAgain  = 2 // a second
	askAtMost = 20 * time.Millisecond
)

// Check decides by what the bus said so far, and asks it before it refuses a key, as far
// as it may. Of a stream that was added a moment ago it knows nothing: who publishes to
// it before ingest has heard of it is to try again. Start asks the bus about everybody.
func (s srtAuthorizer) Check(r srt.Request) error {
	select {
	case <-s.ready:
	default:
		return nil // nothing is known yet
	}
	name, err := event.ParseStreamName(r.Name)
	if err != nil {
		return &srt.Refusal{Code: srt.BadRequest, Reason: err.Error()}
	}
	state, known := s.streams.Named(name)
	if err := authorize(&state, known, r.Key); err != nil && !s.newKey(name, r.Key) {
		return s.refused(srt.Unauthorized, err)
	}
	s.mu.Lock()
	_, busy := s.publishing[state.ID]
	s.mu.Unlock()
	if busy {
		return s.refused(srt.Conflict, taken(name))
	}
	return nil
}

// newKey asks the bus whether a key that seems wrong is the stream's.
func (s srtAuthorizer) newKey(name event.StreamName, key string) bool {
	if !s.again.Allow() {
		return false
	}
	ctx, cancel := context.WithTimeout(s.life, askAtMost)
	defer cancel()
	_, err := s.authenticate(ctx, name, withKey(key))
	return err == nil
}

func (s srtAuthorizer) Start(ctx context.Context, r srt.Request) (srt.Handler, error) {
	p, err := s.start(ctx, r.Name, r.Key, r.Remote, r.Encoder)
	if err != nil {
		return nil, s.refused(srt.Conflict, err)
	}
	return newSRTPublish(p, r.Program), nil
}

// refused counts a refusal, and gives it the code that its publisher reads.
func (s srtAuthorizer) refused(code srt.Code, err error) error {
	s.opts.Metrics.Refused.Inc()
	var r *Refusal
	if errors.As(err, &r) {
		return &srt.Refusal{Code: code, Reason: r.Reason}
	}
	return err
}

// srtPublish is a session whose access units come in a transport stream.
type srtPublish struct {
	*session
	demuxer *mpegts.Demuxer
	refused error // once the transport stream is seen to lack what was asked for
}

// newSRTPublish takes a program of what comes, or with 0 the first that can be played.
func newSRTPublish(s *session, program uint16) *srtPublish {
	p := &srtPublish{session: s}
	p.demuxer = mpegts.New(mpegts.Options{Sink: s, Program: program, Warn: func(w mpegts.Warning) {
		if w.Code == mpegts.NoProgram {
			p.refused = refuse("%s, which program=%d asks for: name another, or leave program out to take the first", w.Message, program)
			return
		}
		s.warn(w)
	}})
	return p
}

func (p *srtPublish) Write(b []byte) error {
	_, err := p.demuxer.Write(b)
	return cmp.Or(p.refused, err)
}

// Stats tells operators how the connection does.
func (p *srtPublish) Stats(s srt.Stats) {
	p.service.opts.Metrics.Receivers.set(p.name, s)
	err := p.service.bus.PublishReceiverReport(p.id, event.ReceiverReport{
		Epoch: p.epoch, At: time.Now().UnixMilli(), Protocol: "srt", RTT: s.RTT.Microseconds(),
		Bytes: s.Bytes, Packets: s.Packets, Lost: s.Lost, Retransmitted: s.Retransmitted, Dropped: s.Dropped, Undecrypted: s.Undecrypted,
		Buffered: int64(s.Buffered), BufferedFor: s.BufferedTime.Milliseconds(), Latency: s.Latency.Milliseconds(),
	})
	if err != nil {
		p.log.Debug("the figures of a connection were not told", obs.KeyError, err) // the next come in a second
	}
}

// Close publishes what the demuxer still holds, and ends the epoch.
func (p *srtPublish) Close(reason error) {
	p.service.opts.Metrics.Receivers.forget(p.name)
	if err := p.demuxer.Flush(); reason == nil {
		reason = err
	}
	p.session.Close(reason)
}
