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

// services returns a bus of its own and what starts a service alone on it.
func services(t *testing.T, dir string) (*bus.Server, func(service string, args ...string) *instance) {
	t.Helper()
	server, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: filepath.Join(dir, "nats"), Listen: "127.0.0.1:0"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Shutdown)
	return server, func(service string, args ...string) *instance {
		t.Helper()
		i := &instance{
			t: t, service: service, data: filepath.Join(t.TempDir(), service),
			args: append([]string{"--nats", server.ClientURL(), "--nats-creds", server.CredsFile()}, args...),
		}
		i.start()
		t.Cleanup(i.kill)
		return i
	}
}

func TestEachServiceRunsAloneAndComesBackAfterAKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server, alone := services(t, dir)
	web, rtmp := freePort(t), freePort(t)
	// The session keys are the one thing that two services share besides the bus.
	sessions := filepath.Join(dir, "sessions")
	packager := alone("packager", "--sessions", sessions)
	keyring := alone("keyring", "--sessions", sessions, "--session-length", "10s")
	ingest := alone("ingest", "--rtmp", rtmp, "--srt", "")
	transcoder := alone("transcoder", "--renditions", "90p")
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
	smaller := func() (newest event.Position) {
		for _, e := range seeder.manifest("concert").entriesOf(t, "v1") {
			if !e.Gap {
				newest = e.Position()
			}
		}
		return newest
	}
	shown := pieces{}
	for _, i := range []*instance{ingest, packager, transcoder, seeder, keyring} {
		before, had, written := shown.note(t, seeder.manifest("concert")), records(), size(t, file)
		made := smaller()
		i.kill()
		i.start()
		waitFor(t, 30*time.Second, "entries after a kill of the "+i.service, func() bool {
			last := seeder.manifest("concert").last(t)
			return before.Before(last) && (i != ingest || last.Epoch > before.Epoch)
		})
		waitFor(t, 30*time.Second, "the smaller rendition after a kill of the "+i.service, func() bool { return made.Before(smaller()) })
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

func TestPeersMeetAtAMatchmakerAloneAndOneOfTwoSeedsIsEnough(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, alone := services(t, dir)
	rtmp, sessions := freePort(t), filepath.Join(dir, "sessions")
	alone("packager", "--sessions", sessions)
	keyring := alone("keyring", "--sessions", sessions)
	alone("ingest", "--rtmp", rtmp, "--srt", "")
	matchmaker := alone("matchmaker", "--http", "127.0.0.1:0", "--tracker-udp", "127.0.0.1:0", "--stun", "127.0.0.1:0")
	seeder := func() *instance {
		return alone("seeder", "--http", "127.0.0.1:0", "--torrent", "127.0.0.1:0", "--webrtc", "", "--trackers", matchmaker.at.HTTP+"/announce")
	}
	first, second := seeder(), seeder()

	var s stream
	added := keyring.shoal("stream", "add", "concert", "--data", keyring.data, "--http", "127.0.0.1:1", "--rtmp", rtmp, "--json")
	if err := json.Unmarshal([]byte(added), &s); err != nil {
		t.Fatalf("stream add printed %q: %v", added, err)
	}
	publish(t, s)
	first.live("concert")
	second.live("concert")
	// They know the matchmaker and the stream's id, and no server to fall back on.
	viewers := []*viewer{first.view(first.magnet("concert")), second.view(second.magnet("concert"))}
	for _, v := range viewers {
		v.plays(15, "from both seeds")
	}
	first.kill()
	for _, v := range viewers {
		held := *v.now().StalledMS
		v.plays(20, "with one seed of two")
		if more := *v.now().StalledMS - held; more > 500 {
			t.Errorf("the picture was held for %d ms", more)
		}
	}
	// Of two viewers one may well be the other's parent in every lane, and take nothing from it.
	var fromPeers int64
	for _, v := range viewers {
		p := v.leave()
		p.requireAllTrue(t)
		if p.Bytes["origin"] != 0 {
			t.Errorf("bytes by who gave them: %v", p.Bytes)
		}
		fromPeers += p.Bytes["peer"]
		decodes(t, v.file)
	}
	if fromPeers == 0 {
		t.Error("the viewers gave each other nothing")
	}
	if given := second.metric("shoal_seed_sent_bytes_total"); given == 0 {
		t.Error("the seed that was left gave nothing")
	}
}
