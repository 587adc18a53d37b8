package seeder

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/archive"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// FollowCloses lets tests in virtual time run without an archive.
func (b *clockBus) FollowCloses(ctx context.Context, _ func(context.Context, event.StreamID, event.Rendition, event.FileClosed) error) error {
	<-ctx.Done()
	return context.Cause(ctx)
}

const testWindow = 4 * time.Second // of the film's 12

// archivist is a publisher whose packager closes archive files.
type archivist struct {
	*publisher
	cutter *archive.Cutter
	last   uint64
	forge  func(*manifest.Close) // changes records before they are signed
}

func archiving(p *publisher) *archivist {
	return &archivist{publisher: p, cutter: archive.NewCutter(p.name, event.Source, testWindow, func(r event.Root) ([]byte, bool) {
		return p.film.init, r == p.initRoot()
	})}
}

// send publishes the next k pieces, with entries and the close records that are due.
func (a *archivist) send(k int) {
	a.t.Helper()
	for range k {
		piece := a.piece(a.n)
		a.sendPiece(piece)
		for _, b := range a.sign(piece) {
			a.sendEntry(b)
			env, err := manifest.ParseEnvelope(b)
			if err != nil {
				a.t.Fatal(err)
			}
			e, err := manifest.DecodeEntry(env)
			if err != nil {
				a.t.Fatal(err)
			}
			if e.Gap {
				a.close(a.cutter.Take(e, nil))
			} else {
				a.close(a.cutter.Take(e, piece.Data))
			}
		}
		a.n++
	}
}

// end closes the epoch and its files.
func (a *archivist) end() {
	a.t.Helper()
	a.publisher.end()
	a.close(a.cutter.End())
}

func (a *archivist) close(cuts []archive.Cut) {
	a.t.Helper()
	for _, cut := range cuts {
		rec := cut.Close(a.id, event.Source)
		rec.Issued = time.Now().UnixMilli()
		if a.forge != nil {
			a.forge(&rec)
		}
		env, err := manifest.SignClose(a.session, rec)
		if err != nil {
			a.t.Fatal(err)
		}
		a.last, err = a.bus.AppendClose(a.ctx, a.id, event.Source, event.FileClosed{Envelope: env.JSON()}, a.last, time.Hour, event.DigestOf(env.Payload).String())
		if err != nil {
			a.t.Fatal(err)
		}
	}
}

// file returns the bytes of an archive file of pieces from to to.
func (a *archivist) file(from, to uint64) []byte {
	out := bytes.Clone(a.film.init)
	for n := from; n <= to; n++ {
		out = append(out, a.piece(n).Data...)
	}
	return out
}

func (a *archivist) called(first uint64, suffix string) string {
	return fmt.Sprintf("%s-v0-%d-%d%s", a.name, a.epoch, first, suffix)
}

// archived waits until so many files are in the archive.
func (o *origin) archived(count int) []*Archived {
	o.t.Helper()
	eventually(o.t, fmt.Sprintf("%d files are archived", count), func() bool { return len(o.Archive()) == count })
	return o.Archive()
}

func (o *origin) listArchive(name string) archiveList {
	o.t.Helper()
	var l archiveList
	a := o.get("/live/"+name+"/archive/", "Accept", "application/json")
	if err := json.Unmarshal(a.body, &l); err != nil || a.status != http.StatusOK {
		o.t.Fatalf("%s: %v", a, err)
	}
	return l
}

func TestABroadcastBecomesFilesThatAreWhatWasSigned(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	o := startOrigin(t, b, func(o *Options) {
		o.ArchiveDir, o.Trackers = t.TempDir(), []string{"http://127.0.0.1:1/announce"}
	})
	changed := o.ArchiveChanged()
	p := archiving(publish(t, b, "film", false))
	p.golive(time.Now().Add(-12 * time.Second))
	p.send(30)
	o.archived(1)
	<-changed
	p.n += 2 // two pieces are lost: gaps
	p.send(28)
	p.end()
	files := o.archived(4)
	l := o.listArchive("film")
	if len(l.Files) != 4 || l.Count != 4 || l.StreamID != p.id {
		t.Fatalf("listed: %+v", l)
	}
	windows := append(p.film.init[:len(p.film.init):len(p.film.init)], p.file(20, 29)[len(p.film.init):]...)
	windows = append(windows, p.file(32, 39)[len(p.film.init):]...)
	whole := append(p.file(0, 29), p.file(32, 59)[len(p.film.init):]...)
	for name, want := range map[string][]byte{
		p.called(0, ".mp4"): p.file(0, 19), p.called(20, ".mp4"): windows, p.called(40, ".mp4"): p.file(40, 59),
		p.called(0, "-whole.mp4"): whole,
	} {
		got := o.want("/live/film/archive/"+name, http.StatusOK)
		if !bytes.Equal(got.body, want) {
			t.Errorf("%s has %d bytes, want %d", name, len(got.body), len(want))
		}
		// Whoever has the pieces derives the same torrent.
		derived := archive.Derive(name, want[:len(p.film.init)], func(yield func([]byte) bool) { yield(want[len(p.film.init):]) })
		torrent, err := metainfo.ParseTorrent(o.want("/live/film/archive/"+name+".torrent", http.StatusOK).body)
		if err != nil || torrent.InfoHash != derived.InfoHash || !bytes.Equal(torrent.Info, derived.Info) {
			t.Errorf("%s: torrent %s, derived %s, %v", name, torrent.InfoHash, derived.InfoHash, err)
		}
		if torrent.WebSeeds[0] != o.url+"/live/film/archive/"+name || torrent.Trackers[0] != "http://127.0.0.1:1/announce" {
			t.Errorf("%s: web seeds %v, trackers %v", name, torrent.WebSeeds, torrent.Trackers)
		}
	}
	trust := p.trust()
	for i, f := range l.Files {
		env, err := manifest.ParseEnvelope(f.Close)
		if err != nil {
			t.Fatal(err)
		}
		rec, err := trust.OpenClose(env)
		if err != nil || rec.SHA256 != f.SHA256 || rec.InfoHash != f.InfoHash || rec.Size != f.Size {
			t.Errorf("%s: signed %+v, %v", f.File, rec, err)
		}
		link, err := metainfo.ParseMagnet(f.Magnet)
		if err != nil || link.InfoHash != f.InfoHash || link.Stream != p.id || link.WebSeeds[0] != f.URL {
			t.Errorf("%s: magnet %+v, %v", f.File, link, err)
		}
		if i > 0 && endOf(f) > endOf(l.Files[i-1]) {
			t.Error("older files stand before newer ones")
		}
	}
	if w := files[len(files)-1]; w.Close.Dur != 4*event.Timescale || w.Close.At != p.zero.UnixMilli() {
		t.Errorf("the first window is %+v", w.Close)
	}
	page := o.get("/live/film/archive/", "Accept", "text/html,application/xhtml+xml,*/*")
	for _, want := range []string{p.called(0, "-whole.mp4"), "magnet:?xt=urn:btih:" + l.Files[0].InfoHash.String(), "12 s, ", "7 d", "21 GB", "prefers-color-scheme"} {
		if !strings.Contains(string(page.body), want) {
			t.Errorf("the page lacks %q", want)
		}
	}
}

func TestFilesAreServedInRangesAndByTheirNamesOnly(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	dir := t.TempDir()
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir = filepath.Join(dir, "archive") })
	if err := os.WriteFile(filepath.Join(dir, "secret.mp4"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := archiving(publish(t, b, "film", false))
	if page := o.get("/live/film/archive/"); page.status != http.StatusOK || !strings.Contains(string(page.body), "Nothing has been archived") {
		t.Errorf("before the first file: %s", page)
	}
	p.golive(time.Now().Add(-5 * time.Second))
	p.send(21)
	name := o.archived(1)[0].File
	want := p.file(0, 19)
	got := o.get("/live/film/archive/"+name, "Range", "bytes=1000-1999")
	if got.status != http.StatusPartialContent || !bytes.Equal(got.body, want[1000:2000]) || got.header.Get("Content-Range") == "" {
		t.Errorf("a range: %d, %d bytes", got.status, len(got.body))
	}
	if got := o.get("/live/film/archive/"+name, "Range", "bytes=99999999-"); got.status != http.StatusRequestedRangeNotSatisfiable {
		t.Errorf("a range behind the end: %d", got.status)
	}
	if got, err := o.ask(t.Context(), http.MethodHead, "/live/film/archive/"+name); err != nil || got.header.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Errorf("HEAD: %v, %v", got.header, err)
	}
	for _, bad := range []string{
		"..%2f..%2fsecret.mp4", "%2e%2e%2fsecret.mp4", name + ".json", name + ".torrent.torrent", ".unfinished-1", "%00", "x.mp4",
		"..%5c..%5csecret.mp4", strings.ToUpper(name), "index.m3u8",
	} {
		o.want("/live/film/archive/"+bad, http.StatusNotFound)
	}
	o.want("/live/nobody/archive/", http.StatusNotFound)
	o.want("/live/film/archive/?before=yesterday", http.StatusBadRequest)
	if l := o.get("/live/film/archive/?before=1", "Accept", "application/json"); !strings.Contains(string(l.body), `"files":[]`) {
		t.Errorf("before 1970: %s", l)
	}
}

func TestWhatIsNotAsSignedIsNotPublished(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	dir := t.TempDir()
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir = dir })
	p := archiving(publish(t, b, "film", false))
	p.golive(time.Now().Add(-12 * time.Second))
	p.forge = func(c *manifest.Close) { c.SHA256[0] ^= 1 }
	p.send(21)
	p.forge = func(c *manifest.Close) { c.InfoHash[0] ^= 1 }
	p.send(20)
	honest := p.session
	p.session, p.forge = newKey(t), func(c *manifest.Close) { c.Issued -= time.Hour.Milliseconds() } // a stranger's
	p.close(p.cutter.End())
	p.session, p.forge = honest, nil
	p.newEpoch(time.Now().Add(-5 * time.Second))
	p.n = 0
	p.fact(event.EpochClaimed{Epoch: p.epoch, Instance: "test"})
	p.send(20)
	p.forge = func(c *manifest.Close) { c.Size-- }
	p.send(1)
	p.forge = nil
	p.end()
	// The one piece that is left is a file; of the whole only if its windows are there.
	if files := o.archived(1); files[0].Close.First != 20 {
		t.Errorf("published: %+v", files[0].Close)
	}
	left, err := os.ReadDir(filepath.Join(dir, string(p.id)))
	if err != nil || len(left) != 2 {
		t.Errorf("on disk: %v, %v", left, err)
	}
}

func TestAnArchiveIsFoundAgainAfterARestart(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	dir := t.TempDir()
	p := archiving(publish(t, b, "film", false))
	p.golive(time.Now().Add(-12 * time.Second))
	p.send(45) // two windows are closed while nobody archives
	folder := filepath.Join(dir, string(p.id))
	with := func(o *Options) { o.ArchiveDir = dir }
	t.Run("what was closed meanwhile is fetched", func(t *testing.T) {
		startOrigin(t, b, with).archived(2)
	})
	// A crash in mid-file, a file without its record, and one that was cut short.
	spoil := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	spoil(".unfinished-123", "half")
	spoil("orphan.mp4", "no record")
	spoil("note.txt", "not ours")
	spoil(p.called(0, ".mp4"), "short")
	p.send(15)
	p.end()
	t.Run("what is not whole is fetched again", func(t *testing.T) {
		o := startOrigin(t, b, with)
		o.archived(4)
		if got := o.want("/live/film/archive/"+p.called(0, "-whole.mp4"), http.StatusOK); !bytes.Equal(got.body, p.file(0, 59)) {
			t.Error("the whole broadcast is another one")
		}
	})
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 4*2+1 {
		t.Errorf("on disk: %v, %v", left, err)
	}
	p.fact(event.StreamRemoved{})
	t.Run("a removed stream leaves nothing", func(t *testing.T) { startOrigin(t, b, with).archived(0) })
}

func TestTheArchiveKeepsWithinItsBytes(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	p := archiving(publish(t, b, "film", false))
	limit := int64(len(p.file(0, 19))+len(p.file(20, 39))) + 100
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir, o.ArchiveBytes = t.TempDir(), limit })
	p.golive(time.Now().Add(-12 * time.Second))
	p.send(60)
	p.end()
	eventually(t, "the newest window is archived", func() bool { return o.archive.store.get(p.id, p.called(40, ".mp4")) != nil })
	if o.archive.store.get(p.id, p.called(0, ".mp4")) != nil {
		t.Error("the oldest window is still there")
	}
	total, files := o.archive.store.size()
	if total > limit || files != 2 {
		t.Errorf("%d bytes in %d files, at most %d bytes are allowed", total, files, limit)
	}
}

func TestTheArchiveForgetsWhatIsOld(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	p := archiving(publish(t, b, "film", false))
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir = t.TempDir() })
	p.golive(time.Now().Add(-12 * time.Second))
	p.send(41)
	o.archived(2)
	first := p.zero.Add(testWindow)
	for _, c := range []struct {
		age  time.Duration
		left int
	}{{time.Hour - time.Second, 2}, {time.Hour + time.Second, 1}, {2 * time.Hour, 0}} {
		if err := o.archive.store.expire(first.Add(c.age), time.Hour); err != nil {
			t.Fatal(err)
		}
		if got := len(o.Archive()); got != c.left {
			t.Errorf("after %s %d files are left, want %d", c.age, got, c.left)
		}
	}
	left, err := os.ReadDir(filepath.Join(o.opts.ArchiveDir, string(p.id)))
	if err != nil || len(left) != 0 {
		t.Errorf("on disk: %v, %v", left, err)
	}
}
