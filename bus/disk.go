package bus

import (
	"io/fs"
	"path/filepath"
	"sync"
	"time"
)

// disk watches the room left where the embedded server stores. JetStream must never
// meet a full disk: a failed write is answered to nobody and closes its stream until
// the next start. So we stop before: pieces first, and facts and entries, which are
// small and settle what was already published, only when half of that is gone too.
type disk struct {
	reserve int64 // bytes left free by pieces
	free    func() (free, total int64, err error)
	now     func() time.Time

	mu      sync.Mutex
	checked time.Time
	last    int64
}

const (
	maxReserve = 256 << 20
	diskEvery  = 200 * time.Millisecond
)

func newDisk(dir string) *disk {
	d := &disk{now: time.Now, free: func() (int64, int64, error) { return diskSpace(dir) }}
	if _, total, err := d.free(); err == nil {
		d.reserve = min(maxReserve, total/8)
	}
	return d
}

// storable is how much JetStream may keep in all, given what store holds already; 0
// when that cannot be told.
func (d *disk) storable(store string) int64 {
	free, _, err := d.free()
	if err != nil {
		return 0
	}
	var used int64
	_ = filepath.WalkDir(store, func(_ string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return nil //nolint:nilerr // what cannot be read is not counted
		}
		if info, err := e.Info(); err == nil {
			used += info.Size()
		}
		return nil
	})
	return max(free+used-d.reserve, 1<<20)
}

// room returns ErrNoSpace when the disk is too full for another piece of size bytes,
// or, with urgent, for another fact or entry. What it lets pass is counted until the
// disk is looked at again.
func (d *disk) room(size int, urgent bool) error {
	if d == nil || d.reserve == 0 {
		return nil
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if now := d.now(); d.checked.IsZero() || now.Sub(d.checked) >= diskEvery {
		free, _, err := d.free()
		if err != nil {
			return nil // then the server's own errors have to do
		}
		d.checked, d.last = now, free
	}
	need := d.reserve
	if urgent {
		need /= 2
	}
	if d.last-int64(size) < need {
		return ErrNoSpace
	}
	d.last -= int64(size)
	return nil
}
