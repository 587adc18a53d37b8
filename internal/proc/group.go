package proc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/oklog/run"
)

// Stage says when an actor is told to stop. Stages stop in order; the next begins
// when every actor of the one before has returned or its share of Grace is over.
type Stage int

// The stages, in the order in which they stop.
const (
	Intake  Stage = iota // takes work from outside: listeners close, publishers flush
	Service              // works off what Intake took in
	Base                 // what the others stand on, such as the bus
	stages               // how many there are
)

// DefaultGrace is the whole time a clean shutdown may take. Ctrl-C promises less than
// three seconds; this leaves room for the abort.
const DefaultGrace = 2 * time.Second

// abortWait is how long aborted actors, all stages together, may take to return before
// Run gives up on them.
const abortWait = 500 * time.Millisecond

// ErrAborted is returned by Run when a second signal cut the shutdown short.
var ErrAborted = errors.New("shutdown was cut short by a second signal")

// StopError names the actor whose return stopped the group.
type StopError struct {
	Name string
	Err  error // nil when it returned without one, which is still unexpected
}

func (e *StopError) Error() string {
	if e.Err == nil {
		return e.Name + " stopped by itself"
	}
	return e.Name + ": " + e.Err.Error()
}

// Unwrap returns the actor's own error.
func (e *StopError) Unwrap() error { return e.Err }

// StuckError names the actors that had not returned when the shutdown ran out of time.
type StuckError struct{ Names []string }

func (e *StuckError) Error() string {
	return "did not stop in time: " + strings.Join(e.Names, ", ")
}

// Group is a set of actors that start together and stop together. The zero value is
// ready; fill it with Add, then call Run once.
type Group struct {
	// Grace limits a clean shutdown, split evenly over the stages; 0 means DefaultGrace.
	Grace time.Duration
	// Signals asks for a stop with its first value and for an abort with its second.
	// nil means that only Run's context stops the group.
	Signals <-chan os.Signal
	// Stopping, when set, is called once as the shutdown begins, with its reason: nil
	// when it was asked for. Readiness is withdrawn here.
	Stopping func(reason error)

	actors []*actor
}

type actor struct {
	name  string
	stage Stage
	run   func(context.Context) error

	ctx    context.Context
	cancel context.CancelFunc
	done   chan struct{}
	err    error // valid once done is closed
}

func (a *actor) returned() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// Add registers an actor. Its context ends when its stage is to stop: it then takes no
// new work, finishes what it has by Hard(ctx), and returns.
func (g *Group) Add(stage Stage, name string, run func(ctx context.Context) error) {
	g.actors = append(g.actors, &actor{name: name, stage: stage, run: run, done: make(chan struct{})})
}

type hardKey struct{}

// Hard returns a context for finishing work after ctx, an actor's, has ended: it ends
// when the actor's time is up. It carries ctx's values. Outside a Group it is ctx.
func Hard(ctx context.Context) context.Context {
	if h, ok := ctx.Value(hardKey{}).(context.Context); ok {
		return h
	}
	return ctx
}

// Run starts every actor and returns when all have stopped or the time for it is over.
// It stops when ctx ends, a signal arrives (both: nil) or an actor returns (a
// *StopError). Errors that actors return while stopping are joined to the result.
func (g *Group) Run(ctx context.Context) error {
	base := context.WithoutCancel(ctx)
	var hard [stages]context.Context
	var abort [stages]context.CancelFunc
	for s := range hard {
		hard[s], abort[s] = context.WithCancel(base)
		defer abort[s]()
	}
	for _, a := range g.actors {
		a.ctx, a.cancel = context.WithCancel(context.WithValue(hard[a.stage], hardKey{}, hard[a.stage]))
		defer a.cancel()
	}

	asked := make(chan struct{})    // a signal or the end of ctx was seen
	finished := make(chan struct{}) // Run is about to return
	defer close(finished)
	second := make(chan struct{})
	go g.watch(ctx, asked, second, finished)

	s := &shutdown{group: g, abort: abort[:], second: second, begun: make(chan struct{}), over: make(chan struct{})}
	var rg run.Group
	rg.Add(func() error { // the conductor comes first, so its interrupt does all stopping
		select {
		case <-asked:
		case <-s.begun:
		}
		return nil
	}, s.conduct)
	for _, a := range g.actors {
		rg.Add(func() error {
			defer close(a.done)
			a.err = a.run(a.ctx)
			return &StopError{Name: a.name, Err: a.err}
		}, func(error) {})
	}
	all := make(chan error, 1)
	go func() { all <- rg.Run() }()

	select {
	case s.reason = <-all:
	case <-s.over:
	}
	return s.result()
}

// watch turns ctx's end and the first signal into asked, the next signal into second.
func (g *Group) watch(ctx context.Context, asked, second, finished chan struct{}) {
	select {
	case <-ctx.Done():
	case <-g.Signals:
	case <-finished:
		return
	}
	close(asked)
	select {
	case <-g.Signals:
		close(second)
	case <-finished:
	}
}

// shutdown is the one orderly stop of a group.
type shutdown struct {
	group  *Group
	abort  []context.CancelFunc
	second <-chan struct{}
	begun  chan struct{} // closed when the stop begins
	over   chan struct{} // closed when actors were given up on
	reason error         // what began it; read only after over or the end of run.Group
}

// conduct stops the stages in order, each within its share of the grace. It is called
// once, by run.Group, with the error of the first actor that returned.
func (s *shutdown) conduct(reason error) {
	s.reason = reason
	close(s.begun)
	if s.group.Stopping != nil {
		s.group.Stopping(reason)
	}
	grace := cmp.Or(s.group.Grace, DefaultGrace)
	for stage := Intake; stage < stages; stage++ {
		s.stop(stage, grace/time.Duration(stages))
	}
	if !slices.ContainsFunc(s.group.actors, func(a *actor) bool { return !a.returned() }) {
		return
	}
	close(s.over)
}

// stop cancels one stage and waits for it; when its time is up, aborts it and gives it a
// moment to notice before what it stands on goes away.
func (s *shutdown) stop(stage Stage, limit time.Duration) {
	members := slices.DeleteFunc(slices.Clone(s.group.actors), func(a *actor) bool { return a.stage != stage })
	for _, a := range members {
		a.cancel()
	}
	s.await(members, limit, s.second)
	s.abort[stage]()
	s.await(members, abortWait/time.Duration(stages), nil)
}

// await waits until all actors have returned, limit is over or cut is closed.
func (s *shutdown) await(actors []*actor, limit time.Duration, cut <-chan struct{}) {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for _, a := range actors {
		if a.returned() {
			continue
		}
		select {
		case <-a.done:
		case <-timer.C:
			return
		case <-cut:
			return
		}
	}
}

func (s *shutdown) cut() bool {
	select {
	case <-s.second:
		return true
	default:
		return false
	}
}

// result joins the reason of the stop, what the other actors returned, and what went
// wrong with the stop itself.
func (s *shutdown) result() error {
	var first *StopError
	errors.As(s.reason, &first)
	errs := []error{s.reason}
	var stuck []string
	for _, a := range s.group.actors {
		switch {
		case !a.returned():
			stuck = append(stuck, a.name)
		case a.err == nil, errors.Is(a.err, context.Canceled), first != nil && first.Name == a.name:
		default:
			errs = append(errs, fmt.Errorf("stop %s: %w", a.name, a.err))
		}
	}
	if s.cut() {
		errs = append(errs, ErrAborted)
	}
	if len(stuck) > 0 {
		errs = append(errs, &StuckError{Names: stuck})
	}
	return errors.Join(errs...)
}
