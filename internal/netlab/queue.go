package netlab

import (
	"sync"
	"time"
)

// maxQueued bounds the bytes under way in one direction of one connection or flow: at
// 50 ms that is 2.6 Gbit/s.
const maxQueued = 16 << 20

// item is something under way.
type item struct {
	data []byte
	due  time.Time
	hold bool // the next one overtakes it, if it comes before due
	end  ending
}

// ending is how a stream ends, if this is its last item.
type ending int

const (
	goesOn ending = iota
	finished
	broken
)

// queue holds what is under way in one direction, in the order of its arrival there.
type queue struct {
	mu     sync.Mutex
	items  []item
	bytes  int
	cut    bool
	news   chan struct{} // the head or cut may have changed
	space  chan struct{} // bytes became fewer
	closed chan struct{}
	once   sync.Once
}

func newQueue(cut bool) *queue {
	return &queue{cut: cut, news: make(chan struct{}, 1), space: make(chan struct{}, 1), closed: make(chan struct{})}
}

func (q *queue) close() { q.once.Do(func() { close(q.closed) }) }

// setCut stops what is under way where it is, or lets it go on.
func (q *queue) setCut(cut bool) {
	q.mu.Lock()
	q.cut = cut
	q.mu.Unlock()
	wake(q.news)
}

// offer takes it, unless the queue is full.
func (q *queue) offer(it item) bool {
	q.mu.Lock()
	if q.bytes+len(it.data) > maxQueued {
		q.mu.Unlock()
		return false
	}
	q.bytes += len(it.data)
	q.items = append(q.items, it)
	if n := len(q.items); n > 1 && q.items[n-2].hold && !q.items[n-2].due.Before(it.due) {
		late := q.items[n-2]
		late.hold, late.due = false, it.due
		q.items[n-2], q.items[n-1] = it, late
	}
	q.mu.Unlock()
	wake(q.news)
	return true
}

// put waits for room; it is false when the queue is closed.
func (q *queue) put(it item) bool {
	for !q.offer(it) {
		select {
		case <-q.space:
		case <-q.closed:
			return false
		}
	}
	return true
}

// take waits until the next item has arrived; it is false when the queue is closed.
func (q *queue) take() (item, bool) {
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	for {
		wait := time.Hour
		q.mu.Lock()
		if len(q.items) > 0 && !q.cut {
			if wait = time.Until(q.items[0].due); wait <= 0 {
				it := q.items[0]
				q.items[0] = item{}
				q.items = q.items[1:]
				q.bytes -= len(it.data)
				q.mu.Unlock()
				wake(q.space)
				return it, true
			}
		}
		q.mu.Unlock()
		timer.Reset(wait)
		select {
		case <-timer.C:
		case <-q.news:
		case <-q.closed:
			return item{}, false
		}
	}
}

func wake(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
