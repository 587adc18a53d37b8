package live

import (
	"github.com/shoalcast/shoal/swarm"
)

// Session is the loop's side of a link.
type Session struct {
	loop    *Loop
	link    Link
	conn    swarm.Conn
	unread  int // bytes; under the loop's lock
	failed  bool
	encoder swarm.Encoder
	decoder swarm.Decoder
	frames  [][]byte
}

// Attach takes in a new connection; outbound when this side dialled it.
func (l *Loop) Attach(link Link, outbound bool) *Session {
	s := &Session{loop: l, link: link}
	attach := func(now swarm.Time, n *swarm.Node) {
		l.next++
		s.conn = l.next
		l.sessions[s.conn] = s
		n.Connected(now, s.conn, swarm.Info{Addr: link.Addr(), Outbound: outbound})
	}
	if err := l.put(item{fn: attach, session: s}); err != nil {
		link.Close(err.Error(), false)
	}
	return s
}

// Receive takes in one frame, which is the loop's from then on. It never blocks; after
// an error the connection is to be closed.
func (s *Session) Receive(frame []byte) error {
	l := s.loop
	l.mu.Lock()
	if s.unread+len(frame) > maxUnread {
		l.mu.Unlock()
		return ErrOverrun
	}
	s.unread += len(frame)
	l.mu.Unlock()
	if len(frame) == 0 {
		return nil
	}
	return l.put(item{session: s, frame: frame})
}

// Closed says that the transport has lost the connection.
func (s *Session) Closed() {
	// After the loop has ended nobody is interested.
	_ = s.loop.put(item{session: s})
}

func (s *Session) send(m swarm.Message) {
	if s.failed {
		return
	}
	frames, err := s.encoder.Encode(s.frames[:0], m)
	s.frames = frames
	for _, f := range frames {
		if err == nil {
			err = s.link.Send(f)
		}
	}
	clear(s.frames)
	if err != nil {
		s.failed = true
		s.loop.opts.Log.Debug("a connection does not take what is sent", keyPeer, s.link.Addr(), keyErr, err)
		s.link.Close(err.Error(), false)
	}
}
