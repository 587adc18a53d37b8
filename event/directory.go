package event

import "sync"

// Directory folds the facts of all streams, and finds them by id or by the name that
// people use. It is safe for concurrent use; what it returns are copies.
type Directory struct {
	mu     sync.Mutex
	byID   map[StreamID]*StreamState
	byName map[StreamName]StreamID
}

// NewDirectory returns a directory that knows no stream.
func NewDirectory() *Directory {
	return &Directory{byID: map[StreamID]*StreamState{}, byName: map[StreamName]StreamID{}}
}

// Apply folds the fact recorded at subject sequence seq of stream id, and returns the
// stream's state after it. Of two streams with one name the newest genesis has it.
func (d *Directory) Apply(id StreamID, seq uint64, f StreamFact) StreamState {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.byID[id]
	if s == nil {
		s = &StreamState{ID: id}
		d.byID[id] = s
	}
	s.Apply(seq, f)
	if s.Removed {
		if d.byName[s.Name] == id {
			delete(d.byName, s.Name)
		}
	} else if _, genesis := f.(GenesisPublished); genesis {
		d.byName[s.Name] = id
	}
	return s.Clone()
}

// Get returns the stream with the given id.
func (d *Directory) Get(id StreamID) (StreamState, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clone(id)
}

// Named returns the stream that has the given name now.
func (d *Directory) Named(name StreamName) (StreamState, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.clone(d.byName[name])
}

// All returns every stream, removed ones too, in no order.
func (d *Directory) All() []StreamState {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := make([]StreamState, 0, len(d.byID))
	for _, s := range d.byID {
		out = append(out, s.Clone())
	}
	return out
}

func (d *Directory) clone(id StreamID) (StreamState, bool) {
	s := d.byID[id]
	if s == nil {
		return StreamState{}, false
	}
	return s.Clone(), true
}
