package transcoder

import (
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/fmp4"
)

// mirror makes one rendition's pieces: each has the encoder's pictures of the time of one of
// the source's, and that one's place and audio. It is pure, and not safe for concurrent use.
type mirror struct {
	open  []*slot // pieces of the source that await their pictures, oldest first
	shift event.Ticks
}

// slot is a piece of the source and what was encoded of it so far.
type slot struct {
	source     *event.Piece // without its data
	contents   *fmp4.Contents
	begin, end event.Ticks // the time of its pictures, by when they are shown
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

// add takes note of the source's next piece, before its pictures are decoded. It reports
// whether there is room: an encoder that is so far behind is not to be given more.
func (m *mirror) add(p *event.Piece, c *fmp4.Contents) bool {
	if len(m.open) >= maxOpen {
		return false
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
	}
	if n := len(m.open); n > 0 && m.open[n-1].end > s.begin {
		m.open[n-1].end = s.begin
	}
	m.open = append(m.open, s)
	return true
}

// take puts the encoder's next picture into its piece, and returns the pieces that are
// complete. Pictures come in the order in which they are shown.
func (m *mirror) take(p fmp4.Picture) []made {
	var out []made
	for len(m.open) > 1 && p.PTS >= m.open[1].begin-tolerance {
		out = m.close(out)
	}
	if len(m.open) == 0 {
		return out // nobody asked for it
	}
	s := m.open[0]
	s.pictures = append(s.pictures, p)
	if len(s.pictures) >= len(s.contents.Pictures) {
		out = m.close(out)
	}
	return out
}

// flush returns what is left when the encoder has ended.
func (m *mirror) flush() []made {
	var out []made
	for len(m.open) > 0 {
		out = m.close(out)
	}
	return out
}

// close completes the oldest open piece. One that got no picture, though the source's has
// some, is left out: it would freeze the picture and have nothing to resume from.
func (m *mirror) close(out []made) []made {
	s := m.open[0]
	m.open = append(m.open[:0], m.open[1:]...)
	if len(s.pictures) == 0 && len(s.contents.Pictures) > 0 {
		return out
	}
	data := s.contents.Replace(uint32(s.source.N+1), s.pictures, s.begin, s.end)
	if data == nil || len(data) > event.MaxPiece {
		return out
	}
	piece := made{source: s.source, pts: s.source.PTS, data: data}
	if len(s.pictures) > 0 {
		piece.key, piece.pts = s.pictures[0].Key, s.pictures[0].PTS
	}
	return append(out, piece)
}
