package swarm

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// track is one rendition's live window and the lanes it comes by.
type track struct {
	r      event.Rendition
	index  int  // in Node.tracks and neighbour.tracks
	wanted bool // by this node
	left   Time // when it was wanted last; 0: it is, or never was
	source bool // its pieces come from the caller, not from lanes

	pieces []*piece // by position
	open   []*piece // of these, known by head, wanted and not whole
	due    Time     // when one of those is to be looked at, or before
	floor  event.Position
	newest event.Position

	lanes                [allLanes]lane
	kids                 kids
	children             []*neighbour    // that are pushed lanes, in no order
	reckoned             Time            // when spare, least and opens were
	depth                [allLanes]uint8 // this node's own
	branch               [allLanes]uint8 // that its lanes are in
	tag                  uint8           // of the branches that begin here
	spare                uint16
	least                uint32
	opens                LaneMask // lanes of which it takes more children
	toldKids, toldOthers told

	rate    float64 // bytes of media a second, smoothed
	largest int64   // bytes of the largest recent piece, fading
	dur     float64 // seconds a piece lasts, smoothed

	from    event.Position // nothing before is asked for
	follows bool           // from was set
	began   Time           // when the first head came
	headsAt Time           // when missing heads are looked for
	asked   []headAsk

	headMisses int // runs of heads that were asked for in vain, in a row

	playing bool
	play    struct {
		epoch event.Epoch
		pts   event.Ticks
		at    Time
	}
}

// piece is one piece of the window as far as it is here.
type piece struct {
	head     *Head
	at       event.Position
	headAt   Time
	blocks   [][]byte
	left     int // blocks that are missing
	from     [sources]int64
	dup      int64
	rejected int
	asks     []ask // per block
	due      Time  // when it is to be looked at
	fetching bool  // the origin is asked
	failed   bool  // and had no answer
	originAt Time  // it is not asked before
	peersAt  Time  // nor are they
	lacking  bool  // a block is overdue that nobody announced
}

func (p *piece) pos() event.Position { return p.at }
func (p *piece) whole() bool         { return p.left == 0 }

const never Time = 1<<62 - 1

func newTrack(r event.Rendition, index int, source bool) *track {
	t := &track{r: r, index: index, source: source, headsAt: never, due: never, dur: 0.2}
	for l := range t.depth {
		t.depth[l], t.toldKids.depth[l], t.toldOthers.depth[l] = NoDepth, NoDepth, NoDepth
		if source {
			t.depth[l] = 0
		}
	}
	return t
}

func (t *track) search(pos event.Position) (int, bool) {
	// Most often nothing is missing from it to the newest.
	if last := len(t.pieces) - 1; last >= 0 && pos.Epoch == t.newest.Epoch {
		if t.newest.N < pos.N {
			return last + 1, false
		}
		if i := last - int(min(t.newest.N-pos.N, uint64(last))); t.pieces[i].pos() == pos {
			return i, true
		}
	}
	return slices.BinarySearchFunc(t.pieces, pos, func(p *piece, pos event.Position) int {
		switch q := p.pos(); {
		case q.Before(pos):
			return -1
		case pos.Before(q):
			return 1
		}
		return 0
	})
}

func (t *track) find(pos event.Position) *piece {
	if i, ok := t.search(pos); ok {
		return t.pieces[i]
	}
	return nil
}

// insert takes in a head that is new and not before the window.
func (t *track) insert(now Time, h *Head) *piece {
	i, found := t.search(h.Entry.Position())
	if found || h.Entry.Position().Before(t.floor) {
		return nil
	}
	p := &piece{head: h, at: h.Entry.Position(), headAt: now, blocks: make([][]byte, h.Blocks()), left: h.Blocks(), due: now}
	t.pieces = slices.Insert(t.pieces, i, p)
	if t.newest.Before(p.pos()) {
		t.newest = p.pos()
		t.measure(h.Entry)
	}
	if h.Entry.StartsSegment() {
		t.trim()
	}
	return p
}

// measure keeps the stream's rate by its newest pieces.
func (t *track) measure(e manifest.Entry) {
	sec := e.Dur.Duration().Seconds()
	if sec <= 0 || e.Gap {
		return
	}
	const share = 1.0 / 16
	if t.rate == 0 {
		t.rate, t.dur = float64(e.Size)/sec, sec
	} else {
		t.rate += (float64(e.Size)/sec - t.rate) * share
		t.dur += (sec - t.dur) * share
	}
	t.largest = max(e.Size, t.largest-t.largest/64)
}

// laneRate returns what pushing lane l to one child costs, in bit/s.
func (t *track) laneRate(l int) float64 {
	if l == HeadLane {
		return headBytes * 8 / max(t.dur, 0.01)
	}
	if t.rate == 0 {
		return guessedRate / Lanes
	}
	return t.rate * 8 / Lanes
}

const (
	headBytes   = 256 // of a usual head, of three blocks
	guessedRate = 2e6 // bit/s, while nothing is known of a stream
)

// trim lets go of what is no longer playable live. Heads come in any order, so while there
// is room for all, those before the first start of a segment are what came first of one
// whose beginning is under way.
func (t *track) trim() {
	if t.roomy() {
		return
	}
	start := manifest.WindowStart(len(t.pieces), func(i int) *manifest.Entry { return &t.pieces[i].head.Entry })
	if start == 0 {
		return
	}
	t.floor = t.pieces[start].pos()
	for _, p := range t.pieces[:start] {
		p.abandon()
	}
	t.pieces = slices.Delete(t.pieces, 0, start)
	t.open = slices.DeleteFunc(t.open, func(p *piece) bool { return p.pos().Before(t.floor) })
}

// roomy reports whether all that is here fits into the live window.
func (t *track) roomy() bool {
	var media event.Ticks
	var bytes int64
	for _, p := range t.pieces {
		media += p.head.Entry.Dur
		bytes += p.head.Entry.Size
	}
	return media <= manifest.LiveWindow && bytes <= manifest.MaxWindowBytes && len(t.pieces) <= manifest.MaxWindowEntries
}

// lane returns the lane that carries block i of piece number n.
func (t Tuning) lane(n uint64, i int) int {
	if t.ByPiece {
		return int(n % Lanes)
	}
	return int((n + uint64(i)) % Lanes)
}

// slack returns the time left until a piece must be whole, and whether that is known.
func (t *track) slack(now Time, e *manifest.Entry) (time.Duration, bool) {
	if !t.playing || e.Epoch < t.play.epoch {
		return 0, false
	}
	if e.Epoch > t.play.epoch {
		return time.Hour, true // after all of this epoch, however much that is
	}
	ahead := min(max(e.PTS-t.play.pts, -farthest), farthest)
	return t.play.at + ahead.Duration() - now, true
}

// farthest is more media time than any two entries of a live window lie apart.
const farthest = 3600 * event.Timescale

// close takes p off the list of open pieces.
func (t *track) close(p *piece) {
	if i := slices.Index(t.open, p); i >= 0 {
		t.open = slices.Delete(t.open, i, i+1)
	}
}
