package libsrt

import "fmt"

// Event is what an Epoll found about a socket: struct SRT_EPOLL_EVENT.
type Event struct {
	Socket Socket
	Events int32 // In, Out, Err
}

// Epoll waits for many sockets at once. Only one goroutine waits at a time.
type Epoll struct {
	lib *Library
	id  int32
}

// Epoll makes an Epoll, to be released.
func (l *Library) Epoll() (*Epoll, error) {
	id, err := l.do(l.epollCreate)
	if err != nil {
		return nil, fmt.Errorf("make SRT epoll: %w", err)
	}
	e := &Epoll{l, id}
	// Without it, waiting while there is no socket is an error.
	if _, err := l.do(func() int32 { return l.epollSet(id, emptyFlag) }); err != nil {
		e.Release()
		return nil, fmt.Errorf("set up SRT epoll: %w", err)
	}
	return e, nil
}

// Add lets the Epoll report events of a socket for as long as they hold. Of what was so
// before, the library reports that there is something to read or room to write; that a
// listener has a connection or a socket is broken it reports only when it becomes so. A
// socket is therefore added before it listens or connects, and one that was accepted is
// asked for its State after it was added.
func (e *Epoll) Add(u Socket, events int32) error {
	ev := &events
	if _, err := e.lib.do(func() int32 { return e.lib.epollAdd(e.id, int32(u), ev) }); err != nil {
		return fmt.Errorf("watch SRT socket: %w", err)
	}
	return nil
}

// Update changes which events of a socket are reported.
func (e *Epoll) Update(u Socket, events int32) error {
	ev := &events
	if _, err := e.lib.do(func() int32 { return e.lib.epollUpdate(e.id, int32(u), ev) }); err != nil {
		return fmt.Errorf("watch SRT socket: %w", err)
	}
	return nil
}

// Remove forgets a socket; it may have been closed before.
func (e *Epoll) Remove(u Socket) { e.lib.epollRemove(e.id, int32(u)) }

// Wait waits at most ms milliseconds for events and returns how many it found.
func (e *Epoll) Wait(events []Event, ms int) (int, error) {
	n, err := e.lib.do(func() int32 { return e.lib.wait(e.id, &events[0], int32(len(events)), int64(ms)) })
	switch {
	case Again(err):
		return 0, nil
	case err != nil:
		return 0, fmt.Errorf("wait for SRT sockets: %w", err)
	}
	return min(int(n), len(events)), nil
}

// Release gives the Epoll back.
func (e *Epoll) Release() { e.lib.epollRelease(e.id) }
