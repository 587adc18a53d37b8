package publish

import (
	"context"
	"fmt"
	"io"
	"os"
	"time"
)

const (
	// mostHead and headTime bound what is looked at of an input before it goes on its way.
	mostHead = 1 << 20 // bytes
	headTime = 2 * time.Second
	feedRead = 32 << 10 // bytes at a time
)

// feed carries an input that can be read once into one ffmpeg after the other. While
// there is none, the input waits.
type feed struct {
	chunks chan []byte
	sinks  chan *os.File
	ended  chan struct{} // closed when the input is over
	done   <-chan struct{}
}

// newFeed begins to read. What it starts ends with ctx, but for a read that waits: that
// is over when the input is.
func newFeed(ctx context.Context, in io.Reader) *feed {
	f := &feed{chunks: make(chan []byte), sinks: make(chan *os.File), ended: make(chan struct{}), done: ctx.Done()}
	go f.read(in)
	return f
}

func (f *feed) read(in io.Reader) {
	defer close(f.chunks)
	for {
		b := make([]byte, feedRead)
		n, err := in.Read(b)
		if n > 0 {
			select {
			case f.chunks <- b[:n]:
			case <-f.done:
				return
			}
		}
		if err != nil {
			return // an input that fails is over: there is nobody to ask for the rest
		}
	}
}

// head takes what comes first, for as long as headTime from its first byte on.
func (f *feed) head() []byte {
	var head []byte
	var late <-chan time.Time
	for len(head) < mostHead {
		select {
		case b, ok := <-f.chunks:
			if !ok {
				return head
			}
			if late == nil {
				timer := time.NewTimer(headTime)
				defer timer.Stop()
				late = timer.C
			}
			head = append(head, b...)
		case <-late:
			return head
		case <-f.done:
			return head
		}
	}
	return head
}

// carry writes what it has, and what comes, into the newest sink.
func (f *feed) carry(pending []byte) {
	var to *os.File
	defer func() {
		close(f.ended)
		if to != nil {
			_ = to.Close()
		}
	}()
	over := false
	for !over || len(pending) > 0 {
		from := f.chunks
		if to == nil || over {
			from = nil
		}
		if to != nil && len(pending) > 0 {
			if _, err := to.Write(pending); err != nil { // that ffmpeg is gone
				_ = to.Close()
				to = nil
			}
			pending = nil
			continue
		}
		select {
		case b, ok := <-from:
			pending, over = b, !ok
		case next := <-f.sinks:
			if to != nil {
				_ = to.Close()
			}
			to = next
		case <-f.done:
			return
		}
	}
}

// sink returns what the next ffmpeg reads, and the caller closes; io.EOF when the input
// is over.
func (f *feed) sink() (*os.File, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("make ffmpeg's input: %w", err)
	}
	select {
	case f.sinks <- w:
		return r, nil
	case <-f.ended:
		err = io.EOF
	case <-f.done:
		err = context.Canceled
	}
	_, _ = r.Close(), w.Close()
	return nil, err
}
