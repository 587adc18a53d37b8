package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// p2pml is how p2p-media-loader is set: what differs from its and hls.js's defaults.
type p2pml struct {
	playlist time.Duration  // how much nginx-rtmp's playlist lists
	hls      map[string]any // options of hls.js
	core     map[string]any // options of p2p-media-loader
}

// Within its highDemandTimeWindow of the playhead it asks its server first, always. What
// may come from peers is therefore what lies between that and the live edge, and the best
// settings make room for it: about 6 s, as near as it shares anything, and 13 s, past which
// little more comes from peers. Without liveSyncDuration it takes the whole playlist. It
// keeps for peers the very buffer that it gives hls.js, which moves it to its worker: peers
// then get segments without bytes, hence no worker where much is to be shared.
var (
	p2pmlDefaults = p2pml{playlist: nginxPlaylist}
	p2pmlNear     = p2pml{
		playlist: 20 * time.Second,
		hls:      map[string]any{"enableWorker": false, "liveSyncDuration": 5.5, "liveMaxLatencyDuration": 12},
		core:     map[string]any{"highDemandTimeWindow": 2, "simultaneousP2PDownloads": 6},
	}
	p2pmlFar = p2pml{
		playlist: 20 * time.Second,
		hls:      map[string]any{"enableWorker": false, "liveSyncDuration": 12.5, "liveMaxLatencyDuration": 19},
		core:     map[string]any{"highDemandTimeWindow": 3, "simultaneousP2PDownloads": 6, "simultaneousHttpDownloads": 1},
	}
)

// serve starts nginx-rtmp, a tracker, and a camera for p2p-media-loader's page.
func (p p2pml) serve(ctx context.Context) (*served, error) {
	s := &served{}
	n, err := startNginx(ctx, p.playlist)
	if err != nil {
		return nil, err
	}
	s.onStop(n.stop)
	const packages = "bench/browser/node_modules/"
	for name, from := range map[string]string{
		"page.html": "bench/browser/p2pml.html",
		"hls.js":    packages + "hls.js/dist/hls.min.js",
		"engine.js": packages + "p2p-media-loader-hlsjs/dist/p2p-media-loader-hlsjs.es.min.js",
		"core.js":   packages + "p2p-media-loader-core/dist/p2p-media-loader-core.es.min.js",
	} {
		if err := copyFile(from, filepath.Join(n.dir, name)); err != nil {
			s.stop()
			return nil, fmt.Errorf("copy %s for nginx: %w", from, err)
		}
	}
	tracker, stop, err := startWebTorrentTracker(ctx)
	if err != nil {
		s.stop()
		return nil, err
	}
	s.onStop(stop)
	stop, err = startCamera(ctx, browserPicture, n.rtmp+"/glass")
	if err != nil {
		s.stop()
		return nil, err
	}
	s.onStop(stop)
	asked, err := json.Marshal(map[string]any{"playlist": n.http + "/hls/glass.m3u8", "tracker": tracker, "hls": p.hls, "core": p.core})
	if err != nil {
		s.stop()
		return nil, fmt.Errorf("write the settings of p2p-media-loader: %w", err)
	}
	s.page = n.http + "/page.html#" + url.PathEscape(string(asked))
	s.sent = func(context.Context) (sent, error) {
		bytes, err := n.sent()
		return sent{media: bytes[".ts"], lists: bytes[".m3u8"]}, err
	}
	s.ready = p.playlist + 3*time.Second
	return s, nil
}

// startWebTorrentTracker starts bittorrent-tracker's server.
func startWebTorrentTracker(ctx context.Context) (url string, stop func(), err error) {
	cmd := exec.CommandContext(context.WithoutCancel(ctx), "node", "bench/browser/tracker.mjs")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		return "", nil, err
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := cmd.Start(); err != nil {
		return "", nil, fmt.Errorf("start the WebTorrent tracker: %w", err)
	}
	stop = func() {
		_ = in.Close() // which ends it
		_ = cmd.Wait()
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start the WebTorrent tracker: %w", err)
	}
	return strings.TrimSpace(line), stop, nil
}

// installPackages installs what stands beside us in the browser, unless it is there: npm
// records what it installed, and a lock file newer than that record means it is stale.
func installPackages(ctx context.Context) error {
	const dir = "bench/browser"
	lock, err := os.Stat(dir + "/package-lock.json")
	if err != nil {
		return err
	}
	if done, err := os.Stat(dir + "/node_modules/.package-lock.json"); err == nil && !done.ModTime().Before(lock.ModTime()) {
		return nil
	}
	fmt.Println("installing npm packages in " + dir + "/node_modules")
	cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
	cmd.Dir = dir
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("install npm packages in %s: %w", dir, err)
	}
	return nil
}
