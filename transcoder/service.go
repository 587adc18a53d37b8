package transcoder

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/internal/obs"
)

// Options of a Service.
type Options struct {
	Bus *bus.Bus
	// Instance tells this run from any other transcoder's on the bus.
	Instance event.Instance
	Ladder   Ladder
	Limits   Limits
	Log      *slog.Logger // nil: nothing is logged
	Metrics  *Metrics     // nil: counted for nobody

	stuck time.Duration // 0: defaultStuck
}

// Service makes the renditions of all streams that are live.
type Service struct {
	opts    Options
	streams *event.Directory
	ready   chan struct{}

	mu      sync.Mutex
	jobs    map[event.StreamID]*job
	running sync.WaitGroup
}

// New returns a service that Run starts.
func New(o Options) *Service {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Metrics == nil {
		o.Metrics = NewMetrics(nil)
	}
	if o.stuck == 0 {
		o.stuck = defaultStuck
	}
	o.Bus = o.Bus.As("transcoder")
	return &Service{opts: o, streams: event.NewDirectory(), ready: make(chan struct{}), jobs: map[event.StreamID]*job{}}
}

// Ready is closed once the facts of all streams are known.
func (s *Service) Ready() <-chan struct{} { return s.ready }

// Run makes renditions until ctx ends.
func (s *Service) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		s.running.Wait()
	}()
	ready := func() { close(s.ready) }
	return s.opts.Bus.TendStreams(ctx, s.streams, ready, func(state event.StreamState) { s.tend(ctx, state) })
}

// tend sees to it that a live stream has a job, and tells it what is known of the stream now.
func (s *Service) tend(ctx context.Context, state event.StreamState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if j := s.jobs[state.ID]; j != nil {
		j.update(state)
		return
	}
	if state.Live() {
		s.begin(ctx, state)
	}
}

// begin starts a stream's job; s.mu is held.
func (s *Service) begin(ctx context.Context, state event.StreamState) {
	j := newJob(&s.opts, state)
	s.jobs[state.ID] = j
	s.running.Go(func() {
		for {
			err := j.work(ctx)
			if err == nil && s.retire(ctx, j) {
				return
			}
			if err != nil {
				j.log.Error("making renditions stopped, and begins again", "in", restart, obs.KeyError, err)
			}
			select {
			case <-time.After(restart):
			case <-ctx.Done():
				return
			}
		}
	})
}

// restart is how long a job that failed rests: the bus tries for long before it gives up.
const restart = time.Second

// retire removes the job of a stream that is over; one that began again meanwhile keeps it.
func (s *Service) retire(ctx context.Context, j *job) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if state, _ := j.current(); state.Live() && ctx.Err() == nil {
		return false
	}
	delete(s.jobs, j.id)
	return true
}
