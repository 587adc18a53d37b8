package packager_test

import (
	"testing"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// Players switch between renditions where segments meet: whatever a rendition's encoder
// left out, and whenever it began, its segments have the source's numbers.
func TestARenditionIsNumberedAsItsSourceIs(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	stop := start(t, c, nil)
	c.begin(1000, "init")
	c.fact(event.TracksAnnounced{Epoch: 1000, Rendition: "v1", Root: c.init.Root, Init: c.init.Init, Codecs: "avc1.42c01e"})
	for n := range uint64(30) {
		c.publish(n)
	}
	for _, n := range []uint64{8, 9, 10, 11, 14} { // the encoder began late, and lost pieces
		c.publishAs("v1", n)
	}
	source := c.entries(30)
	made := c.entriesOf("v1", 5)
	stop()
	start(t, c, nil) // another packager goes on
	for n := uint64(16); n < 30; n++ {
		c.publishAs("v1", n)
	}
	made = append(made, c.entriesOf("v1", 20)[5:]...)
	for i, e := range made {
		n := uint64(i) + 10
		if e.N != n || e.MSN != source[n].MSN || e.DSN != source[n].DSN || e.Part != source[n].Part || e.Seg != source[n].Seg {
			t.Errorf("entry %d of the rendition is %+v, the source's is %+v", i, e, source[n])
		}
		if lost := n == 12 || n == 13 || n == 15; e.Gap != lost {
			t.Errorf("piece %d: gap is %v", n, e.Gap)
		}
	}
}

// Its own renditions never hold up the source.
func TestTheSourceIsSignedWhateverBecomesOfItsRenditions(t *testing.T) {
	c := newCreator(t, bustest.Start(t))
	c.session(1, event.Position{})
	start(t, c, nil)
	c.begin(1000, "init")
	c.fact(event.TracksAnnounced{Epoch: 1000, Rendition: "v1", Root: c.init.Root, Init: c.init.Init, Codecs: "avc1.42c01e"})
	c.publishAs("v1", 0) // before its source, which it waits for
	for n := range uint64(12) {
		c.publish(n)
	}
	wantContiguous(t, c.entries(12))
	if e := c.entriesOf("v1", 1)[0]; e.N != 0 || e.Gap || e.Root != manifest.RootOf([]byte("piece 0 of 1000")) {
		t.Errorf("the rendition's first entry is %+v", e)
	}
}
