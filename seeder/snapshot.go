package seeder

import (
	"bytes"
	"compress/gzip"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// snapshot is what requests see of a rendition between two changes. It is read
// without locks; what is written from it is written once and shared.
type snapshot struct {
	name      event.StreamName
	rendition event.Rendition
	items     []*item // more than the playlist lists: late requests want the rest
	ended     bool    // the last segment is complete, no part follows for now
	live      bool    // an epoch is open and pieces come
	stalled   bool    // it fell behind the source that it is made of
	next      chan struct{}
	metrics   *Metrics

	viewOnce  sync.Once
	listed    []manifest.Entry
	playlists [2]rendered // whole, and as a delta update
}

// rendered is a text that is written when first asked for.
type rendered struct {
	once sync.Once
	text []byte

	gzipOnce sync.Once
	gzipped  []byte
}

func (s *snapshot) empty() bool { return len(s.items) == 0 }

func (s *snapshot) last() *manifest.Entry { return &s.items[len(s.items)-1].entry }

// view is what the playlist is written from: entries alone.
func (s *snapshot) view() manifest.View {
	s.viewOnce.Do(func() {
		entries := make([]manifest.Entry, len(s.items))
		for i, it := range s.items {
			entries[i] = it.entry
		}
		s.listed = manifest.Window(entries)
	})
	return manifest.View{Name: s.name, Rendition: s.rendition, Entries: s.listed, Ended: s.ended}
}

// segment returns the items of segment msn if it is complete.
func (s *snapshot) segment(msn uint64) []*item {
	from := sort.Search(len(s.items), func(i int) bool { return s.items[i].entry.MSN >= msn })
	to := sort.Search(len(s.items), func(i int) bool { return s.items[i].entry.MSN > msn })
	if from == to || to == len(s.items) && !s.ended || !s.items[from].entry.StartsSegment() {
		return nil
	}
	return s.items[from:to]
}

// byRoot returns the item whose piece has the given root.
func (s *snapshot) byRoot(root event.Root) *item {
	for _, it := range slices.Backward(s.items) {
		if it.entry.Root == root && it.data != nil {
			return it
		}
	}
	return nil
}

// needsInit reports whether a segment that is served begins with the init segment.
func (s *snapshot) needsInit(root event.Root) bool {
	return slices.ContainsFunc(s.items, func(it *item) bool { return it.entry.Init == root })
}

// playlist returns the media playlist, as a delta update when skip is set.
func (s *snapshot) playlist(skip bool) *rendered {
	r := &s.playlists[0]
	if skip {
		r = &s.playlists[1]
	}
	r.once.Do(func() {
		begun := time.Now()
		r.text = manifest.MediaPlaylist(s.view(), manifest.MediaOptions{Skip: skip})
		s.metrics.Render.Observe(time.Since(begun).Seconds())
	})
	return r
}

// compressed returns the text in gzip.
func (r *rendered) compressed() []byte {
	r.gzipOnce.Do(func() { r.gzipped = compress(r.text) })
	return r.gzipped
}

var gzipWriters = sync.Pool{New: func() any {
	w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
	if err != nil { // only for a level that does not exist
		panic("seeder: " + err.Error())
	}
	return w
}}

func compress(text []byte) []byte {
	var out bytes.Buffer
	w := gzipWriters.Get().(*gzip.Writer)
	defer gzipWriters.Put(w)
	w.Reset(&out)
	_, _ = w.Write(text) // a bytes.Buffer takes all
	_ = w.Close()
	return out.Bytes()
}
