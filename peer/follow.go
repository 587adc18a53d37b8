package peer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// step is a verified entry in its turn, with what is needed to play its piece.
type step struct {
	entry   manifest.Signed
	init    event.Root
	broke   bool             // something is missing before it
	catchup bool             // it was there before the viewer
	gaps    []manifest.Entry // that stand right before it
}

// feed is what the follower knows of the stream as a whole, for whoever shows it.
type feed struct {
	mu      sync.Mutex
	live    bool
	issued  int64 // Unix ms, of the newest entry that is advertised
	freshMS int64
	rolled  bool // it is older than one that was seen before
}

// state judges the feed at the server's time; good is what it is when all is well.
func (f *feed) state(now time.Time, good State) State {
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case !f.live:
		return Offline
	case f.rolled, f.issued != 0 && manifest.FreshAt(f.issued, f.freshMS, now.UnixMilli()) == manifest.Stale:
		return Stale
	}
	return good
}

// follower keeps asking the origin for what comes after the newest entry it has, checks
// it, and hands it on in order. It goes on across restarts of the origin and from one
// epoch to the next.
type follower struct {
	origin    *origin
	records   records
	rendition event.Rendition
	timing    timing
	log       *slog.Logger
	feed      *feed
	party     *party // nil: entries come from the origin alone
	out       chan<- step

	chain   manifest.Chain
	newest  event.Position   // of what was taken in
	init    event.Root       // of the segment at newest
	dsn     uint64           // of newest
	begun   bool             // a keyframe was handed on
	led     bool             // the party knows from where on pieces are wanted
	broke   bool             // something is missing before the next step
	gaps    []manifest.Entry // since the last step; at most a window of them
	missing string           // why the origin is not answering; logged once
	bad     int              // replies in a row that did not verify
}

// run follows the stream from the document that the viewer joined with until ctx ends
// or the stream is broken. It closes out.
func (f *follower) run(ctx context.Context, d document) error {
	defer close(f.out)
	for joined := false; ; {
		if d.Sensitive && f.party != nil { // since it was joined
			f.party.leave()
		}
		err := f.take(ctx, d, !joined)
		if err == nil {
			joined, f.bad = true, 0
			d, err = f.next(ctx)
		} else if err = f.doubt(ctx, err); err == nil {
			d, err = f.again(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// doubt decides about a reply that did not verify: evidence ends the session, anything
// else may be a cache or a wire, and is asked for again a bounded number of times.
func (f *follower) doubt(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, ErrBroken) {
		return err
	}
	if errors.Is(err, manifest.ErrFork) || errors.Is(err, manifest.ErrLink) {
		return fmt.Errorf("%w: %w", ErrBroken, err)
	}
	if f.bad++; f.bad >= f.timing.replies {
		return fmt.Errorf("%w: %d manifests in a row do not verify: %w", ErrBroken, f.bad, err)
	}
	f.log.Warn("a manifest does not verify, asking again", "error", err)
	return pause(ctx, f.timing.first<<f.bad)
}

// again gets what may stand in the place of a reply that did not verify.
func (f *follower) again(ctx context.Context) (document, error) {
	if f.party != nil {
		return f.next(ctx)
	}
	return f.reach(ctx, "")
}

// next waits for news: by gossip, or, when there was none for a while, from the origin
// too.
func (f *follower) next(ctx context.Context) (document, error) {
	switch {
	case f.party == nil:
		return f.poll(ctx)
	case f.origin == nil:
		return f.gossip(ctx, f.timing.silence)
	}
	if quiet := f.party.flowing(f.newest); quiet > 0 {
		if d, err := f.gossip(ctx, quiet); err != nil || len(d.Renditions) > 0 {
			return d, err
		}
	}
	// Both are waited for: whichever has something first.
	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	heard := make(chan document, 1)
	go func() {
		defer close(heard)
		if entries := f.party.after(inner, f.newest); len(entries) > 0 {
			heard <- f.told(entries)
			cancel()
		}
	}()
	d, err := f.poll(inner)
	cancel()
	if said, ok := <-heard; ok && (err != nil || len(d.Renditions[f.rendition].Entries) == 0) {
		return said, nil
	}
	return d, err
}

// gossip waits for entries from the swarm. There are none in what it returns if none
// came in time. What is missing is waited for no longer where nobody else has it.
func (f *follower) gossip(ctx context.Context, quiet time.Duration) (document, error) {
	inner, cancel := context.WithTimeout(ctx, quiet)
	defer cancel()
	entries := f.party.after(inner, f.newest)
	if len(entries) == 0 && f.origin == nil {
		entries = f.party.beyond(f.newest)
	}
	if len(entries) == 0 {
		return document{gossip: true}, ctx.Err()
	}
	return f.told(entries), nil
}

// told returns entries that came by gossip as a document.
func (f *follower) told(entries []manifest.Envelope) document {
	return document{gossip: true, Live: true, Renditions: map[event.Rendition]renditionEntry{f.rendition: {Entries: entries}}}
}

// poll waits for a document with news: entries after the newest, or another liveness.
func (f *follower) poll(ctx context.Context) (document, error) {
	for {
		asked := time.Now()
		d, err := f.reach(ctx, fmt.Sprintf("r=%s&after=%d.%d", f.rendition, f.newest.Epoch, f.newest.N))
		if err != nil || len(d.Renditions[f.rendition].Entries) > 0 {
			return d, err
		}
		f.feed.mu.Lock()
		changed := f.feed.live != d.Live
		f.feed.mu.Unlock()
		if changed {
			return d, nil
		}
		if wait := f.timing.again - time.Since(asked); wait > 0 {
			if err := pause(ctx, wait); err != nil {
				return d, err
			}
		}
		if d.Live { // frozen, or gone back: what does it advertise?
			return f.reach(ctx, "")
		}
		if err := f.records.learn(d); err != nil {
			return d, err
		}
	}
}

// reach fetches a document for as long as it takes.
func (f *follower) reach(ctx context.Context, query string) (document, error) {
	var d document
	err := retry(ctx, f.timing.retry(0), func() error {
		var err error
		d, err = f.origin.manifest(ctx, query)
		if err != nil && ctx.Err() == nil && f.missing == "" {
			f.missing = err.Error()
			f.log.Warn("the origin does not answer, trying again", "error", err)
		}
		return err
	})
	if err == nil && f.missing != "" {
		f.missing = ""
		f.log.Info("the origin answers again")
	}
	return d, err
}

// take checks a document and hands on what is new in it.
func (f *follower) take(ctx context.Context, d document, joining bool) error {
	if !d.gossip {
		if err := f.records.learn(d); err != nil {
			return err
		}
		if f.party != nil {
			f.party.learn(slices.Concat(d.Rotations, d.Sessions))
		}
	}
	entries, err := f.open(ctx, d.Renditions[f.rendition].Entries)
	if err != nil {
		return err
	}
	if joining && d.Live {
		entries = f.lookBack(ctx, entries)
	}
	f.advertise(d, entries)
	if joining && !d.Live {
		f.log.Info("the stream is offline, waiting for it to begin", "page", f.origin.loc.Page())
	}
	if joining && len(entries) > 0 {
		// The past ends with the last keyframe before now; offline, all is past.
		from := len(entries)
		if at := lastKey(entries); d.Live && at >= 0 {
			from = at
		}
		for _, s := range entries[:from] {
			f.pass(s.Entry)
		}
		entries = entries[from:]
	}
	if newest := last(entries, f.newest); joining && f.party != nil && newest != (event.Position{}) {
		// The past is the origin's to bring: whoever joins shall not wait for it.
		f.party.follow(event.Position{Epoch: newest.Epoch, N: newest.N + 1})
		f.led = true
	}
	for _, s := range entries {
		if err := f.hand(ctx, s, joining); err != nil {
			return err
		}
	}
	return nil
}

// last returns the position of the last entry, or before where there is none.
func last(entries []manifest.Signed, before event.Position) event.Position {
	if len(entries) == 0 {
		return before
	}
	return entries[len(entries)-1].Entry.Position()
}

// advertise updates the feed with the newest entry of a document.
func (f *follower) advertise(d document, entries []manifest.Signed) {
	f.feed.mu.Lock()
	defer f.feed.mu.Unlock()
	if f.feed.live != d.Live && f.newest != (event.Position{}) {
		if d.Live {
			f.log.Info("the stream is live again")
		} else {
			f.log.Info("the stream went offline, waiting for it to come back")
		}
	}
	f.feed.live = d.Live
	if len(entries) == 0 {
		return
	}
	newest := entries[len(entries)-1].Entry
	rolled := newest.Position().Before(f.newest)
	if rolled && !f.feed.rolled {
		f.log.Warn("the origin went back to an older entry", "newest", newest.Position(), "seen", f.newest)
	}
	f.feed.rolled, f.feed.issued = rolled, newest.Issued
	if s, _, ok := f.records.trust.SessionAt(newest.Position()); ok {
		f.feed.freshMS = s.FreshMS
	}
}

// open verifies entries, in order of position. It fetches session records that are not
// known yet.
func (f *follower) open(ctx context.Context, envelopes []manifest.Envelope) ([]manifest.Signed, error) {
	entries := make([]manifest.Signed, 0, len(envelopes))
	for _, env := range envelopes {
		e, err := f.records.trust.Open(env)
		for try := 0; errors.Is(err, manifest.ErrUnknownSession) && try < f.timing.records; try++ {
			if perr := pause(ctx, min(f.timing.first<<try, f.timing.most)); perr != nil {
				return nil, perr
			}
			if derr := f.refresh(ctx); derr != nil {
				return nil, derr
			}
			e, err = f.records.trust.Open(env)
		}
		if err != nil {
			return nil, err
		}
		if e.R != f.rendition {
			return nil, fmt.Errorf("entry %s belongs to rendition %s", e.Position(), e.R)
		}
		if err := f.chain.Check(e, env.Payload); errors.Is(err, manifest.ErrOutsideWindow) {
			continue
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, manifest.Signed{Entry: e, Envelope: env})
	}
	slices.SortFunc(entries, func(a, b manifest.Signed) int {
		switch {
		case a.Entry.Position().Before(b.Entry.Position()):
			return -1
		case b.Entry.Position().Before(a.Entry.Position()):
			return 1
		}
		return 0
	})
	return entries, nil
}

// refresh looks for new session records at the origin. In a swarm they may come from
// there meanwhile, so that an origin that does not answer is not waited for.
func (f *follower) refresh(ctx context.Context) error {
	if f.origin == nil {
		return nil
	}
	inner, cancel := ctx, context.CancelFunc(func() {})
	if f.party != nil {
		inner, cancel = context.WithTimeout(ctx, f.timing.most)
	}
	defer cancel()
	d, err := f.reach(inner, "")
	switch {
	case err == nil:
		return f.records.learn(d)
	case f.party != nil && ctx.Err() == nil:
		return nil
	}
	return err
}

// lastKey returns the index of the last entry at which a decoder can start, -1 if none.
func lastKey(entries []manifest.Signed) int {
	for i := len(entries) - 1; i >= 0; i-- {
		if e := &entries[i].Entry; e.Key && e.StartsSegment() {
			return i
		}
	}
	return -1
}

// Bounds of how far back a keyframe is looked for: encoders with GOPs longer than this
// are joined at their next keyframe.
const (
	lookBackBy    = 100 // entries a fetch
	lookBackTimes = 4
)

// lookBack extends the newest entries to the keyframe before them, where it can.
func (f *follower) lookBack(ctx context.Context, entries []manifest.Signed) []manifest.Signed {
	for range lookBackTimes {
		if len(entries) == 0 || entries[0].Entry.N == 0 || lastKey(entries) >= 0 {
			return entries
		}
		first := entries[0].Entry
		from := first.N - min(first.N, lookBackBy)
		d, err := f.origin.manifest(ctx, fmt.Sprintf("r=%s&epoch=%d&from=%d&to=%d", f.rendition, first.Epoch, from, first.N-1))
		var older []manifest.Signed
		if err == nil {
			older, err = f.open(ctx, d.Renditions[f.rendition].Entries)
		}
		if err != nil || len(older) == 0 || older[len(older)-1].Entry.N+1 != first.N {
			f.log.Debug("no keyframe to be had before the newest entries, waiting for the next", "error", err)
			return entries
		}
		entries = append(older, entries...)
	}
	return entries
}

// pass takes an entry in without playing it.
func (f *follower) pass(e manifest.Entry) {
	if e.StartsSegment() {
		f.init = e.Init
	} else if e.DSN != f.dsn { // a new init segment comes with a new number
		f.init = event.Root{}
	}
	f.newest, f.dsn = e.Position(), e.DSN
}

// hand gives an entry to whoever fetches, unless it is known, a gap, or nothing can be
// played before a keyframe.
func (f *follower) hand(ctx context.Context, signed manifest.Signed, joining bool) error {
	e, was := signed.Entry, f.newest
	if was != (event.Position{}) && !was.Before(e.Position()) {
		return nil
	}
	if f.begun && (e.Epoch == was.Epoch && e.N != was.N+1 || e.Epoch != was.Epoch && e.N != 0) {
		f.log.Warn("entries are missing", "after", was, "before", e.Position())
		f.broke = true
	}
	f.pass(e)
	switch {
	case e.Gap:
		f.log.Warn("a piece was lost before it was signed", "at", e.Position())
		f.broke = true
		if f.begun && len(f.gaps) < manifest.MaxWindowEntries {
			f.gaps = append(f.gaps, e)
		}
		return nil
	case f.init.IsZero(), !f.begun && !(e.Key && e.StartsSegment()):
		return nil
	}
	if f.party != nil && !f.led {
		f.party.follow(e.Position())
		f.led = true
	}
	s := step{entry: signed, init: f.init, broke: f.broke, catchup: joining, gaps: f.gaps}
	f.begun, f.broke, f.gaps = true, false, nil
	select {
	case f.out <- s:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
