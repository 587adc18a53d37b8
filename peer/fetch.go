package peer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
)

// Deliverer is the kind of who delivered a copy.
type Deliverer string

// Who can deliver.
const (
	FromPeer   Deliverer = "peer"
	FromSeed   Deliverer = "seed"
	FromEdge   Deliverer = "edge"
	FromOrigin Deliverer = "origin"
)

// wanted names the bytes that are looked for.
type wanted struct {
	rendition event.Rendition
	at        event.Position
	root      event.Root
	size      int64 // exact; unknown for an init segment
	init      bool
	catchup   bool            // it was there before the viewer
	entry     manifest.Signed // of a piece
}

func (w wanted) String() string {
	if w.init {
		return "init segment " + w.root.String()[:12]
	}
	return "piece " + w.at.String()
}

func (w wanted) holds(data []byte) bool {
	return (w.init || int64(len(data)) == w.size) && manifest.RootOf(data) == w.root
}

// delivered is a copy as it came, not verified.
type delivered struct {
	data []byte
	by   Deliverer

	// Of a copy that came in blocks from several, each verified:

	parts Bytes
	piece *swarm.Piece
}

// source hands out copies of pieces. Each try after the first means that what came
// before did not serve, and should go another way. It reads no more than the wanted
// size; with errCut it returns what came of it.
type source interface {
	copyOf(ctx context.Context, w wanted, try int) (delivered, error)
	// rest lets d pass between tries, or less if there is reason to try again sooner.
	rest(ctx context.Context, w wanted, d time.Duration) error
}

// fetched is a piece that verified, and what it took.
type fetched struct {
	entry     manifest.Entry
	init      initSegment
	data      []byte // nil: no valid copy was to be had
	by        Deliverer
	parts     Bytes // when several delivered it
	rejected  int
	badBlocks int
	duplicate int64
	broke     bool // pieces are missing before this one
	catchup   bool
	gaps      []manifest.Entry // that stand right before this piece
	err       error
}

// initSegment is a verified init segment.
type initSegment struct {
	root event.Root
	data []byte
}

// NoCopyError means that no valid copy of a piece was to be had.
type NoCopyError struct {
	What     string // the piece or init segment
	Rejected int    // copies that were not what was signed; 0: nobody had one
	Err      error  // what went wrong last
}

func (e *NoCopyError) Error() string {
	if e.Rejected > 0 {
		return fmt.Sprintf("no valid copy of %s: %d copies were not what was signed", e.What, e.Rejected)
	}
	return fmt.Sprintf("no valid copy of %s: %v", e.What, e.Err)
}

func (e *NoCopyError) Unwrap() error { return e.Err }

var errRejected = errors.New("the copy is not what was signed")

// attempts is the record of the copies of one piece that did not serve.
type attempts struct {
	leaves   [][][32]byte // of each copy
	rejected int
	cut      int
	goneAt   time.Time
}

// fetch gets copies of what is wanted until one verifies. A bad copy is fetched again
// a bounded number of times, one that is not there for a bounded time; while the
// origin cannot be reached it waits, as long as ctx allows.
func fetch(ctx context.Context, src source, w wanted, t timing) fetched {
	var a attempts
	waits := t.retry(0)
	for try := 0; ; try++ {
		got, err := src.copyOf(ctx, w, try)
		if err == nil && !w.holds(got.data) {
			err = errRejected
		}
		if err == nil {
			return a.accept(got)
		}
		if ctx.Err() != nil {
			return fetched{rejected: a.rejected, err: ctx.Err()}
		}
		if failed := a.note(got.data, err, t); failed != nil {
			return fetched{rejected: a.rejected, err: &NoCopyError{What: w.String(), Rejected: a.rejected, Err: failed}}
		}
		if errors.Is(err, errRejected) || errors.Is(err, errTooLarge) {
			continue // at once: another copy may be good
		}
		wait := waits.NextBackOff()
		if wait == backoff.Stop {
			wait = t.most
		}
		if err := src.rest(ctx, w, wait); err != nil {
			return fetched{rejected: a.rejected, err: err}
		}
	}
}

// note remembers a copy that did not serve, and returns the reason to give up if it was
// one too many.
func (a *attempts) note(data []byte, err error, t timing) error {
	var permanent *backoff.PermanentError
	switch {
	case errors.As(err, &permanent):
		return permanent.Err
	case errors.Is(err, errRejected), errors.Is(err, errTooLarge):
		a.leaves = append(a.leaves, manifest.Leaves(data))
		if a.rejected++; a.rejected >= t.tries {
			return errRejected
		}
	case errors.Is(err, errCut):
		whole := data[:len(data)/event.BlockSize*event.BlockSize]
		a.leaves = append(a.leaves, manifest.Leaves(whole))
		if a.cut++; a.cut >= t.cuts {
			return err
		}
		a.leaves[len(a.leaves)-1] = append(a.leaves[len(a.leaves)-1], cutMark)
	case errors.Is(err, errGone):
		now := time.Now()
		if a.goneAt.IsZero() {
			a.goneAt = now
		}
		if now.Sub(a.goneAt) >= t.goneFor {
			return err
		}
	default: // it could not be reached: nothing is known of the piece
		a.goneAt = time.Time{}
	}
	return nil
}

// cutMark ends the leaves of a copy that was cut off, which is no evidence of bad
// blocks.
var cutMark = [32]byte{}

// accept counts, now that the leaves are known, what was good and bad in the copies
// that came before.
func (a *attempts) accept(got delivered) fetched {
	f := fetched{data: got.data, by: got.by, parts: got.parts, rejected: a.rejected}
	good := manifest.Leaves(got.data)
	for _, copied := range a.leaves {
		for i, leaf := range copied {
			switch {
			case leaf == cutMark:
			case i < len(good) && leaf == good[i]:
				f.duplicate += int64(min(event.BlockSize, len(got.data)-i*event.BlockSize))
			default:
				f.badBlocks++
			}
		}
	}
	return f
}
