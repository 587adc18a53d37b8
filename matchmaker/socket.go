package matchmaker

import (
	"context"
	"errors"
	"net/netip"
	"sync"
	"time"

	"github.com/coder/websocket"

	"github.com/shoalcast/shoal/event"
)

const (
	// maxQueued bounds the bytes that wait for one socket's reader.
	maxQueued = 256 << 10
	// writeWait is how long one message may take to be taken.
	writeWait = 10 * time.Second
	// pingEvery and pingWait say how soon a socket is known to be dead whose other end is
	// gone without a word. Proxies close connections that are idle for a minute.
	pingEvery = 30 * time.Second
	pingWait  = 15 * time.Second
	// closeWait is how long a peer may take to agree that its socket closes.
	closeWait = 250 * time.Millisecond
)

// socket is a WebSocket to one peer, or to one page with several.
type socket struct {
	conn *websocket.Conn
	from netip.Addr

	// Of the service, under its lock.
	torrents map[event.InfoHash]struct{}
	offers   offers

	alive context.Context
	over  context.CancelFunc

	mu     sync.Mutex
	queue  [][]byte
	queued int // bytes
	why    *ending
	news   chan struct{}
}

// ending is why a socket ends: a code (RFC 6455, section 7.4) and a sentence for the peer,
// of at most 123 bytes.
type ending struct {
	code     websocket.StatusCode
	sentence string
}

var (
	endGone     = ending{websocket.StatusNormalClosure, ""}
	endStopping = ending{websocket.StatusGoingAway, "the tracker stops; connect again later"}
	endDead     = ending{websocket.StatusPolicyViolation, "no answer to a ping"}
	endSilent   = ending{websocket.StatusPolicyViolation, "nothing was announced for two intervals; connect again"}
	endSlow     = ending{websocket.StatusPolicyViolation, "what this tracker sends is not taken in time"}
	endRefused  = ending{websocket.StatusPolicyViolation, "too many messages had to be refused; wait, and see what they were told"}
)

func newSocket(from netip.Addr) *socket {
	k := &socket{from: from, torrents: map[event.InfoHash]struct{}{}, news: make(chan struct{}, 1)}
	k.alive, k.over = context.WithCancel(context.Background())
	return k
}

// serve reads, hands each message to heard, and writes what is sent, until the socket
// ends: by either side, by heard returning false, or after silence without a message.
func (k *socket) serve(conn *websocket.Conn, silence time.Duration, heard func([]byte) bool) {
	k.conn = conn
	conn.SetReadLimit(maxMessage)
	// Whoever reads or writes when ctx ends has the connection closed under it.
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	closed := make(chan struct{})
	context.AfterFunc(k.alive, func() {
		defer close(closed)
		abort := time.AfterFunc(closeWait, cancel)
		_ = conn.Close(k.why.code, k.why.sentence) // one that is closed already says so
		abort.Stop()
		cancel()
	})
	quiet := time.AfterFunc(silence, func() { k.end(endSilent) })
	defer quiet.Stop()
	var loops sync.WaitGroup
	loops.Go(func() { k.write(ctx) })
	loops.Go(func() { k.ping(ctx) })
	k.read(ctx, func(b []byte) bool {
		quiet.Reset(silence)
		return heard(b)
	})
	<-closed
	loops.Wait()
}

func (k *socket) read(ctx context.Context, heard func([]byte) bool) {
	for {
		_, b, err := k.conn.Read(ctx) // text or binary is all the same to clients
		switch {
		case err != nil:
			k.end(endGone)
			return
		case k.alive.Err() != nil: // what comes while it closes is not heard
		case !heard(b):
			k.end(endRefused)
		}
	}
}

func (k *socket) write(ctx context.Context) {
	for {
		b, ok := k.take()
		if !ok {
			select {
			case <-k.news:
				continue
			case <-k.alive.Done():
				return
			}
		}
		if err := k.put(ctx, b); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				k.end(endSlow)
			}
			k.end(endGone)
			return
		}
	}
}

func (k *socket) put(ctx context.Context, b []byte) error {
	ctx, cancel := context.WithTimeout(ctx, writeWait)
	defer cancel()
	return k.conn.Write(ctx, websocket.MessageText, b) //nolint:wrapcheck // only its kind is looked at
}

// ping asks for signs of life until the socket ends.
func (k *socket) ping(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for {
		select {
		case <-k.alive.Done():
			return
		case <-tick.C:
		}
		patience, cancel := context.WithTimeout(ctx, pingWait)
		if k.conn.Ping(patience) != nil {
			k.end(endDead)
		}
		cancel()
	}
}

// send queues a message, and never waits; the socket of a peer that takes too little ends.
func (k *socket) send(b []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.why != nil {
		return
	}
	if k.queued+len(b) > maxQueued {
		k.endLocked(endSlow)
		return
	}
	k.queue = append(k.queue, b)
	k.queued += len(b)
	select {
	case k.news <- struct{}{}:
	default:
	}
}

func (k *socket) take() ([]byte, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.queue) == 0 {
		return nil, false
	}
	b := k.queue[0]
	k.queue[0] = nil
	k.queue = k.queue[1:]
	k.queued -= len(b)
	return b, true
}

// end makes serve close the socket; the first reason is the one told. It does not wait.
func (k *socket) end(why ending) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.endLocked(why)
}

func (k *socket) endLocked(why ending) {
	if k.why != nil {
		return
	}
	k.why = &why
	k.queue, k.queued = nil, 0
	k.over()
}
