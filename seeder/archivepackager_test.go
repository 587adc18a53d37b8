package seeder

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/packager"
)

// keys are those of a creator, as a packager asks for them.
type keys struct{ *creator }

func (k keys) Key(id event.StreamID, keyID string) (ed25519.PrivateKey, error) {
	if id != k.id || keyID != manifest.KeyID(k.session.Public().(ed25519.PublicKey)) {
		return nil, errors.New("no such key")
	}
	return k.session, nil
}

// What the real packager closes, with one crash in the middle, is what the origin
// archives, and it plays.
func TestWhatThePackagerClosesIsArchivedAndPlays(t *testing.T) {
	t.Parallel()
	b := bustest.Start(t)
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir = t.TempDir() })
	p := publish(t, b, "film", false)
	run := func() (stop func()) {
		s := packager.New(packager.Options{Bus: b, Keys: keys{p.creator}, Archive: testWindow})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		<-s.Ready()
		return func() {
			cancel()
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
	}
	send := func(k int) {
		for range k {
			p.sendPiece(p.piece(p.n))
			p.n++
		}
	}
	stop := run()
	p.golive(time.Now().Add(-12 * time.Second))
	send(27)
	o.archived(1)
	stop()
	send(33)
	whole := (&archivist{publisher: p}).called(0, "-whole.mp4")
	defer run()()
	p.golive(time.Now()) // the creator's connection was made again
	send(1)
	o.archived(4)
	if l := o.listArchive("film"); l.Files[0].DurationMS != 12_000 && l.Files[1].DurationMS != 12_000 {
		t.Errorf("the newest files are %+v", l.Files[:2])
	}
	path := filepath.Join(t.TempDir(), whole)
	if err := os.WriteFile(path, o.want("/live/film/archive/"+whole, http.StatusOK).body, 0o600); err != nil {
		t.Fatal(err)
	}
	if got := frames(t, path); got != 300 { // 12 s of 25
		t.Errorf("%d frames were decoded, want 300", got)
	}
}
