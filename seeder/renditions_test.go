package seeder

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// below is a rendition made of a publisher's source.
type below struct {
	*publisher
	chain   manifest.Chain
	sources map[event.Position]manifest.Entry
	init    []byte
}

func (p *publisher) below() *below {
	p.t.Helper()
	b := &below{publisher: p, sources: map[event.Position]manifest.Entry{}, init: append(bytes.Clone(p.film.init), 0, 0, 0, 8, 'f', 'r', 'e', 'e')}
	p.fact(event.TracksAnnounced{
		Epoch: p.epoch, Rendition: "v1", Root: manifest.RootOf(b.init), Init: b.init, Codecs: "avc1.64000d,mp4a.40.2",
		Width: 160, Height: 90, FrameRate: 25,
	})
	return b
}

// send publishes the source's next k pieces, and the rendition's of the first made of them.
func (b *below) send(k, made int) {
	b.t.Helper()
	for i := range k {
		p := b.piece(b.n)
		b.sendPiece(p)
		for _, envelope := range b.sign(p) {
			b.sendEntry(envelope)
			env, err := manifest.ParseEnvelope(envelope)
			if err != nil {
				b.t.Fatal(err)
			}
			e, err := manifest.DecodeEntry(env)
			if err != nil {
				b.t.Fatal(err)
			}
			b.sources[e.Position()] = e
		}
		b.n++
		if i < made {
			b.make(p)
		}
	}
}

func (b *below) make(p *event.Piece) {
	b.t.Helper()
	made := *p
	made.Rendition, made.Init = "v1", manifest.RootOf(b.init)
	hold(&made, append(bytes.Clone(p.Data), byte(p.N)))
	b.sendPiece(&made)
	for more := true; more; {
		var e manifest.Entry
		var err error
		e, more, err = b.chain.NextBeside(&made, func(at event.Position) (manifest.Entry, bool) { s, ok := b.sources[at]; return s, ok })
		if err != nil {
			b.t.Fatal(err)
		}
		e = e.Seal(time.Now(), event.DigestOf(b.record.Payload))
		env, err := manifest.SignEntry(b.session, e)
		if err != nil {
			b.t.Fatal(err)
		}
		if err := b.chain.Check(e, env.Payload); err != nil {
			b.t.Fatal(err)
		}
		if _, err := b.bus.AppendEntry(b.ctx, b.id, "v1", env.JSON(), bus.AnySeq, time.Hour, "", event.DigestOf(env.Payload).String()); err != nil {
			b.t.Fatal(err)
		}
	}
}

// Players that switch find the same segments and parts in both playlists.
func TestRenditionsHaveTheSamePlaylistButForTheirInit(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now().Add(-6 * time.Second))
	l := p.below()
	l.send(28, 28)
	o.edge(p, 27)
	list := string(o.want("/live/live/v0/index.m3u8", 200).body)
	lower := strings.ReplaceAll(list, p.initRoot().String(), manifest.RootOf(l.init).String())
	eventually(t, "both playlists to be the same", func() bool { return string(o.get("/live/live/v1/index.m3u8").body) == lower })
	if list == lower {
		t.Error("both have the same init segment")
	}
	multi := string(o.want("/live/live/index.m3u8", 200).body)
	for _, want := range []string{
		"RESOLUTION=320x180", "RESOLUTION=160x90", `CODECS="avc1.64000d,mp4a.40.2"`, "\nv0/index.m3u8", "\nv1/index.m3u8",
	} {
		if !strings.Contains(multi, want) {
			t.Errorf("the multivariant playlist lacks %s:\n%s", want, multi)
		}
	}
}

// Where a rendition's encoder is gone, players are sent away from it, and may come back.
func TestARenditionThatFellBehindIsNotOffered(t *testing.T) {
	b := bustest.Start(t)
	o := startOrigin(t, b, nil)
	p := publish(t, b, "live", false)
	p.golive(time.Now().Add(-6 * time.Second))
	l := p.below()
	l.send(10, 10)
	multi := func() string { return string(o.get("/live/live/index.m3u8").body) }
	eventually(t, "both to be offered", func() bool { return strings.Contains(multi(), "v1/index.m3u8") })

	// A player waits for the rendition's next part, which does not come.
	waits := make(chan answer, 1)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	go func() {
		a, _ := o.ask(ctx, http.MethodGet, "/live/live/v1/index.m3u8?_HLS_msn=2&_HLS_part=0")
		waits <- a
	}()
	l.send(21, 0)
	o.edge(p, 30)
	select {
	case a := <-waits:
		if a.status != http.StatusNotFound {
			t.Errorf("who waited is told %s", a)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("who waits for the rendition is not told")
	}
	o.want("/live/live/v1/index.m3u8", 404)
	o.want(fmt.Sprintf("/live/live/manifest.json?r=v1&after=%s", p.at(9)), 404)
	o.want("/live/live/v0/index.m3u8", 200)
	if strings.Contains(multi(), "v1") || strings.Contains(string(o.want("/live/live/manifest.json", 200).body), "v1/index.m3u8") {
		t.Error("it is still offered")
	}

	for _, n := range []uint64{28, 29, 30} {
		l.make(p.piece(n))
	}
	eventually(t, "it to be offered again", func() bool { return strings.Contains(multi(), "v1/index.m3u8") })
	o.want("/live/live/v1/index.m3u8", 200)
}
