package rtmp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"
)

// errTimeout is wrapped by every error that a limit of time caused.
var errTimeout = errors.New("time is up")

// wire is a connection with deadlines: it counts bytes, notes when they came, and
// can be ended from another goroutine with a cause.
type wire struct {
	net.Conn
	writeTimeout time.Duration

	// Owned by the goroutine that reads.
	read  uint64    // bytes read
	last  time.Time // when the last of them came
	until time.Time // reading ends then; zero: idle counts
	idle  time.Duration
	what  string // what is being waited for, for the error

	mu    sync.Mutex
	cause error // why reading was ended
}

// expect sets an absolute time for what follows.
func (w *wire) expect(what string, until time.Time) { w.what, w.until = what, until }

// expectMedia ends reading after a silence.
func (w *wire) expectMedia(idle time.Duration) { w.until, w.idle = time.Time{}, idle }

// end makes the current and all later reads fail with cause.
func (w *wire) end(cause error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause == nil {
		w.cause = cause
		_ = w.Conn.SetReadDeadline(time.Unix(1, 0)) // fails only if it is closed already
	}
}

// arm sets the deadline of the next read, unless the wire was ended.
func (w *wire) arm() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cause != nil {
		return w.cause
	}
	d := w.until
	if d.IsZero() {
		d = time.Now().Add(w.idle)
	}
	return w.Conn.SetReadDeadline(d)
}

func (w *wire) ended() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.cause
}

// Read reads what has come, within the time expected.
func (w *wire) Read(b []byte) (int, error) {
	if err := w.arm(); err != nil {
		return 0, err
	}
	n, err := w.Conn.Read(b)
	if n > 0 {
		w.read += uint64(n)
		w.last = time.Now()
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		if cause := w.ended(); cause != nil {
			return n, cause
		}
		if w.until.IsZero() {
			return n, fmt.Errorf("no bytes came for %v: %w", w.idle, errTimeout)
		}
		return n, fmt.Errorf("the %s did not come in time: %w", w.what, errTimeout)
	}
	return n, err
}

// Write sends b within the time that answers have.
func (w *wire) Write(b []byte) (int, error) {
	if err := w.Conn.SetWriteDeadline(time.Now().Add(w.writeTimeout)); err != nil {
		return 0, err
	}
	return w.Conn.Write(b)
}

// discard is how much of what a peer still sends is read after it was told why its
// connection ends: closing earlier would reset the connection and lose the sentence.
const discard = 8 << 20

// goodbye is how long a connection may linger once the server shuts down.
const goodbye = 300 * time.Millisecond

// linger waits for the peer to close, within limits.
func (w *wire) linger(ctx context.Context, d time.Duration) {
	half, ok := w.Conn.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		return
	}
	if w.Conn.SetReadDeadline(time.Now().Add(d)) != nil {
		return
	}
	defer context.AfterFunc(ctx, func() { _ = w.Conn.SetReadDeadline(time.Now().Add(goodbye)) })()
	var b [4096]byte
	for left := discard; left > 0; {
		n, err := w.Conn.Read(b[:])
		if err != nil {
			return
		}
		left -= n
	}
}
