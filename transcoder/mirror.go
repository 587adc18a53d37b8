package transcoder

import (
	"slices"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
)

// mirror makes one rendition's pieces: each has the encoder's pictures of the time of one of
// the source's, and that one's place and audio. It is pure, and not safe for concurrent use.
type mirror struct {
	open  []*slot       // pieces of the source that await their pictures, oldest first
	due   []event.Ticks // when the source's pictures that were not encoded yet are shown, in order
	shift event.Ticks   // how much later pictures are shown than decoded, at the newest keyframe
	ended bool          // nothing more comes of the source
	torn  bool          // nothing can be decoded up to the next keyframe, as what it refers to was left out
}

// slot is a piece of the source and what was encoded of it so far.
type slot struct {
	source     *event.Piece // without its data
	contents   *fmp4.Contents
	begin, end event.Ticks // the time of its pictures, by when they are shown
	reordered  bool        // some are decoded before others that are shown first
	pictures   []fmp4.Picture
}

// maxOpen bounds how many pieces of the source await their pictures.
const maxOpen = 64

// tolerance is what timestamps may differ by.
const tolerance = event.Timescale / 1000

// made is one piece of the rendition.
type made struct {
	source *event.Piece
	key    bool
	pts    event.Ticks
	data   []byte
}

// add takes note of the source's next piece, before its pictures are decoded, and returns
// those that are complete by it. It is false where there is no room: an encoder that is so
// far behind is not to be given more.
func (m *mirror) add(p *event.Piece, c *fmp4.Contents) ([]made, bool) {
	if len(m.open) >= maxOpen {
		return nil, false
	}
	source := *p
	source.Data = nil
	s := &slot{source: &source, contents: c, begin: p.PTS, end: p.PTS + p.Duration}
	if len(c.Pictures) > 0 {
		first := c.Pictures[0]
		if first.Key {
			// Where pictures are decoded in another order than they are shown, pieces are
			// cut by the former; encoded anew, both are one, as far after as this.
			m.shift = first.PTS - first.DTS
		}
		s.begin, s.end = first.DTS+m.shift, c.Ends+m.shift
		for _, picture := range c.Pictures {
			s.reordered = s.reordered || picture.PTS > picture.DTS
			m.due = append(m.due, picture.PTS)
		}
		slices.Sort(m.due)
	}
	if n := len(m.open); n > 0 { // pictures that lead a keyframe are shown in the time before it
		m.open[n-1].end = s.begin
	}
	m.open = append(m.open, s)
	return m.settle(nil), true
}

// take puts the encoder's next picture into its piece, and returns the pieces that are
// complete. Pictures come in the order in which they are shown.
func (m *mirror) take(p fmp4.Picture) []made {
	m.pass(p.PTS - tolerance) // those between the one before and this were left out
	out := m.settle(nil)
	if len(m.open) > 0 && p.PTS < m.open[0].end-tolerance {
		s := m.open[0]
		if len(s.pictures) > 0 || p.Key || !s.source.Key { // else it leads a keyframe and has no place
			s.pictures = append(s.pictures, p)
		}
	}
	m.pass(p.PTS + tolerance + 1)
	return m.settle(out)
}

// pass strikes what is due before a time.
func (m *mirror) pass(before event.Ticks) {
	n := 0
	for n < len(m.due) && m.due[n] < before {
		n++
	}
	m.due = slices.Delete(m.due, 0, n)
}

// settle closes the pieces of which no picture is to come. Where the source reorders
// pictures, those shown last may come with its next piece.
func (m *mirror) settle(out []made) []made {
	for len(m.open) > 0 {
		s := m.open[0]
		if len(m.due) > 0 && m.due[0] < s.end-tolerance || s.reordered && len(m.open) == 1 && !m.ended {
			break
		}
		out = m.close(out)
	}
	return out
}

// flush returns what is left when the encoder has ended.
func (m *mirror) flush() []made {
	m.due, m.ended = nil, true
	return m.settle(nil)
}

// close completes the oldest open piece. One that got no picture, though there is time for
// some in the source's, is left out: it would freeze the picture and have nothing to resume
// from. So is all that refers to it.
func (m *mirror) close(out []made) []made {
	s := m.open[0]
	m.open = slices.Delete(m.open, 0, 1)
	if s.source.Key {
		m.torn = len(s.contents.Pictures) > 0 && (len(s.pictures) == 0 || !s.pictures[0].Key)
	}
	lost := len(s.pictures) == 0 && len(s.contents.Pictures) > 0 && s.end-s.begin > tolerance
	if m.torn || lost {
		return out
	}
	data := s.contents.Replace(uint32(s.source.N+1), s.pictures, s.begin, s.end)
	if data == nil {
		return out
	}
	if m.torn = len(data) > event.MaxPiece; m.torn {
		return out
	}
	piece := made{source: s.source, pts: s.source.PTS, data: data}
	if len(s.pictures) > 0 {
		piece.key, piece.pts = s.pictures[0].Key, s.pictures[0].PTS
	}
	return append(out, piece)
}
