package bus_test

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestAServerOfOursStartsInNoTimeAndOpensNoPort(t *testing.T) {
	dir := t.TempDir()
	best := time.Hour
	for range 3 { // the first start makes keys; the machine may be busy once
		start := time.Now()
		s, err := bus.StartServer(ctxOf(t), bus.ServerOptions{Dir: dir})
		check(t, err)
		best = min(best, time.Since(start))
		if s.ClientURL() != "" {
			t.Errorf("it listens at %s", s.ClientURL())
		}
		s.Shutdown()
	}
	t.Logf("started in %v", best)
	if best > 100*time.Millisecond {
		t.Errorf("the quickest of three starts took %v", best)
	}
}

func TestKeysAreMadeOnceAndNobodyElseReadsThem(t *testing.T) {
	dir := t.TempDir()
	read := func() map[string]string {
		startServer(t, bus.ServerOptions{Dir: dir}).Shutdown()
		files, err := filepath.Glob(filepath.Join(dir, "auth", "*"))
		check(t, err)
		m := map[string]string{}
		for _, f := range files {
			info, err := os.Stat(f)
			check(t, err)
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v", f, info.Mode())
			}
			b, err := os.ReadFile(f)
			check(t, err)
			m[filepath.Base(f)] = string(b)
		}
		return m
	}
	first, second := read(), read()
	if len(first) != 6 || len(second) != 6 {
		t.Fatalf("%d files, then %d", len(first), len(second))
	}
	for f := range first {
		if first[f] != second[f] {
			t.Errorf("%s changed at the second start", f)
		}
	}
	check(t, os.WriteFile(filepath.Join(dir, "auth", "account.nk"), []byte("nonsense"), 0o600))
	if _, err := bus.StartServer(ctxOf(t), bus.ServerOptions{Dir: dir}); err == nil || !strings.Contains(err.Error(), "account.nk") {
		t.Errorf("a spoilt key: %v", err)
	}
}

func TestServicesOutsideConnectWithTheCredentialsFile(t *testing.T) {
	s := startServer(t, bus.ServerOptions{Listen: "127.0.0.1:0"})
	b := connect(t, bus.Options{URL: s.ClientURL(), Creds: s.CredsFile()})
	check(t, b.Provision(ctxOf(t), bus.Limits{}))
	check(t, b.PublishPiece(ctxOf(t), piece(1, 0, 100)))

	other := startServer(t, bus.ServerOptions{})
	for what, o := range map[string]bus.Options{
		"another server's credentials": {URL: s.ClientURL(), Creds: other.CredsFile(), Name: "test"},
		"no credentials":               {URL: s.ClientURL(), Name: "test"},
	} {
		if _, err := bus.Connect(ctxOf(t), o); !errors.Is(err, bus.ErrCredentials) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, err := bus.Connect(ctxOf(t), bus.Options{URL: s.ClientURL(), Creds: "/no/such/file", Name: "test"}); err == nil || !strings.Contains(err.Error(), "/no/such/file") {
		t.Errorf("a missing file: %v", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	check(t, err)
	defer l.Close() // it accepts and says nothing
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if _, err := bus.Connect(ctx, bus.Options{URL: "nats://" + l.Addr().String(), Name: "test"}); !errors.Is(err, bus.ErrUnreachable) {
		t.Errorf("a silent server: %v", err)
	}
	if _, err := bus.StartServer(ctxOf(t), bus.ServerOptions{Dir: t.TempDir(), Listen: l.Addr().String()}); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a taken port: %v", err)
	}
	if _, err := bus.StartServer(ctxOf(t), bus.ServerOptions{Dir: t.TempDir(), Listen: "nonsense"}); err == nil {
		t.Error("a nonsensical address is accepted")
	}
}

// A service may do what services do and nothing else, such as read what the server
// says of other accounts, or speak on subjects that are not ours.
func TestAServiceKeepsToItsSubjects(t *testing.T) {
	s, _ := bustest.StartServer(t)
	refused := make(chan error, 10)
	nc, err := nats.Connect("", nats.InProcessServer(s.InProcess()), nats.UserCredentials(s.CredsFile()),
		nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) { refused <- err }))
	check(t, err)
	defer nc.Close()
	check(t, nc.Publish("other.subject", nil))
	if err := receive(t, refused); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Error(err)
	}
	_, err = nc.SubscribeSync(">")
	check(t, err)
	if err := receive(t, refused); !errors.Is(err, nats.ErrPermissionViolation) {
		t.Error(err)
	}
}

func TestWhatWasPublishedIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	s := startServer(t, bus.ServerOptions{Dir: dir})
	b := connect(t, bus.Options{Server: s})
	check(t, b.Provision(ctxOf(t), bus.Limits{}))
	seq, err := b.AppendStreamFact(ctxOf(t), streamA, event.EpochClaimed{Epoch: 3, Instance: "x"}, 0)
	check(t, err)
	b.Close()
	s.Shutdown()

	b = connect(t, bus.Options{Server: startServer(t, bus.ServerOptions{Dir: dir})})
	check(t, b.Provision(ctxOf(t), bus.Limits{Window: time.Minute}))
	state, err := b.StreamState(ctxOf(t), streamA)
	check(t, err)
	if state.Seq != seq || state.LastEpoch != 3 {
		t.Errorf("the state after a restart: %+v", state)
	}
}

func TestAnOldWindowIsForgotten(t *testing.T) {
	_, b := bustest.StartServer(t)
	check(t, b.Provision(ctxOf(t), bus.Limits{Window: 10 * time.Second, Piece: time.Second}))
	const published, kept = 4000, 6*10*60 + 1 // at 60 a second
	w := b.NewPieceWriter()
	for n := range uint64(published) {
		check(t, w.Write(ctxOf(t), piece(1, n, 10)))
	}
	check(t, w.Close(ctxOf(t)))
	got := make(chan uint64, published)
	followed(t, func(ctx context.Context) error {
		return b.FollowPieces(ctx, streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
			got <- p.N
			return nil
		})
	})
	if n := receive(t, got); n != published-kept {
		t.Errorf("the oldest piece kept is %d, want six windows, %d pieces", n, kept)
	}
}

// A JetStream limit stands for a small disk; the end-to-end tests fill a real one.
func TestAFullBusSaysSo(t *testing.T) {
	s := startServer(t, bus.ServerOptions{MaxStore: 4 << 20})
	b := connect(t, bus.Options{Server: s})
	check(t, b.Provision(ctxOf(t), bus.Limits{}))
	var last uint64
	var err error
	for n := 0; err == nil; n++ {
		if n > 100 {
			t.Fatal("a hundred entries of 100 kB fit into 4 MiB")
		}
		var seq uint64
		if seq, err = b.AppendEntry(ctxOf(t), streamA, "v0", make([]byte, 100_000), last, 0, "", ""); err == nil {
			last = seq
		}
	}
	if !errors.Is(err, bus.ErrNoSpace) || !strings.Contains(err.Error(), "no disk space left") {
		t.Errorf("an entry too many: %v", err)
	}
	w := b.NewPieceWriter()
	for n := uint64(0); w.Write(ctxOf(t), piece(1, n, 100_000)) == nil; n++ {
	}
	if err := w.Close(ctxOf(t)); !errors.Is(err, bus.ErrNoSpace) {
		t.Errorf("a piece too many: %v", err)
	}
	if _, seq, err := b.LastEntries(ctxOf(t), streamA, "v0", 1); err != nil || seq != last {
		t.Errorf("the last entry acknowledged is %d, now it is %d: %v", last, seq, err)
	}
}
