package bt

import (
	"encoding/binary"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Receiver takes what a link brings.
type Receiver interface {
	// Receive is handed one frame, which is the receiver's from then on, in the order
	// they were sent. It must not block; an error ends the connection.
	Receive(frame []byte) error
	// Closed is called once, after the last Receive.
	Closed()
}

// Link is one connection to a peer that speaks sh_live. Its methods do not block.
type Link struct {
	conn     *conn
	swarm    *Swarm
	addr     netip.AddrPort
	remoteID byte // of sh_live in what the peer announced
	receiver Receiver

	mu      sync.Mutex
	queue   [][]byte
	queued  int // bytes
	closing bool
	gone    bool
	wake    chan struct{}

	dmu  sync.Mutex // held while the receiver is called
	over bool
}

// Send queues a frame of at most MaxPayload bytes, which is the link's from then on.
// ErrOverflow means that the peer does not take what waits for it: close the link.
func (l *Link) Send(frame []byte) error {
	if len(frame) > MaxPayload {
		return ErrTooLong
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.closing || l.gone:
		return ErrClosed
	case l.queued+len(frame) > l.conn.client.opts.QueueBytes:
		return ErrOverflow
	}
	l.queue = append(l.queue, frame)
	l.queued += len(frame)
	l.poke()
	return nil
}

func (l *Link) poke() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// Close ends the connection once what was sent is out, or after half a second. With ban
// set, neither this peer id nor this address is connected to again for an hour.
func (l *Link) Close(reason string, ban bool) {
	l.mu.Lock()
	first := !l.closing
	l.closing = true
	l.poke()
	l.mu.Unlock()
	if ban {
		l.swarm.client.bans.add(l.addr, l.conn.remote, l.conn.id)
	}
	if first {
		l.swarm.client.opts.Log.Debug("a connection is closed", keyPeer, l.conn.RemoteAddr(), keyReason, reason)
		time.AfterFunc(closeGrace, func() {
			// It is given up whatever closing it says.
			_ = l.conn.Close()
		})
	}
}

// Addr is where the peer takes connections: its IP with the port that it announced, or
// the address that was dialled. Invalid: nowhere.
func (l *Link) Addr() netip.AddrPort { return l.addr }

// WebRTC reports whether the connection was made by ICE.
func (l *Link) WebRTC() bool { return !l.conn.remote.IsValid() }

// Queued returns how many bytes wait to be written.
func (l *Link) Queued() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.queued
}

// deliver hands a frame to the receiver, on the connection's reading goroutine.
func (l *Link) deliver(frame []byte) error {
	l.dmu.Lock()
	defer l.dmu.Unlock()
	if l.over {
		return ErrClosed
	}
	return l.receiver.Receive(frame)
}

// run writes until the connection ends.
func (l *Link) run() {
	defer l.end()
	select {
	case <-l.conn.ready:
	case <-l.conn.done:
		return
	}
	beat := time.NewTimer(l.conn.client.opts.Heartbeat)
	defer beat.Stop()
	headers := make([]byte, 0, 6*64)
	var buffers net.Buffers
	for {
		frames, size, closing := l.take(cap(headers) / 6)
		switch {
		case len(frames) > 0:
			headers, buffers = headers[:0], buffers[:0]
			for _, f := range frames {
				at := len(headers)
				headers = binary.BigEndian.AppendUint32(headers, uint32(len(f)+2))
				headers = append(headers, messageExtended, l.remoteID)
				buffers = append(buffers, headers[at:], f)
			}
			out := buffers
			if err := l.conn.writeFrames(&out); err != nil {
				return
			}
			clear(buffers)
			l.wrote(size)
			beat.Reset(l.conn.client.opts.Heartbeat)
			continue
		case closing:
			return
		}
		select {
		case <-l.wake:
		case <-l.conn.done:
			return
		case <-beat.C:
			// BEP 3: a message of length 0 keeps the connection alive.
			out := net.Buffers{make([]byte, 4)}
			if err := l.conn.writeFrames(&out); err != nil {
				return
			}
			beat.Reset(l.conn.client.opts.Heartbeat)
		}
	}
}

// take removes up to n frames from the queue, but not their bytes from its size.
func (l *Link) take(n int) (frames [][]byte, size int, closing bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(frames) < n && len(l.queue) > 0 && (size == 0 || size+len(l.queue[0]) <= maxWriteBatch) {
		frames = append(frames, l.queue[0])
		size += len(l.queue[0])
		l.queue[0] = nil
		l.queue = l.queue[1:]
	}
	if len(l.queue) == 0 {
		l.queue = nil
	}
	return frames, size, l.closing
}

func (l *Link) wrote(size int) {
	l.mu.Lock()
	l.queued -= size
	l.mu.Unlock()
}

func (l *Link) end() {
	// The connection is given up whatever closing it says.
	_ = l.conn.Close()
	l.mu.Lock()
	l.gone = true
	l.queue, l.queued = nil, 0
	l.mu.Unlock()
	l.dmu.Lock()
	l.over = true
	l.dmu.Unlock()
	l.swarm.detach(l)
	l.receiver.Closed()
}
