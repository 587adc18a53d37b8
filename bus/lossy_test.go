package bus_test

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

// A crash of an outside server may take back the tail of PIECES that a follower has
// seen, and give its sequences to other pieces. Here PIECES is put back by hand to
// what it was before the tail.
func TestAFollowerOfPiecesSurvivesALostTail(t *testing.T) {
	r := newRig(t)
	b := connect(t, bus.Options{URL: r.proxy.url(), Creds: r.server.CredsFile()})
	check(t, b.Provision(ctxOf(t), bus.Limits{}))
	got := make(chan uint64, 1000)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p.N
			return nil
		})
	})
	var n uint64
	publish := func(count int) {
		for range count {
			check(t, b.PublishPiece(ctxOf(t), piece(1, n, 1000)))
			n++
		}
	}
	expect := func(from, to uint64) {
		for want := from; want < to; want++ {
			if p := receive(t, got); p != want {
				t.Fatalf("piece %d came instead of %d", p, want)
			}
		}
	}
	publish(100)
	expect(0, 100)

	before := t.TempDir()
	pieces := func(root string) string {
		m, err := filepath.Glob(filepath.Join(root, "jetstream", "*", "streams", "PIECES"))
		check(t, err)
		if len(m) != 1 {
			t.Fatalf("PIECES lies in %v", m)
		}
		return m[0]
	}
	r.server.Shutdown()
	dir := pieces(r.dir)
	check(t, os.CopyFS(filepath.Join(before, "PIECES"), os.DirFS(dir)))
	r.start(t)
	waitFor(t, b)
	publish(30)
	expect(100, 130)

	r.server.Shutdown()
	check(t, os.RemoveAll(dir))
	check(t, os.CopyFS(dir, os.DirFS(filepath.Join(before, "PIECES"))))
	r.start(t)
	waitFor(t, b)
	publish(40) // over the sequences of the lost 30, and beyond
	expect(130, 170)
	if len(got) > 0 {
		t.Errorf("%d pieces came twice", len(got))
	}
}

// waitFor returns when b's server answers again.
func waitFor(t *testing.T, b *bus.Bus) {
	until(t, "the server answers", func() bool {
		_, err := b.StreamState(ctxOf(t), streamA)
		return err == nil
	})
}
