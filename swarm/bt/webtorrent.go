package bt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v4"
	"github.com/coder/websocket"
	"golang.org/x/time/rate"
)

// Bounds of what WebTorrent trackers may cost. One that sends more is read more slowly.
const (
	maxTrackerMessage = 32 << 10 // what is longer is passed over
	maxTrackerFrame   = 1 << 20  // what is longer ends the connection
	trackerRate       = 50       // messages a second
	trackerBurst      = 200
	trackerPing       = 30 * time.Second
	trackerSettled    = 30 * time.Second // a connection that lasted so long was a good one
)

// socket is the one WebSocket by which all of a client's swarms speak to a WebTorrent
// tracker. It is made again when it breaks.
type socket struct {
	client *Client
	url    string
	stop   context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	now      *socketConn // nil: there is no connection
	came     chan struct{}
	meetings map[[20]byte]*meeting
}

// socketConn is one connection of a socket.
type socketConn struct {
	ws   *websocket.Conn
	lost chan struct{}
}

// meet takes part in a swarm's torrent at a tracker, until the meeting is left.
func (c *Client) meet(s *Swarm, url string) *meeting {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.sockets[url]
	if t == nil {
		t = &socket{client: c, url: url, done: make(chan struct{}), came: make(chan struct{}), meetings: map[[20]byte]*meeting{}}
		ctx, stop := context.WithCancel(context.WithoutCancel(c.ctx)) // it ends with the last meeting
		t.stop = stop
		c.sockets[url] = t
		go t.run(ctx)
	}
	m := newMeeting(s, t)
	t.mu.Lock()
	t.meetings[s.spec.InfoHash] = m
	t.mu.Unlock()
	return m
}

// leave ends the socket with its last meeting.
func (t *socket) leave(m *meeting) {
	t.client.mu.Lock()
	t.mu.Lock()
	delete(t.meetings, m.swarm.spec.InfoHash)
	last, now := len(t.meetings) == 0, t.now
	t.mu.Unlock()
	if last {
		delete(t.client.sockets, t.url)
	}
	t.client.mu.Unlock()
	if !last {
		return
	}
	if now != nil {
		// So that what was said before arrives.
		hurry := time.AfterFunc(stopTimeout, func() { _ = now.ws.CloseNow() })
		_ = now.ws.Close(websocket.StatusNormalClosure, "")
		hurry.Stop()
	}
	t.stop()
	<-t.done
}

// run keeps a connection for as long as the socket is used.
func (t *socket) run(ctx context.Context) {
	defer close(t.done)
	retry := backoff.NewExponentialBackOff(
		backoff.WithInitialInterval(t.client.opts.AnnounceRetry), backoff.WithMaxInterval(maxRetry), backoff.WithMaxElapsedTime(0))
	for {
		began := time.Now()
		err := t.connect(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > trackerSettled {
			retry.Reset()
		}
		t.client.opts.Log.Debug("there is no connection to a tracker", keyTracker, t.url, keyErr, err)
		timer := time.NewTimer(retry.NextBackOff())
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// connect makes one connection and reads from it until it ends.
func (t *socket) connect(ctx context.Context) error {
	transport := &http.Transport{Proxy: http.ProxyFromEnvironment}
	if t.client.opts.TrackerTLS != nil {
		transport.TLSClientConfig = t.client.opts.TrackerTLS(t.url)
	}
	defer transport.CloseIdleConnections()
	dial, cancel := context.WithTimeout(ctx, announceTimeout)
	ws, _, err := websocket.Dial(dial, t.url, &websocket.DialOptions{ //nolint:bodyclose // its documentation: never needed
		HTTPClient: &http.Client{Transport: transport}, HTTPHeader: http.Header{"User-Agent": {clientName}},
	})
	cancel()
	if err != nil {
		return fmt.Errorf("connect to %s: %w", t.url, err)
	}
	defer ws.CloseNow()
	ws.SetReadLimit(maxTrackerFrame)
	c := &socketConn{ws: ws, lost: make(chan struct{})}
	t.set(c)
	defer func() {
		t.set(nil)
		close(c.lost)
	}()
	var pings sync.WaitGroup
	defer pings.Wait()
	ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	pings.Go(func() { c.ping(ctx) })
	return t.read(ctx, ws)
}

// set says which connection there is.
func (t *socket) set(c *socketConn) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.now = c
	if c != nil {
		close(t.came)
		t.came = make(chan struct{})
	}
}

// wait returns the connection as soon as there is one, nil when ctx ends first.
func (t *socket) wait(ctx context.Context) *socketConn {
	for {
		t.mu.Lock()
		now, came := t.now, t.came
		t.mu.Unlock()
		if now != nil {
			return now
		}
		select {
		case <-came:
		case <-ctx.Done():
			return nil
		}
	}
}

// ping finds out when the tracker is gone without a word.
func (c *socketConn) ping(ctx context.Context) {
	tick := time.NewTicker(trackerPing)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		ctx, cancel := context.WithTimeout(ctx, announceTimeout)
		err := c.ws.Ping(ctx)
		cancel()
		if err != nil {
			_ = c.ws.CloseNow() // the reader says what it was
			return
		}
	}
}

func (t *socket) read(ctx context.Context, ws *websocket.Conn) error {
	limit := rate.NewLimiter(trackerRate, trackerBurst)
	for {
		if err := limit.Wait(ctx); err != nil {
			return err
		}
		kind, r, err := ws.Reader(ctx)
		if err != nil {
			return err
		}
		b, err := io.ReadAll(io.LimitReader(r, maxTrackerMessage+1))
		if err != nil {
			return err
		}
		if len(b) > maxTrackerMessage {
			if _, err := io.Copy(io.Discard, r); err != nil {
				return err
			}
			continue
		}
		if kind != websocket.MessageText {
			continue
		}
		if err := t.take(b); err != nil {
			t.client.opts.Log.Debug("what a tracker says is of no use", keyTracker, t.url, keyErr, err)
		}
	}
}

// take hands a message to the meeting that it is for.
func (t *socket) take(b []byte) error {
	m, err := readTrackerMessage(b)
	if err != nil {
		return err
	}
	t.mu.Lock()
	meeting := t.meetings[m.InfoHash]
	t.mu.Unlock()
	if meeting == nil {
		return errors.New("it is about a torrent that is not asked for")
	}
	return meeting.take(m)
}
