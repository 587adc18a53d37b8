package seeder

import (
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

func TestNamesAndLists(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, func(o *Options) { o.PublicURL = "https://shoal.example/" })
	first := publish(t, b, "talk", false)
	hidden := publish(t, b, "hidden", true)
	hidden.golive(time.Now())
	hidden.send(1)
	o.edge(hidden, 0)
	second := publish(t, b, "talk", false)
	second.golive(time.Now())
	second.send(1)
	o.edge(second, 0)
	var list []listing
	if err := json.Unmarshal(o.want("/api/v1/streams", 200).body, &list); err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].StreamID != second.id || !list[0].Live || list[0].Codecs != filmCodecs ||
		list[0].Since != int64(second.epoch) || list[0].WatchURL != "https://shoal.example/live/talk#"+string(second.id) {
		t.Errorf("the list is %+v, want the newer of two with one name, and none that is unlisted", list)
	}
	if doc := o.manifestOf(hidden, ""); !doc.Live {
		t.Error("an unlisted stream is not served")
	}
	root := manifest.RootOf(hidden.film.pieces[0]).String()
	hidden.fact(event.StreamRemoved{})
	second.fact(event.StreamRemoved{})
	eventually(t, "the older stream has its name again", func() bool { return o.byName("talk") != nil && o.byName("talk").id == first.id })
	o.want("/live/hidden/manifest.json", 404)
	o.want("/p/"+root, 404)
}

func TestManifestRanges(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now().Add(-20 * time.Second))
	p.send(90)
	o.edge(p, 89)
	doc := o.manifestOf(p, "")
	if first := doc.entries[0]; !first.Key || !first.StartsSegment() || len(doc.entries) < 60 || len(doc.entries) > 70 {
		t.Errorf("%d recent entries from %+v, want 12 s from a keyframe", len(doc.entries), first)
	}
	q := fmt.Sprintf("?r=v0&epoch=%d&from=20&to=29", p.epoch)
	if doc := o.manifestOf(p, q); len(doc.entries) != 10 || doc.entries[0].N != 20 {
		t.Errorf("%d entries, want 20 to 29", len(doc.entries))
	}
	if got := o.want("/live/live/manifest.json"+q, 200).header.Get("Cache-Control"); got != "public, max-age=30" {
		t.Errorf("a complete range's cache control is %q", got)
	}
	q = fmt.Sprintf("?r=v0&epoch=%d&from=85&to=94", p.epoch)
	if doc := o.manifestOf(p, q); len(doc.entries) != 5 {
		t.Errorf("%d entries, want the 5 there are", len(doc.entries))
	}
	if got := o.want("/live/live/manifest.json"+q, 200).header.Get("Cache-Control"); got == "public, max-age=30" {
		t.Error("an incomplete range may be cached for long")
	}
	if doc := o.manifestOf(p, fmt.Sprintf("?r=v0&after=%d.79", p.epoch)); len(doc.entries) != 10 {
		t.Errorf("%d entries after 79, want 10", len(doc.entries))
	}
	if doc := o.manifestOf(p, "?r=v0&after=0.0"); len(doc.entries) != 90 {
		t.Errorf("%d entries after the beginning of time, want all 90", len(doc.entries))
	}
	zipped := o.get("/live/live/manifest.json", "Accept-Encoding", "gzip")
	if zipped.header.Get("Content-Encoding") != "gzip" {
		t.Error("manifest.json is not compressed")
	}
}
