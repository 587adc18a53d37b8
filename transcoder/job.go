package transcoder

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
	"github.com/shoalcast/shoal/internal/obs"
)

const (
	// idleAfter is how long nothing may come of a source before its encoder is done, where no
	// fact says so.
	idleAfter = 10 * time.Second
	// lastPieces is how long after the end of an epoch its last pieces may come: facts and
	// pieces come by different ways.
	lastPieces = time.Second
	// joinBefore is how far back a job looks for a keyframe to begin at.
	joinBefore = 2 * time.Second
	// maxFailures is how many encoders of one epoch may fail, none having run for goodRun,
	// before it has no renditions.
	maxFailures = 8
	goodRun     = time.Minute
)

// job makes one stream's renditions as long as it is live.
type job struct {
	opts *Options
	log  *slog.Logger
	id   event.StreamID
	from event.Epoch // earlier ones are over, whatever the bus still has of them

	mu      sync.Mutex
	state   event.StreamState
	changed chan struct{} // closed and replaced when state is

	// Of the goroutine that runs it:
	run      *run
	begun    time.Time
	epoch    event.Epoch // that failures are counted of
	failures int
	pause    *backoff.ExponentialBackOff
	rest     time.Time // nothing is begun before
	last     <-chan struct{}
	quiet    *time.Timer
	rival    rival
	claimed  uint64 // the sequence of this service's newest claim
}

func newJob(o *Options, state event.StreamState) *job {
	closed := make(chan struct{})
	close(closed)
	return &job{
		opts: o, id: state.ID, from: state.LastEpoch, state: state, changed: make(chan struct{}), last: closed,
		log: o.Log.With(obs.KeyName, state.Name),
		pause: backoff.NewExponentialBackOff(backoff.WithInitialInterval(500*time.Millisecond),
			backoff.WithMaxInterval(30*time.Second), backoff.WithMaxElapsedTime(0)),
	}
}

func (j *job) update(state event.StreamState) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state = state
	close(j.changed)
	j.changed = make(chan struct{})
}

func (j *job) current() (event.StreamState, <-chan struct{}) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.state, j.changed
}

// work follows the source until ctx ends or the stream is over.
func (j *job) work(ctx context.Context) error {
	pieces := make(chan *event.Piece)
	follow, cancel := context.WithCancel(ctx)
	followed, gone := make(chan error, 1), make(chan struct{})
	go func() {
		defer close(gone)
		followed <- j.opts.Bus.FollowPieces(follow, j.id, event.Source, time.Now().Add(-joinBefore), func(ctx context.Context, p *event.Piece) error {
			select {
			case pieces <- p:
				return nil
			case <-ctx.Done():
				return fmt.Errorf("%w: %w", bus.ErrStop, context.Cause(ctx))
			}
		})
	}()
	defer func() {
		cancel()
		<-gone
	}()
	j.quiet = time.NewTimer(idleAfter)
	defer j.quiet.Stop()
	defer j.end(ctx)
	over := false
	for {
		state, changed := j.current()
		j.yield(state)
		switch {
		case !state.Live():
			j.quiet.Reset(lastPieces)
		case over:
			j.quiet.Reset(idleAfter)
		}
		over = !state.Live()
		var ended <-chan struct{}
		if j.run != nil {
			ended = j.run.ended
		}
		select {
		case p := <-pieces:
			j.quiet.Reset(idleAfter)
			if err := j.take(ctx, p); err != nil {
				return err
			}
		case <-ended:
			j.failed(j.run.err)
		case <-changed:
		case <-j.quiet.C:
			if state, _ := j.current(); !state.Live() {
				return nil
			}
			j.close()
			j.quiet.Reset(idleAfter)
		case err := <-followed:
			if ctx.Err() != nil {
				return nil
			}
			return fmt.Errorf("follow the source's pieces: %w", err)
		case <-ctx.Done():
			return nil
		}
	}
}

// take gives the source's next piece to the encoder, which is begun at a keyframe.
func (j *job) take(ctx context.Context, p *event.Piece) error {
	if p.Epoch < j.from {
		return nil
	}
	if j.run != nil && (j.run.epoch != p.Epoch || j.run.source.Root != p.Init) {
		j.close()
	}
	if j.epoch != p.Epoch {
		j.epoch, j.failures, j.rest = p.Epoch, 0, time.Time{}
		j.pause.Reset()
	}
	if j.run == nil && p.Key && j.failures < maxFailures && !time.Now().Before(j.rest) {
		if err := j.begin(ctx, p); err != nil {
			return err
		}
	}
	if j.run == nil {
		return nil
	}
	if err := j.run.offer(p); err != nil {
		j.run.stop()
		<-j.run.ended
		j.failed(err)
	}
	return nil
}

// begin starts an encoder for pieces like p, if there is anything to make of them.
func (j *job) begin(ctx context.Context, p *event.Piece) error {
	tracks, err := j.tracks(ctx, p)
	if err != nil || tracks.Root.IsZero() {
		return err
	}
	ladder := j.opts.Ladder.Below(min(tracks.Width, tracks.Height))
	if tracks.Width == 0 || len(ladder) == 0 {
		return nil
	}
	if mine, err := j.claim(ctx, p.Epoch, ladder[0].Rendition); err != nil || !mine {
		return err
	}
	video, err := fmp4.VideoOf(tracks.Init)
	if err != nil {
		return fmt.Errorf("read the source's init segment: %w", err)
	}
	r := &run{source: tracks, epoch: p.Epoch, ladder: ladder, count: j.opts.Metrics, stuck: j.opts.stuck, interlaced: video.Interlaced}
	known := func(root event.Root) bool {
		state, _ := j.current()
		t, ok := state.Init(root)
		return ok && t.Epoch == p.Epoch
	}
	for _, step := range ladder {
		r.outputs = append(r.outputs, &output{
			id: j.id, step: step, bus: j.opts.Bus, log: j.log, source: tracks, known: known, turn: j.last, count: j.opts.Metrics,
		})
	}
	r.start(ctx, j.opts.Limits)
	j.run, j.begun = r, time.Now()
	return nil
}

// tracks returns the init segment that a piece needs, when the facts have told of it; none if
// they do not in time.
func (j *job) tracks(ctx context.Context, p *event.Piece) (event.TracksAnnounced, error) {
	timeout := time.NewTimer(lastPieces)
	defer timeout.Stop()
	for {
		state, changed := j.current()
		if t, ok := state.Init(p.Init); ok {
			return t, nil
		}
		select {
		case <-changed:
		case <-timeout.C:
			return event.TracksAnnounced{}, nil
		case <-ctx.Done():
			return event.TracksAnnounced{}, nil
		}
	}
}

// close lets the encoder finish what it has; the next one's pieces come after its own.
func (j *job) close() {
	r := j.run
	if r == nil {
		return
	}
	j.run, j.last = nil, r.ended
	r.finish()
	time.AfterFunc(closeTimeout, r.stop)
}

// end ends the work.
func (j *job) end(ctx context.Context) {
	if j.run != nil && ctx.Err() != nil {
		j.run.stop()
	}
	j.close()
	<-j.last
	j.release(ctx)
}

// failed takes note of an encoder that ended before its source did.
func (j *job) failed(err error) {
	j.last, j.run = j.run.ended, nil
	if time.Since(j.begun) > goodRun {
		j.failures = 0
		j.pause.Reset()
	}
	j.failures++
	j.opts.Metrics.Failures.Inc()
	wait := j.pause.NextBackOff()
	j.rest = time.Now().Add(wait)
	if j.failures == maxFailures {
		j.log.Error("the renditions' encoder failed too often: this publish has no renditions, the source plays on", obs.KeyError, err)
		return
	}
	j.log.Warn("the renditions' encoder failed, and is started again at a keyframe; the source plays on", "in", wait.Round(time.Millisecond), obs.KeyError, err)
}
