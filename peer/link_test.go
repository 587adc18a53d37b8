package peer

import (
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// Where the page names STUN servers, these are used; a host that is missing is the page's.
func TestThePageSaysWhereSTUNIs(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.stun = []string{":4000", "stun.example.org:3478", "nonsense", "[2001:db8::1]:5"}
	var told []string
	s := swarmer(t, o, &meeting{}, time.Second/2)
	s.STUN = func(servers []string) { told = append(told, servers...) }
	s.mustWatch(t)
	if want := []string{"127.0.0.1:4000", "stun.example.org:3478"}; !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
}

// A stream's magnet link leads to its page, and is as strict about whose it is.
func TestAMagnetLinkIsWatched(t *testing.T) {
	o := newOrigin(t, "alice")
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.play(40)
	d, err := metainfo.NewDescriptor(o.genesis)
	if err != nil {
		t.Fatal(err)
	}
	page, _, _ := strings.Cut(o.link(), "#")
	s := viewer(t, o, 2*time.Second)
	s.URL = d.Magnet([]string{"udp://127.0.0.1:6969"}, page)
	s.mustWatch(t)
	if !s.saw(Verified) {
		t.Error("a magnet link with its stream's id never showed verified")
	}
	s = viewer(t, o, 800*time.Millisecond)
	s.URL = d.Magnet([]string{"udp://127.0.0.1:6969"}, "")
	if _, err := s.watch(t); err == nil || !strings.Contains(err.Error(), "xs") {
		t.Errorf("a magnet link without a page: %v", err)
	}
}

func TestALinkSaysWhatIsWrongWithIt(t *testing.T) {
	hash := "magnet:?xt=urn:btih:" + strings.Repeat("a", 40)
	id, other := strings.Repeat("a", 32), strings.Repeat("b", 32)
	page := "http://127.0.0.1:8080/live/cam"
	xs := func(s string) string { return "&xs=" + url.QueryEscape(s) }
	for link, says := range map[string]string{
		"":                        "http://host/live/name",
		"cam":                     "http://host/live/name",
		"ftp://example.org":       "http://host/live/name",
		"http://example.org/cam":  "/live/name is missing",
		"http:///live/cam":        "a host",
		page + "/film.mp4":        "only manifest.json",
		page + "#short":           "stream id",
		"magnet:":                 "magnet:?",
		"magnet:?xt=urn:btih:abc": "40 hexadecimal",
		"magnet:?dn=cam":          "xt=urn:btih:",
		hash + xs(page):           "x.sid",
		hash + "&x.sid=abc":       "x.sid",
		hash + "&x.sid=" + id:     "nobody to ask",
		hash + "&x.sid=" + id + xs("http://example.org/"): "/live/name is missing",
		hash + "&x.sid=" + id + xs(page+"#"+other):        "one of them was changed",
	} {
		if _, err := ParseLink(link); err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", link, err, says)
		}
	}
	for link, want := range map[string]struct {
		page   string
		id     event.StreamID
		magnet bool
	}{
		page:                             {page: page},
		" " + page + "#" + id + "\n":     {page: page, id: event.StreamID(id)},
		page + "/manifest.json#" + id:    {page: page, id: event.StreamID(id)},
		hash + "&x.sid=" + id + xs(page): {page: page, id: event.StreamID(id), magnet: true},
		"MAGNET" + hash[6:] + "&x.sid=" + id + xs(page+"#"+id):         {page: page, id: event.StreamID(id), magnet: true},
		hash + "&dn=cam&x.sid=" + id + "&tr=udp%3A%2F%2Fa.example%3A1": {id: event.StreamID(id), magnet: true},
	} {
		l, err := ParseLink(link)
		if err != nil {
			t.Errorf("%q: %v", link, err)
			continue
		}
		var at string
		if l.Location != nil {
			at = l.Location.Page()
		}
		if at != want.page || l.ID() != want.id || (l.Magnet != nil) != want.magnet {
			t.Errorf("%q is %+v", link, l)
		}
	}
}
