package e2e

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// window is a file of /live/<name>/archive/ as JSON.
type window struct {
	File    string `json:"file"`
	Kind    string `json:"kind"`
	Size    int64  `json:"size"`
	Torrent string `json:"torrent"`
	Magnet  string `json:"magnet"`
}

// archive returns the stream's archive, the newest first.
func (i *instance) archive(name string) []window {
	i.t.Helper()
	req, err := http.NewRequestWithContext(i.t.Context(), http.MethodGet, i.at.HTTP+"/live/"+name+"/archive/", nil)
	if err != nil {
		i.t.Fatal(err)
	}
	req.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		i.t.Fatal(err)
	}
	defer res.Body.Close()
	var list struct {
		Files []window `json:"files"`
	}
	if err := json.NewDecoder(res.Body).Decode(&list); err != nil {
		i.t.Fatal(err)
	}
	return list.Files
}

// fetched reports whether a client has all of a window's file.
func (w window) fetched(dir string) bool {
	info, err := os.Stat(filepath.Join(dir, w.File))
	_, unfinished := os.Stat(filepath.Join(dir, w.File+".aria2"))
	return err == nil && info.Size() == w.Size && os.IsNotExist(unfinished)
}

func TestFinishedWindowsAreTorrentsForAnyClientAndOutliveARestart(t *testing.T) {
	t.Parallel()
	i := up(t, "--archive-window", "10s")
	s := i.addStream("concert")
	p := publish(t, s)
	i.live("concert")
	waitFor(t, 30*time.Second, "the first window", func() bool { return len(i.archive("concert")) > 0 })
	p.kill()
	waitFor(t, 30*time.Second, "the whole epoch's file", func() bool {
		return slices.ContainsFunc(i.archive("concert"), func(w window) bool { return w.Kind == "epoch" })
	})
	before := i.archive("concert")
	if took := i.stop(); took > 3*time.Second || i.cmd.ProcessState.ExitCode() != 0 {
		t.Errorf("stopping took %s, exit %d", took, i.cmd.ProcessState.ExitCode())
	}
	i.start()
	waitFor(t, 20*time.Second, "the archive to be back", func() bool { return len(i.archive("concert")) == len(before) })
	_, page, _ := i.get("/live/concert/archive/")
	for _, w := range before {
		if !bytes.Contains(page, []byte(w.File)) {
			t.Errorf("the page lacks %s", w.File)
		}
	}
	var w window
	for _, w = range before {
		if w.Kind == "window" {
			break
		}
	}

	// From our own seed alone, which the tracker names: the torrent without its web seed.
	_, torrent, _ := i.get(strings.TrimPrefix(w.Torrent, i.at.HTTP))
	ours := t.TempDir()
	aria2 := background(t, "aria2c", "--no-conf", "--enable-dht=false", "--enable-dht6=false", "--bt-enable-lpd=false", "--disable-ipv6",
		"--listen-port="+port(freePort(t)), "--interface=127.0.0.1", "--seed-time=0", "--file-allocation=none", "--dir="+ours,
		withoutWebSeed(t, torrent))
	if code := aria2.wait(t, 60*time.Second); code != 0 || !w.fetched(ours) {
		t.Errorf("aria2 did not fetch %s: exit %d: %s", w.File, code, aria2.log)
	}

	// transmission dials no loopback address, so it takes the file from the web seed.
	theirs, config := t.TempDir(), t.TempDir()
	settings := `{"dht-enabled": false, "lpd-enabled": false, "pex-enabled": false, "utp-enabled": false,
		"port-forwarding-enabled": false, "bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1"}`
	if err := os.WriteFile(filepath.Join(config, "settings.json"), []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(config, "window.torrent")
	if err := os.WriteFile(file, torrent, 0o600); err != nil {
		t.Fatal(err)
	}
	transmission := background(t, "transmission-cli", "-g", config, "-w", theirs, "-M", "-p", port(freePort(t)), file)
	waitFor(t, 60*time.Second, "transmission to fetch the file", func() bool { return w.fetched(theirs) })
	transmission.kill()

	a, errA := os.ReadFile(filepath.Join(ours, w.File))
	b, errB := os.ReadFile(filepath.Join(theirs, w.File))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("the two clients fetched different files (%v, %v)", errA, errB)
	}
	decodes(t, filepath.Join(ours, w.File))
	if got := probe(t, filepath.Join(ours, w.File)); !strings.Contains(got, "h264,320,180") {
		t.Errorf("the file holds %s", got)
	}
	length, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", filepath.Join(theirs, w.File)).Output()
	if err != nil || !strings.HasPrefix(string(length), "10.") && !strings.HasPrefix(string(length), "9.9") {
		t.Errorf("ffprobe says it plays for %s (%v)", length, err)
	}
}

// withoutWebSeed saves a torrent that only peers can serve.
func withoutWebSeed(t *testing.T, torrent []byte) string {
	t.Helper()
	rest, _, found := bytes.Cut(torrent, []byte("8:url-list")) // the last key
	if !found {
		t.Error("the torrent names no web seed")
	}
	path := filepath.Join(t.TempDir(), "peers.torrent")
	if err := os.WriteFile(path, append(slices.Clone(rest), 'e'), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// port returns the port of an address.
func port(addr string) string { return addr[strings.LastIndexByte(addr, ':')+1:] }
