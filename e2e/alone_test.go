package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

func TestEachServiceRunsAloneAndComesBackAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: filepath.Join(dir, "nats"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	alone := func(service string, args ...string) *instance {
		i := &instance{
			t: t, service: service, data: filepath.Join(dir, service),
			args: append([]string{"--nats", server.ClientURL(), "--nats-creds", server.CredsFile()}, args...),
		}
		i.start()
		t.Cleanup(i.kill)
		return i
	}
	web, rtmp := freePort(t), freePort(t)
	// The session keys are the one thing that two services share besides the bus.
	sessions := filepath.Join(dir, "sessions")
	packager := alone("packager", "--sessions", sessions)
	keyring := alone("keyring", "--sessions", sessions, "--session-length", "10s")
	ingest := alone("ingest", "--rtmp", rtmp)
	seeder := alone("seeder", "--http", web, "--torrent", freePort(t), "--webrtc", "")
	for _, secret := range []string{"keys", "sessions"} {
		for _, i := range []*instance{packager, ingest, seeder} {
			if _, err := os.Stat(filepath.Join(i.data, secret)); err == nil {
				t.Errorf("the %s's data directory holds %s", i.service, secret)
			}
		}
	}

	var s stream
	added := keyring.shoal("stream", "add", "concert", "--data", keyring.data, "--http", web, "--rtmp", rtmp, "--json")
	if err := json.Unmarshal([]byte(added), &s); err != nil {
		t.Fatalf("stream add printed %q: %v", added, err)
	}
	encoder(t, s)
	seeder.live("concert")
	file := filepath.Join(dir, "out.mp4")
	watcher := background(t, binary, "watch", s.Watch, "--out", file, "--pins", filepath.Join(dir, "pins"))
	waitFor(t, 20*time.Second, "watch to write", func() bool { return size(t, file) > 0 })

	b, err := bus.Connect(t.Context(), bus.Options{Server: server, Name: "test"})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	records := func() int {
		state, err := b.StreamState(t.Context(), event.StreamID(s.ID))
		if err != nil {
			t.Fatal(err)
		}
		return len(state.Sessions)
	}
	shown := pieces{}
	for _, i := range []*instance{ingest, packager, seeder, keyring} {
		before, had, written := shown.note(t, seeder.manifest("concert")), records(), size(t, file)
		i.kill()
		i.start()
		waitFor(t, 30*time.Second, "entries after a kill of the "+i.service, func() bool {
			last := seeder.manifest("concert").last(t)
			return before.Before(last) && (i != ingest || last.Epoch > before.Epoch)
		})
		if i == keyring {
			waitFor(t, 30*time.Second, "the next session record", func() bool { return records() > had })
		}
		waitFor(t, 30*time.Second, "watch to go on after a kill of the "+i.service, func() bool { return size(t, file) > written })
	}
	shown.note(t, seeder.manifest("concert"))
	select {
	case <-watcher.done:
		t.Errorf("watch gave up: %s", watcher.log)
	default:
	}
	if sum, _ := watch(t, s.Watch, "--seconds", "2"); sum.PiecesRejected != 0 || sum.PiecesVerified == 0 {
		t.Errorf("a new viewer says %+v", sum)
	}
	shown.requireIn(t, verifyOn(t, server, event.StreamID(s.ID)))
}
