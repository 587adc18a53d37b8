package bus

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/event"
)

// Place is where a follower of TELEMETRY is: at the message with that sequence and time. The
// zero value is before all. A crash of the server may take the stream's tail and give its
// sequences to other reports: then the time says where to go on.
type Place struct {
	Seq uint64    `json:"seq"`
	At  time.Time `json:"at"` // by the server
}

// Reported is one report as it came on the bus.
type Reported struct {
	event.Report
	Place Place
}

// PublishReport publishes a report and waits until the bus has it. It may come twice where an answer is lost: whoever counts
// looks at its session and number.
func (b *Bus) PublishReport(ctx context.Context, r *event.Report) error {
	line, err := event.AppendReport(nil, r)
	if err != nil {
		return err
	}
	if r.Reporter.Serves() {
		return b.publishReport(ctx, r.Stream, serverTelemetrySubject(r.Stream, r.Session), line)
	}
	return b.PublishReportLine(ctx, r.Stream, r.Session, line)
}

// PublishReportLine publishes a viewer's report as it was written by somebody else.
func (b *Bus) PublishReportLine(ctx context.Context, id event.StreamID, session string, line []byte) error {
	return b.publishReport(ctx, id, telemetrySubject(id, session), line)
}

func (b *Bus) publishReport(ctx context.Context, id event.StreamID, subject string, line []byte) error {
	if err := b.disk.room(len(line), false); err != nil {
		return fmt.Errorf("publish a report of %s: %w", id, err)
	}
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	if _, err := b.js.PublishMsg(ctx, &nats.Msg{Subject: subject, Data: line}); err != nil {
		return fmt.Errorf("publish a report of %s: %w", id, explain(err))
	}
	return nil
}

var (
	// ErrForeign is of a report that came from a page of another stream than it names.
	ErrForeign = errors.New("the report is of another stream than whoever sent it watches")
	// ErrNoServer is of a report that came from a viewer and says that it is a seed's or an edge's.
	ErrNoServer = errors.New("the report is a viewer's and says that it is a server's")
)

// FollowReports calls fn with all reports after a place that are kept, then live. What cannot be read goes to DEAD, as far as
// keep lets it (nil: always): dropped is told of each, and why. The report is fn's until it returns.
func (b *Bus) FollowReports(ctx context.Context, after Place, dropped func(error) (keep bool), fn func(context.Context, *Reported) error) error {
	f := &follower{
		b: b, kind: "telemetry", stream: streamTelemetry, subject: allReports, whole: true,
		stamped: true, last: after.Seq, lastAt: after.At,
	}
	var report Reported // one for all: a sink takes many thousands a second
	f.handle = func(ctx context.Context, m jetstream.Msg, seq uint64) error {
		r, err := reportOf(m)
		if err != nil {
			if dropped != nil && !dropped(err) {
				return nil
			}
			return fmt.Errorf("%w: %w", errMalformed, err)
		}
		report = Reported{Report: r, Place: Place{Seq: seq, At: f.at}}
		return fn(ctx, &report)
	}
	return f.run(ctx)
}

func reportOf(m jetstream.Msg) (event.Report, error) {
	id, server, err := originOfReport(m.Subject())
	if err != nil {
		return event.Report{}, err
	}
	r, err := event.DecodeReport(m.Data())
	switch {
	case err != nil:
	case r.Stream != id:
		err = ErrForeign
	case r.Reporter.Serves() && !server:
		err = ErrNoServer
	}
	return r, err
}

// stillAt reports whether a stream's message at seq is the one of that time, or has gone of age.
func (b *Bus) stillAt(ctx context.Context, stream string, seq uint64, at time.Time) (bool, error) {
	ctx, cancel := withTimeout(ctx)
	defer cancel()
	s, err := b.look(ctx, stream)
	if err != nil {
		return false, err
	}
	if state := s.CachedInfo().State; seq < state.FirstSeq {
		return state.LastSeq >= seq, nil
	}
	m, err := s.GetMsg(ctx, seq)
	switch {
	case errors.Is(err, jetstream.ErrMsgNotFound):
		return s.CachedInfo().State.LastSeq > seq, nil // its session had too many
	case err != nil:
		return false, fmt.Errorf("read message %d of %s: %w", seq, stream, explain(err))
	}
	return m.Time.Equal(at), nil
}

// TelemetryEnd is the place of the newest report.
func (b *Bus) TelemetryEnd(ctx context.Context) (Place, error) {
	s, err := b.look(ctx, streamTelemetry)
	if err != nil {
		return Place{}, err
	}
	state := s.CachedInfo().State
	return Place{Seq: state.LastSeq, At: state.LastTime}, nil
}

// Ahead is how far the server's clock is before this machine's, to the length of a question.
func (b *Bus) Ahead(ctx context.Context) (time.Duration, error) {
	if b.server != nil {
		return 0, nil
	}
	s, err := b.look(ctx, streamTelemetry)
	if err != nil {
		return 0, err
	}
	return time.Until(s.CachedInfo().TimeStamp), nil
}

// LastSinkState returns what a sink recorded last and its sequence, 0 without any.
func (b *Bus) LastSinkState(ctx context.Context, name string) (state []byte, seq uint64, err error) {
	err = b.read(ctx, func(ctx context.Context) error {
		m, err := b.lastMessage(ctx, streamSinks, sinkSubject(name))
		if err != nil || m == nil {
			return err
		}
		state, seq = m.Data, m.Sequence
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("read the state of sink %s: %w", name, err)
	}
	return state, seq, nil
}

// AppendSinkState records how far a sink is, and returns the record's sequence. It is ErrConflict where another sink of that
// name recorded something after expectLast. When it returns nil the record is on disk.
func (b *Bus) AppendSinkState(ctx context.Context, name string, state []byte, expectLast uint64, messageID string) (uint64, error) {
	if !consumerName.MatchString(name) {
		return 0, fmt.Errorf("%q cannot name a sink: use a-z, 0-9 and -", name)
	}
	seq, err := b.append(ctx, &nats.Msg{Subject: sinkSubject(name), Data: state, Header: nats.Header{}}, expectLast, name+" "+messageID)
	if err != nil {
		return 0, fmt.Errorf("record the state of sink %s: %w", name, err)
	}
	return seq, nil
}
