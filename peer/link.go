package peer

import (
	"errors"
	"fmt"
	"strings"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// Link is what a viewer follows to a stream. It has a page, or a magnet link, or both.
type Link struct {
	Location *Location      // the stream's page; nil when only the swarm can be asked
	Magnet   *metainfo.Link // nil for the address of a page
}

// ID returns the stream that must be found there, empty when the link does not say.
func (l Link) ID() event.StreamID {
	switch {
	case l.Location != nil:
		return l.Location.ID
	case l.Magnet != nil:
		return l.Magnet.Stream
	}
	return ""
}

// place returns the name that the link calls the stream by, and its page where it names one.
func (l Link) place() (event.StreamName, string) {
	if l.Location != nil {
		return l.Location.Name, l.Location.Page()
	}
	return event.StreamName(event.NamePrefix(l.Magnet.Name)), ""
}

// ParseLink reads a viewer's link: a page, manifest.json or playlist, as ParseURL does,
// or the magnet link of a live stream. What the magnet link says of its stream also
// counts for the page it names.
func ParseLink(s string) (Link, error) {
	s = strings.TrimSpace(s)
	if scheme, _, _ := strings.Cut(s, ":"); !strings.EqualFold(scheme, "magnet") {
		loc, err := ParseURL(s)
		if err != nil {
			return Link{}, err
		}
		return Link{Location: &loc}, nil
	}
	l, err := parseMagnet(s)
	if err != nil {
		return Link{}, fmt.Errorf("the magnet link cannot be followed: %w", err)
	}
	return l, nil
}

func parseMagnet(s string) (Link, error) {
	m, err := metainfo.ParseMagnet(s)
	if err != nil {
		return Link{}, err
	}
	switch {
	case m.Stream == "":
		return Link{}, errors.New("it has no x.sid, which names a live stream; a file that was live opens in any BitTorrent client")
	case m.Source == "" && len(m.Trackers) == 0:
		return Link{}, errors.New("it has neither xs, the stream's page, nor tr, a tracker: there is nobody to ask")
	case m.Source == "":
		return Link{Magnet: &m}, nil
	}
	loc, err := ParseURL(m.Source)
	if err != nil {
		return Link{}, fmt.Errorf("xs: %w", err)
	}
	if loc.ID != "" && loc.ID != m.Stream {
		return Link{}, fmt.Errorf("xs leads to stream %s, x.sid to stream %s: one of them was changed", loc.ID, m.Stream)
	}
	loc.ID = m.Stream
	return Link{Location: &loc, Magnet: &m}, nil
}
