package srt

// slab holds messages one behind the other.
type slab struct {
	data []byte
	ends []int
}

// room returns where the next message may be written: n bytes.
func (s *slab) room(n int) []byte {
	if cap(s.data)-len(s.data) < n {
		grown := make([]byte, len(s.data), max(2*cap(s.data), 16<<10, len(s.data)+n))
		copy(grown, s.data)
		s.data = grown
	}
	return s.data[len(s.data) : len(s.data)+n : len(s.data)+n]
}

// add keeps the n bytes that were written into room.
func (s *slab) add(n int) {
	s.data = s.data[:len(s.data)+n]
	s.ends = append(s.ends, len(s.data))
}

// reset empties it, and gives memory back that only a backlog needed.
func (s *slab) reset() {
	if cap(s.data) > keptSlab {
		*s = slab{}
		return
	}
	s.data, s.ends = s.data[:0], s.ends[:0]
}

// each calls fn with every message, until an error.
func (s *slab) each(fn func([]byte) error) error {
	from := 0
	for _, to := range s.ends {
		if err := fn(s.data[from:to:to]); err != nil {
			return err
		}
		from = to
	}
	return nil
}
