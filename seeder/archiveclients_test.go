package seeder

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// program runs another program until the test, or a quarter of a minute, is over.
func program(t *testing.T, name string, args ...string) (done <-chan string, stop func()) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Second)
	cmd := exec.CommandContext(ctx, name, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatalf("%v: run make setup", err)
	}
	ended := make(chan string, 1)
	var wg sync.WaitGroup
	wg.Go(func() {
		err := cmd.Wait()
		ended <- fmt.Sprintf("%v\n%s", err, out.Bytes())
	})
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
	})
	t.Cleanup(stop)
	return ended, stop
}

// aria2 fetches a torrent file; it seeds on for so many minutes.
func aria2(t *testing.T, torrent, dir string, port, seed int) (done <-chan string, stop func()) {
	t.Helper()
	return program(t, "aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--disable-ipv6",
		"--enable-peer-exchange=false", "--listen-port="+strconv.Itoa(port), "--interface=127.0.0.1", "--bt-external-ip=127.0.0.1",
		"--seed-time="+strconv.Itoa(seed), "--check-integrity", "--file-allocation=none", "--summary-interval=0", "--dir="+dir, torrent)
}

// transmission fetches a torrent file and seeds on until it is stopped.
func transmission(t *testing.T, torrent, dir string, port int) (stop func()) {
	t.Helper()
	config := t.TempDir()
	settings := `{"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
		"port-forwarding-enabled": false, "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1"}`
	if err := os.WriteFile(filepath.Join(config, "settings.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stop = program(t, "transmission-cli", "-g", config, "-w", dir, "-M", "-p", strconv.Itoa(port), torrent)
	return stop
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// recording is an archive with one window of the film, and its torrent file.
type recording struct {
	origin *origin
	name   string
	want   []byte
	info   []byte
	dir    string
}

func record(t *testing.T) recording {
	t.Helper()
	b := bustest.Start(t)
	o := startOrigin(t, b, func(o *Options) { o.ArchiveDir = t.TempDir() })
	p := archiving(publish(t, b, "film", false))
	p.golive(time.Now().Add(-5 * time.Second))
	p.send(21)
	f := o.archived(1)[0]
	return recording{origin: o, name: f.File, want: p.file(0, 19), info: f.Info, dir: t.TempDir()}
}

// save writes a torrent file.
func (r recording) save(t *testing.T, name string, torrent []byte) string {
	t.Helper()
	path := filepath.Join(r.dir, name)
	if err := os.WriteFile(path, torrent, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (r recording) fetched(dir string) bool {
	got, err := os.ReadFile(filepath.Join(dir, r.name))
	return err == nil && bytes.Equal(got, r.want)
}

// frames counts what a decoder makes of a file.
func frames(t *testing.T, path string) int {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "v:0", "-count_frames",
		"-show_entries", "stream=nb_read_frames", "-of", "csv=p=0", path).CombinedOutput()
	if err != nil {
		t.Fatalf("ffprobe: %v: %s", err, out)
	}
	n, err := strconv.Atoi(strings.Trim(strings.TrimSpace(string(out)), ","))
	if err != nil {
		t.Fatalf("ffprobe: %s", out)
	}
	return n
}

func TestOtherClientsFetchAWindowFromTheOriginAloneAndPlayIt(t *testing.T) {
	t.Parallel()
	r := record(t)
	torrent := r.save(t, "a.torrent", r.origin.want("/live/film/archive/"+r.name+".torrent", http.StatusOK).body)

	dir := t.TempDir()
	done, _ := aria2(t, torrent, dir, freePort(t), 0)
	if out := <-done; !r.fetched(dir) {
		t.Errorf("aria2 did not fetch the file: %s", out)
	}
	if got := frames(t, filepath.Join(dir, r.name)); got != 100 { // 4 s of 25
		t.Errorf("%d frames were decoded, want 100", got)
	}
	dir = t.TempDir()
	stop := transmission(t, torrent, dir, freePort(t))
	eventually(t, "transmission fetches the file", func() bool { return r.fetched(dir) })
	stop()
}

// One client seeds what it fetched, and another one has it from there alone.
func TestOtherClientsPassAWindowOn(t *testing.T) {
	t.Parallel()
	r := record(t)
	tracker := newTracker(t)
	first := r.save(t, "first.torrent", metainfo.File(r.info, []string{tracker}, []string{r.origin.url + "/live/film/archive/" + r.name}))
	second := r.save(t, "second.torrent", metainfo.File(r.info, []string{tracker}, nil))
	from, to := t.TempDir(), t.TempDir()
	_, stop := aria2(t, first, from, freePort(t), 1)
	eventually(t, "the first client fetches the file", func() bool { return r.fetched(from) })
	_, stopSecond := aria2(t, second, to, freePort(t), 1)
	eventually(t, "the second has it from the first", func() bool { return r.fetched(to) })
	stopSecond()
	stop()
}

// newTracker brings peers on loopback together: the least that BEP 3 and 23 ask for.
func newTracker(t *testing.T) (announce string) {
	t.Helper()
	var mu sync.Mutex
	ports := map[string]uint16{}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		port, err := strconv.ParseUint(q.Get("port"), 10, 16)
		if err != nil {
			http.Error(w, "port", http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		ports[q.Get("peer_id")] = uint16(port)
		var peers []byte
		for id, p := range ports {
			if id != q.Get("peer_id") {
				peers = binary.BigEndian.AppendUint16(append(peers, 127, 0, 0, 1), p)
			}
		}
		fmt.Fprintf(w, "d8:intervali2e5:peers%d:%se", len(peers), peers)
	}))
	t.Cleanup(s.Close)
	return s.URL + "/announce"
}
