package peer

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// Bytes counts verified payload, each piece once, by who delivered the copy that was
// accepted.
type Bytes struct {
	Peer   int64 `json:"peer"`
	Seed   int64 `json:"seed"`
	Edge   int64 `json:"edge"`
	Origin int64 `json:"origin"`
}

func (b *Bytes) add(by Deliverer, n int64) {
	switch by {
	case FromPeer:
		b.Peer += n
	case FromSeed:
		b.Seed += n
	case FromEdge:
		b.Edge += n
	case FromOrigin:
		b.Origin += n
	}
}

func (b *Bytes) join(o Bytes) {
	b.Peer += o.Peer
	b.Seed += o.Seed
	b.Edge += o.Edge
	b.Origin += o.Origin
}

// Delay is how far behind the camera's bytes (their arrival at ingest) the playhead
// was, in milliseconds, sampled every 100 ms of a live session.
type Delay struct {
	P50 int64 `json:"p50"`
	P95 int64 `json:"p95"`
}

// Behind is how long after pieces were signed they were verified here and had their turn,
// in milliseconds by the server's clock, over the session. What was there before the
// viewer does not count.
type Behind struct {
	P50 int64 `json:"p50"`
	P95 int64 `json:"p95"`
}

// Summary is what a session adds up to.
type Summary struct {
	PiecesVerified int64 `json:"pieces_verified"`
	PiecesRejected int64 `json:"pieces_rejected"` // copies whose bytes were not what was signed
	// BlocksRejected counts the 16 KiB blocks that were false. Over HTTP only a piece's
	// root is known, so they are told apart once a good copy is here.
	BlocksRejected int64 `json:"blocks_rejected"`
	Bytes          Bytes `json:"bytes"`
	// BytesDuplicate counts valid payload received more than once: the good blocks of
	// copies that were rejected or cut off.
	BytesDuplicate int64 `json:"bytes_duplicate"`
	DelayMS        Delay `json:"delay_ms"`
	Stalls         int64 `json:"stalls"`     // the playhead was held 250 ms or longer
	StalledMS      int64 `json:"stalled_ms"` // how long it was held in those
	Peers          int64 `json:"peers"`      // connected now
}

// State is what can be said of the stream at a moment.
type State string

// The states of a session.
const (
	Verified   State = "verified"   // everything checked, against the id in the link
	Consistent State = "consistent" // everything checked, against the key seen first
	Stale      State = "stale"      // the newest entry that is advertised is too old
	Offline    State = "offline"    // nobody publishes
	Broken     State = "broken"     // evidence against the stream or its origin
)

// Line is the state of a running session, reported once a second.
type Line struct {
	T     float64 `json:"t"` // seconds since Watch began
	State State   `json:"state"`
	// WrittenMS is the media time verified and handed to the output.
	WrittenMS int64  `json:"written_ms"`
	DelayNow  int64  `json:"delay_now_ms"` // how far the playhead is behind the camera's bytes now; 0: it has not begun
	BufferMS  int64  `json:"buffer_ms"`    // verified media ahead of the playhead
	BehindMS  Behind `json:"behind_ms"`
	Upload    int64  `json:"upload"` // bytes of blocks given to other viewers
	Up        int64  `json:"up"`     // bit/s given since the line before
	Summary
}

// tally folds what fetching found into the summary.
func (s *Summary) tally(e fetched) {
	s.PiecesRejected += int64(e.rejected)
	if e.data == nil {
		return
	}
	s.PiecesVerified++
	if e.parts != (Bytes{}) {
		s.Bytes.join(e.parts)
	} else {
		s.Bytes.add(e.by, int64(len(e.data)))
	}
	s.BlocksRejected += int64(e.badBlocks)
	s.BytesDuplicate += e.duplicate
}

// note adds a piece that was just handed on at a moment of the server's clock.
func (h *histogram) note(f fetched, now time.Time) {
	if !f.catchup {
		h.add(now.Sub(time.UnixMilli(f.entry.Issued)).Milliseconds())
	}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// millis rounds media time down to milliseconds.
func millis(t event.Ticks) int64 { return t.Duration().Milliseconds() }
