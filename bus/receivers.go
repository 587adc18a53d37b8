package bus

import (
	"context"
	"fmt"
	"strings"

	"github.com/nats-io/nats.go"

	"github.com/shoalcast/shoal/event"
)

// reportsWaiting is how many receiver reports may wait for who follows them; more are
// lost.
const reportsWaiting = 256

// PublishReceiverReport tells who follows them how a stream's publish arrives. It waits
// for nothing, and nobody keeps it. It fails while the bus is away.
func (b *Bus) PublishReceiverReport(id event.StreamID, r event.ReceiverReport) error {
	data, err := event.EncodeReceiverReport(r)
	if err != nil {
		return err
	}
	if err := b.nc.Publish(receiverSubject(id), data); err != nil {
		return fmt.Errorf("publish a receiver report of %s: %w", id, explain(err))
	}
	return nil
}

// FollowReceiverReports calls fn with the receiver reports of all streams from now on,
// until ctx ends or the bus is closed. What cannot be read is passed over.
func (b *Bus) FollowReceiverReports(ctx context.Context, fn func(event.StreamID, event.ReceiverReport)) error {
	ctx, done, err := b.begin(ctx)
	if err != nil {
		return err
	}
	defer done()
	reports := make(chan *nats.Msg, reportsWaiting)
	sub, err := b.nc.ChanSubscribe(allReceivers, reports)
	if err != nil {
		return fmt.Errorf("follow receiver reports: %w", explain(err))
	}
	defer func() { _ = sub.Unsubscribe() }()
	for {
		select {
		case m := <-reports:
			id, err := event.ParseStreamID(strings.TrimPrefix(m.Subject, receivers))
			if err != nil {
				continue
			}
			if r, err := event.DecodeReceiverReport(m.Data); err == nil {
				fn(id, r)
			}
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
