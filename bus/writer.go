package bus

import (
	"context"

	"github.com/shoalcast/shoal/event"
)

// PieceWriter publishes one publisher's pieces in order, at most 16 of them
// unacknowledged. Close it when the publisher is done.
type PieceWriter struct{}

// NewPieceWriter returns a writer whose first failure ends it.
func (b *Bus) NewPieceWriter() *PieceWriter { return nil }

// Write hands p to the bus and returns without waiting for its acknowledgement,
// unless 16 are outstanding. Its error is the first that any piece met, for
// instance ErrNoSpace; every later call returns it again. p.Data must not change
// afterwards.
func (w *PieceWriter) Write(ctx context.Context, p *event.Piece) error { return nil }

// Failed is closed once a piece could not be published; Err then says why.
func (w *PieceWriter) Failed() <-chan struct{} { return nil }

// Err returns the first error any piece met, nil as long as there is none.
func (w *PieceWriter) Err() error { return nil }

// Close waits until every piece written is acknowledged, or ctx ends, and returns
// the first error any of them met.
func (w *PieceWriter) Close(ctx context.Context) error { return nil }
