package live

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/shoalcast/shoal/swarm"
)

// Options configure a Loop.
type Options struct {
	Node    swarm.Config
	Handler Handler
	Log     *slog.Logger // nil discards
}

// Handler takes what a node has for the world outside. Its functions run on the loop's
// goroutine: they must not block and must not call Do. Nil ones are left out.
type Handler struct {
	Head   func(*swarm.Head)   // newly verified
	Piece  func(*swarm.Piece)  // newly whole
	Fetch  func(swarm.Fetch)   // to be asked of the origin
	Init   func(swarm.Segment) // an init segment that arrived
	Record func([]byte)        // a rotation or session record that was learned
	Dial   func(swarm.Dial)    // somebody to connect to
	Signal func(*swarm.Signal) // for this peer's transport
	Drop   func(reason swarm.Reason)
}

// Loop owns a node and runs it until Run's context ends.
type Loop struct {
	opts  Options
	node  *swarm.Node
	start time.Time

	mu       sync.Mutex
	inbox    []item
	spare    []item
	posted   int // functions in inbox that came by Post and Do
	wake     chan struct{}
	done     bool
	sessions map[swarm.Conn]*Session // the loop's goroutine alone
	next     swarm.Conn
}

// item is something that happened: a frame, a closed connection, or a function to run.
type item struct {
	session *Session
	frame   []byte
	fn      func(now swarm.Time, n *swarm.Node)
}

var (
	// ErrClosed means that the loop has ended, or the session has.
	ErrClosed = errors.New("the peer has left the swarm")
	// ErrOverrun means that a connection brought more than was taken from it: it is to
	// be closed.
	ErrOverrun = errors.New("more was received than the protocol allows")
)

// maxUnread bounds the bytes of one session that wait for the loop; credit lets an honest
// peer have at most 1 MiB of blocks on the way.
const maxUnread = 4 << 20

// maxPosted bounds the functions that wait for the loop.
const maxPosted = 4096

// New returns a loop that does nothing until Run.
func New(o Options) *Loop {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Loop{
		opts: o, node: swarm.New(o.Node), start: time.Now(),
		wake: make(chan struct{}, 1), sessions: map[swarm.Conn]*Session{},
	}
}

// Now returns the loop's time, which its node is given.
func (l *Loop) Now() swarm.Time { return time.Since(l.start) }

// TimeAt converts a moment to the loop's time.
func (l *Loop) TimeAt(t time.Time) swarm.Time { return t.Sub(l.start) }

// Post has fn run on the loop's goroutine with the node, soon; fn must not block. It
// fails once the loop has ended or far too much waits.
func (l *Loop) Post(fn func(now swarm.Time, n *swarm.Node)) error {
	return l.put(item{fn: fn})
}

// Do has fn run as Post does and waits until it has.
func (l *Loop) Do(ctx context.Context, fn func(now swarm.Time, n *swarm.Node)) error {
	ran := make(chan struct{})
	if err := l.put(item{fn: func(now swarm.Time, n *swarm.Node) {
		fn(now, n)
		close(ran)
	}}); err != nil {
		return err
	}
	select {
	case <-ran:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Loop) put(it item) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.done {
		return ErrClosed
	}
	if it.fn != nil && it.session == nil {
		if l.posted >= maxPosted {
			return ErrOverrun
		}
		l.posted++
	}
	l.inbox = append(l.inbox, it)
	if len(l.inbox) == 1 {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	}
	return nil
}

// take returns what happened since it was called last.
func (l *Loop) take() []item {
	l.mu.Lock()
	defer l.mu.Unlock()
	items := l.inbox
	l.inbox, l.spare, l.posted = l.spare[:0], nil, 0
	for _, it := range items {
		if it.frame != nil {
			it.session.unread -= len(it.frame)
		}
	}
	return items
}

func (l *Loop) giveBack(items []item) {
	clear(items)
	l.mu.Lock()
	l.spare = items[:0]
	l.mu.Unlock()
}

// drainTime is how long a peer that leaves goes on, so that its children find others.
const drainTime = 300 * time.Millisecond

// Run drives the node until ctx ends; then it hands its children over to others, for a
// moment, and closes all links. It can be called once.
func (l *Loop) Run(ctx context.Context) error {
	defer l.end()
	drive(l, ctx.Done())
	l.node.Drain(l.Now())
	l.carryOut()
	if l.node.Stats().Children > 0 {
		leaving := time.NewTimer(drainTime)
		defer leaving.Stop()
		drive(l, leaving.C)
	}
	return nil
}

// drive runs the node until something comes from until, or it is closed.
func drive[T any](l *Loop, until <-chan T) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		items := l.take()
		for _, it := range items {
			l.do(it)
		}
		l.giveBack(items)
		if wake := l.node.Wake(); wake <= l.Now() {
			l.node.Tick(l.Now())
			l.carryOut()
		}
		timer.Reset(max(l.node.Wake()-l.Now(), 0))
		select {
		case <-until:
			return
		case <-l.wake:
		case <-timer.C:
		}
	}
}

func (l *Loop) end() {
	l.mu.Lock()
	l.done = true
	items := l.inbox
	l.inbox = nil
	l.mu.Unlock()
	for _, it := range items {
		if it.fn != nil {
			l.do(it)
		}
	}
	for _, s := range l.sessions {
		s.link.Close("leaving the swarm", false)
	}
}

func (l *Loop) do(it item) {
	now := l.Now()
	switch {
	case it.fn != nil:
		it.fn(now, l.node)
	case it.frame != nil:
		if !l.receive(now, it.session, it.frame) {
			return
		}
	default:
		if l.sessions[it.session.conn] == nil {
			return
		}
		delete(l.sessions, it.session.conn)
		l.node.Closed(now, it.session.conn)
	}
	l.carryOut()
}

// receive hands a frame to the node, or ends a session that sends nonsense.
func (l *Loop) receive(now swarm.Time, s *Session, frame []byte) bool {
	if l.sessions[s.conn] == nil {
		return false
	}
	m, err := s.decoder.Decode(frame)
	if err != nil {
		l.opts.Log.Debug("a peer sent what is no message", keyPeer, s.link.Addr(), keyErr, err)
		delete(l.sessions, s.conn)
		s.link.Close(swarm.BadMessage.String(), false)
		l.node.Closed(now, s.conn)
		l.carryOut()
		return false
	}
	if m == nil {
		l.node.Ignored(now, s.conn)
		return true
	}
	l.node.Receive(now, s.conn, m)
	return true
}

// carryOut does what the node wants.
func (l *Loop) carryOut() {
	e := l.node.Effects()
	for _, s := range e.Send {
		if session := l.sessions[s.To]; session != nil {
			session.send(s.Msg)
		}
	}
	h := &l.opts.Handler
	each(e.Heads, h.Head)
	each(e.Records, h.Record)
	each(e.Inits, h.Init)
	each(e.Pieces, h.Piece)
	each(e.Fetch, h.Fetch)
	each(e.Dial, h.Dial)
	each(e.Signals, h.Signal)
	for _, d := range e.Drop {
		session := l.sessions[d.Conn]
		if session == nil {
			continue
		}
		delete(l.sessions, d.Conn)
		l.opts.Log.Debug("a peer is dropped", keyPeer, session.link.Addr(), "reason", d.Reason.String())
		session.link.Close(d.Reason.String(), d.Reason.Bans())
		if h.Drop != nil {
			h.Drop(d.Reason)
		}
	}
}

func each[T any](items []T, fn func(T)) {
	if fn == nil {
		return
	}
	for _, it := range items {
		fn(it)
	}
}

// Keys of what the loop logs.
const (
	keyPeer = "peer"
	keyErr  = "err"
)
