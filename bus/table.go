package bus

import (
	"context"
	"time"
)

// Limits bounds what the bus keeps. The zero value means the defaults.
type Limits struct {
	// Window is the live window; PIECES keeps six times as long. Default 30 s.
	Window time.Duration
	// Piece is the shortest duration of a piece on average: with Window it bounds
	// how many PIECES keeps of one rendition. Default 100 ms.
	Piece time.Duration
	// PiecesBytes bounds PIECES as a whole; the oldest go first. Default 4 GiB, or
	// half of what the server may store, if that is less.
	PiecesBytes int64
}

// Provision creates the streams, or brings them to this build's table and limits.
func (b *Bus) Provision(ctx context.Context, l Limits) error { return nil }
