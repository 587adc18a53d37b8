package peer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
	"github.com/shoalcast/shoal/swarm/live"
)

// Options say what to watch and where to put it.
type Options struct {
	URL       string          // a viewer's link, see ParseLink
	Rendition event.Rendition // default: event.Source
	// Out takes the verified media. It can hold one format only; File takes its place,
	// and where the format changes goes on in File.2, File.3 and so on. With neither,
	// the stream is verified and dropped.
	Out    io.Writer
	File   string
	Length time.Duration // media time to write, from a keyframe; 0: until ctx ends
	// Stats is called every StatsEvery (default 1 s), from one goroutine.
	Stats      func(Line)
	StatsEvery time.Duration
	PinFile    string       // remembers the first key seen under a link without id; empty: nothing does
	Log        *slog.Logger // default: none
	HTTPClient *http.Client // default: one of our own, closed at the end
	// Patience is how long to go without a new piece before giving up; 0: for ever, so
	// that a live stream that comes back is watched on.
	Patience time.Duration
	// HLS is where a local low-latency HLS server of what is verified listens, such as
	// 127.0.0.1:9000; empty: nowhere. An address that cannot be had is an
	// *hls.AddressError.
	HLS string
	// Serving is told the address of the playlist once the server listens.
	Serving func(playlist string)
	// Transport brings the stream's peers together; nil watches over HTTP alone.
	Transport live.Transport
	// STUN is told, before the swarm is joined, which STUN servers the stream's page names,
	// as host:port; it is not called where that names none.
	STUN   func(servers []string)
	UpRate int64            // bit/s that are given to other viewers at most; 0: the swarm's default
	NoUp   bool             // give other viewers nothing
	Now    func() time.Time // the viewer's clock; default: time.Now
	// Telemetry lets the viewer tell the stream's server how it plays, where the stream's
	// manifest wants that (docs/spec/telemetry.md).
	Telemetry bool

	timing *timing // for tests
}

const tickEvery = 100 * time.Millisecond

// Watch plays a stream until Length is written or ctx ends, neither of which is an
// error, and says what it saw. The error is a *NoCopyError when a piece had no valid
// copy (where copies were bad, at once; where there was none, after watching on to the
// end), wraps ErrBroken on evidence against the stream, and is a sentence for whoever
// asked otherwise.
func Watch(ctx context.Context, o Options) (Summary, error) {
	link, err := ParseLink(o.URL)
	if err != nil {
		return Summary{}, err
	}
	o = o.withDefaults()
	if link.Location == nil && o.Transport == nil {
		return Summary{}, errors.New("the magnet link has no xs, the stream's page, and watching over HTTP begins there")
	}
	if o.HTTPClient == nil {
		transport := http.DefaultTransport.(*http.Transport).Clone()
		transport.MaxIdleConnsPerHost = 16
		defer transport.CloseIdleConnections()
		o.HTTPClient = &http.Client{Transport: transport}
	}
	players, err := servePlayers(ctx, o, link)
	if err != nil {
		return Summary{}, err
	}
	out := output{open: o.open, log: o.Log.Info, limit: event.TicksOf(o.Length)}
	if err := out.begin(); err != nil {
		return Summary{}, errors.Join(err, players.stop())
	}
	w := &watcher{options: o, began: o.Now(), feed: &feed{}, out: out, players: players}
	err = ended(ctx, w.watch(ctx, link))
	return w.finish(errors.Join(err, players.stop()))
}

// watch joins the stream and plays it.
func (w *watcher) watch(ctx context.Context, link Link) error {
	o := w.options
	in, err := o.enter(ctx, link)
	if err != nil {
		return err
	}
	w.good, w.clock = in.good, in.clock

	inner, cancel := context.WithCancel(ctx)
	defer cancel()
	group, inner := errgroup.WithContext(inner)
	steps, pieces := make(chan step, 8), make(chan fetched)
	f := &follower{
		origin: in.origin, records: in.records, rendition: o.Rendition, timing: *o.timing, log: o.Log, feed: w.feed, out: steps,
	}
	g := &gatherer{source: in.origin, rendition: o.Rendition, timing: *o.timing, in: steps, out: pieces}
	if err := w.join(in); err != nil {
		return err
	}
	if w.party != nil {
		f.party, g.source = w.party, w.party
		group.Go(func() error { return w.party.run(inner) })
	}
	told := w.tell(ctx, in)
	group.Go(func() error { return f.run(inner, in.document) })
	group.Go(func() error { return g.run(inner) })
	err = w.run(ctx, pieces)
	cancel()
	for range pieces { // so that the gatherer can end
	}
	if failed := group.Wait(); err == nil && !errors.Is(failed, context.Canceled) {
		err = failed
	}
	w.telling.end(w.clock.Now(), w, errors.Is(err, ErrBroken))
	<-told
	return err
}

// tell begins to report, where the viewer and the stream's server want it. The channel is
// closed once the last report has gone, or need not be waited for.
func (w *watcher) tell(ctx context.Context, in *entrance) <-chan struct{} {
	told := make(chan struct{})
	if !w.options.Telemetry || !in.document.Telemetry || in.origin == nil {
		close(told)
		return told
	}
	reports := make(chan event.Report, reportsWaiting)
	w.telling = in.tellsOf(w.options, w.clock.Now(), w.party != nil, reports)
	go func() {
		defer close(told)
		postReports(ctx, in.origin, reports, w.options.Log)
	}()
	return told
}

// join joins the stream's swarm, where there is a transport and viewers may learn each
// other's addresses. A swarm that cannot be joined keeps nobody from watching over HTTP.
func (w *watcher) join(in *entrance) error {
	o := w.options
	if o.Transport == nil || in.document.Sensitive {
		return nil
	}
	p := newParty(in.party(o))
	if err := p.join(o.Transport, in.descriptor, in.trackers); err != nil {
		if in.origin == nil {
			return err
		}
		o.Log.Warn("watching over HTTP alone", "error", err)
		return nil
	}
	for _, addr := range in.seeds {
		p.member.Dial(swarm.Dial{Hint: swarm.Hint{Addr: addr, Role: swarm.Seed}})
	}
	w.party, w.playhead.Lead = p, p.lead()
	w.uploaded = func() int64 { _, given := p.figures(); return given }
	return nil
}

// ended drops the error of a session that was ended from outside.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil && !errors.Is(err, ErrBroken) {
		if noCopy := (*NoCopyError)(nil); !errors.As(err, &noCopy) {
			return nil
		}
	}
	return err
}

func (o Options) withDefaults() Options {
	if o.Rendition == "" {
		o.Rendition = event.Source
	}
	if o.StatsEvery <= 0 {
		o.StatsEvery = time.Second
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.timing == nil {
		t := defaultTiming()
		o.timing = &t
	}
	return o
}

// open opens an output by its number, from 1.
func (o Options) open(i int) (io.WriteCloser, error) {
	switch {
	case o.File != "" && i == 1:
		return os.Create(o.File)
	case o.File != "":
		return os.Create(o.File + "." + strconv.Itoa(i))
	case o.Out == nil:
		return unclosed{io.Discard}, nil
	case i > 1:
		return nil, ErrFormatChanged
	}
	return unclosed{o.Out}, nil
}

// unclosed is an output that belongs to somebody else.
type unclosed struct{ io.Writer }

// Close does nothing.
func (unclosed) Close() error { return nil }

// clockQuestions is how often the server is asked for its time, once, at the start.
const clockQuestions = 3

func setClock(ctx context.Context, o *origin, t timing) (*Clock, time.Duration, error) {
	var readings []clockReading
	for range clockQuestions {
		err := retry(ctx, t.retry(t.joinFor), func() error {
			r, err := o.time(ctx)
			if err == nil {
				readings = append(readings, r)
			}
			return err
		})
		if err != nil {
			return nil, 0, err
		}
	}
	trip := readings[0].roundTrip()
	for _, r := range readings {
		trip = min(trip, r.roundTrip())
	}
	return newClock(o.now, readings...), trip, nil
}

// watcher is the session's loop: it alone owns playhead, summary and output.
type watcher struct {
	options  Options
	clock    *Clock
	good     State
	began    time.Time
	feed     *feed
	playhead Playhead
	summary  Summary
	out      output
	players  *players     // nil: none are served
	party    *party       // in the stream's swarm; nil: over HTTP alone
	telling  *telling     // nil: nothing is reported
	behind   histogram    // see Behind
	uploaded func() int64 // bytes of blocks given to others so far; nil: none are
	last     Line
	missing  error // the first piece nobody had
	news     time.Time
	shown    time.Time
}

func (w *watcher) run(ctx context.Context, pieces <-chan fetched) error {
	tick := time.NewTicker(tickEvery)
	defer tick.Stop()
	w.news, w.shown = w.options.Now(), w.began
	for !w.out.full() {
		select {
		case <-ctx.Done():
			return nil
		case f, ok := <-pieces:
			if !ok {
				return nil // the follower says why
			}
			if err := w.take(f); err != nil {
				return err
			}
		case <-tick.C:
			if err := w.tick(); err != nil {
				return err
			}
		}
	}
	return nil
}

// take plays and writes a piece.
func (w *watcher) take(f fetched) error {
	if errors.Is(f.err, context.Canceled) {
		return nil
	}
	w.summary.tally(f)
	if w.party != nil {
		w.party.passed(f.entry.Position())
		w.playhead.Lead = w.party.lead()
	}
	if f.rejected > 0 {
		w.options.Log.Warn("copies of a piece were not what was signed", "at", f.entry.Position(), "copies", f.rejected)
	}
	if f.broke || f.err != nil {
		w.out.broke()
	}
	var noCopy *NoCopyError
	switch {
	case errors.As(f.err, &noCopy) && noCopy.Rejected == 0:
		w.options.Log.Error("a piece is not to be had, going on without it", "error", f.err)
		if w.missing == nil {
			w.missing = f.err
		}
		return w.players.add(f)
	case f.err != nil:
		return f.err
	}
	w.news = w.options.Now()
	w.behind.note(f, w.clock.Now())
	w.telling.arrived(f, w.clock.Now(), &w.playhead)
	w.playhead.Add(w.clock.Now(), Chunk{
		Position: f.entry.Position(), PTS: f.entry.PTS, Dur: f.entry.Dur,
		At: time.UnixMilli(f.entry.At), Ready: time.UnixMilli(f.entry.Issued), Catchup: f.catchup,
	})
	if err := w.players.add(f); err != nil {
		return err
	}
	return w.out.write(f)
}

// tick moves the playhead, reports, and looks whether patience is at its end.
func (w *watcher) tick() error {
	now := w.clock.Now()
	state := w.feed.state(now, w.good)
	w.playhead.SetOffline(now, state == Offline)
	w.steer(now)
	w.telling.tick(now, w, state)
	w.players.setEnded(state == Offline && w.options.Now().Sub(w.news) >= endSettle)
	if at := w.options.Now(); at.Sub(w.shown) >= w.options.StatsEvery {
		w.shown = w.shown.Add(at.Sub(w.shown).Truncate(w.options.StatsEvery))
		w.report(state)
	}
	if p := w.options.Patience; p > 0 && w.options.Now().Sub(w.news) >= p {
		return fmt.Errorf("no new piece for %s: the stream is %s", p, state)
	}
	return nil
}

// steer tells the swarm how much time there is for what comes.
func (w *watcher) steer(now time.Time) {
	if w.party == nil {
		return
	}
	epoch, pts, at, ok := w.playhead.Reading(now)
	if !ok {
		return
	}
	if next, first, ok := w.party.next(); ok { // which may stand in another publish, or behind a hole
		_, ahead := w.playhead.Now(now)
		epoch, pts, at = next.Epoch, first, now.Add(ahead)
	}
	w.party.play(epoch, pts, w.options.Now().Add(at.Sub(now)))
}

// collect takes over what the swarm knows.
func (w *watcher) collect() {
	if w.party == nil {
		return
	}
	peers, _ := w.party.figures()
	rejected, duplicate := w.party.collect()
	w.summary.Peers = int64(peers)
	w.summary.BlocksRejected += int64(rejected)
	w.summary.BytesDuplicate += duplicate
}

func (w *watcher) report(state State) {
	w.collect()
	if w.clock != nil {
		w.playhead.Report(w.clock.Now(), &w.summary)
	}
	if w.options.Stats == nil {
		return
	}
	line := Line{
		T: w.options.Now().Sub(w.began).Seconds(), State: state, WrittenMS: millis(w.out.total), Summary: w.summary,
		BehindMS: Behind{P50: w.behind.percentile(0.5), P95: w.behind.percentile(0.95)},
	}
	if w.clock != nil {
		delay, ahead := w.playhead.Now(w.clock.Now())
		line.DelayNow, line.BufferMS = delay.Milliseconds(), ahead.Milliseconds()
	}
	if w.uploaded != nil {
		line.Upload = w.uploaded()
		if passed := line.T - w.last.T; passed > 0 {
			line.Up = int64(float64(8*(line.Upload-w.last.Upload)) / passed)
		}
	}
	w.last = line
	w.options.Stats(line)
}

// finish closes the output and returns the summary with the error that counts.
func (w *watcher) finish(err error) (Summary, error) {
	if errors.Is(err, ErrBroken) {
		w.report(Broken)
	} else if w.clock != nil {
		w.collect()
		w.playhead.Report(w.clock.Now(), &w.summary)
	}
	if err == nil {
		err = w.missing
	}
	return w.summary, errors.Join(err, w.out.close())
}
