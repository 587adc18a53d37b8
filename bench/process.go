package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/shoalcast/shoal/internal/datadir"
)

// shoal is a running bin/shoal up on a temporary directory.
type shoal struct {
	cmd  *exec.Cmd
	done chan struct{}
	dir  string
	at   datadir.Running
}

// free is an address that nobody else listens at.
const free = "127.0.0.1:0"

func startShoal(ctx context.Context, args ...string) (*shoal, error) {
	dir, err := os.MkdirTemp("", "shoal-bench-")
	if err != nil {
		return nil, err
	}
	s := &shoal{dir: dir, done: make(chan struct{})}
	data := filepath.Join(dir, "data")
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	s.cmd = exec.CommandContext(context.WithoutCancel(ctx), "bin/shoal", append([]string{
		"up", "--data", data, "--http", free, "--rtmp", free, "--clickhouse", "none",
		"--torrent", free, "--webrtc", free, "--tracker-udp", free, "--stun", free, "--srt", "",
	}, args...)...)
	s.cmd.Stdout, s.cmd.Stderr = log, log
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start bin/shoal: %w", err)
	}
	go func() {
		_ = s.cmd.Wait()
		close(s.done)
	}()
	for {
		if s.at, err = datadir.Find(data); err == nil {
			return s, nil
		}
		select {
		case <-s.done:
			b, _ := os.ReadFile(filepath.Join(dir, "log"))
			return nil, fmt.Errorf("bin/shoal ended: %s", b)
		case <-ctx.Done():
			s.stop()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (s *shoal) stop() {
	_ = s.cmd.Process.Signal(syscall.SIGTERM)
	<-s.done
	_ = os.RemoveAll(s.dir)
}

func (s *shoal) run(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "bin/shoal", append(args, "--data", filepath.Join(s.dir, "data"))...)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("shoal %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// added is where a stream is published and watched.
type added struct {
	RTMP  string `json:"rtmp_url"`
	SRT   string `json:"srt_url"`
	Watch string `json:"watch_url"`
}

func (s *shoal) addStream(ctx context.Context, name string) (added, error) {
	var a added
	out, err := s.run(ctx, "stream", "add", name, "--json")
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(out, &a); err != nil {
		return a, fmt.Errorf("read stream add: %w", err)
	}
	return a, nil
}

// cpu returns the processor time that a process has used.
func cpu(pid int) (time.Duration, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, err
	}
	_, rest, ok := strings.Cut(string(b), ") ")
	fields := strings.Fields(rest)
	if !ok || len(fields) < 13 {
		return 0, errors.New("/proc/…/stat has another form")
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	const tick = 10 * time.Millisecond // USER_HZ is 100 on every Linux
	return time.Duration(user+system) * tick, errors.Join(err1, err2)
}

// resident returns a process's resident memory in bytes.
func resident(pid int) (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/statm", pid))
	if err != nil {
		return 0, err
	}
	fields := strings.Fields(string(b))
	if len(fields) < 2 {
		return 0, errors.New("/proc/…/statm has another form")
	}
	pages, err := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize()), err
}

// nginx is Debian's nginx-rtmp making HLS, one worker.
type nginx struct {
	cmd    *exec.Cmd
	done   chan struct{}
	dir    string
	rtmp   string // rtmp://host:port/live
	http   string // http://host:port
	worker int
}

// nginxPlaylist is how much of a stream its playlist lists, unless a benchmark wants more.
const nginxPlaylist = 6 * time.Second

const nginxConfig = `
load_module modules/ngx_rtmp_module.so;
daemon off; worker_processes 1; user root;
pid %[1]s/pid; error_log %[1]s/error.log warn;
events { worker_connections 1024; }
rtmp { server { listen %[2]s; chunk_size 4096;
  application live { live on; hls on; hls_path %[1]s/hls; hls_fragment 1s; hls_playlist_length %[4]dms; } } }
http { log_format bytes "$body_bytes_sent $uri"; access_log %[1]s/access.log bytes; server { listen %[3]s; root %[1]s; types { text/html html; text/javascript js; application/vnd.apple.mpegurl m3u8; video/mp2t ts; }
  add_header Access-Control-Allow-Origin *; add_header Cache-Control no-cache; } }
`

func startNginx(ctx context.Context, playlist time.Duration) (*nginx, error) {
	dir, err := os.MkdirTemp("", "shoal-bench-nginx-")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Join(dir, "hls"), 0o750); err != nil {
		return nil, err
	}
	rtmp, http, err := twoFreePorts()
	if err != nil {
		return nil, err
	}
	config := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(config, fmt.Appendf(nil, nginxConfig, dir, rtmp, http, playlist.Milliseconds()), 0o600); err != nil {
		return nil, err
	}
	module := "/usr/lib/nginx/modules/ngx_rtmp_module.so"
	if _, err := os.Stat(module); err != nil {
		return nil, fmt.Errorf("nginx-rtmp is not here, make setup installs it: %w", err)
	}
	n := &nginx{dir: dir, done: make(chan struct{}), rtmp: "rtmp://" + rtmp + "/live", http: "http://" + http}
	n.cmd = exec.CommandContext(context.WithoutCancel(ctx), "nginx", "-c", config, "-p", "/usr/share/nginx", "-e", filepath.Join(dir, "start.log"))
	if err := n.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start nginx: %w", err)
	}
	go func() {
		_ = n.cmd.Wait()
		close(n.done)
	}()
	for {
		if n.worker = childOf(n.cmd.Process.Pid); n.worker != 0 && reachable(ctx, rtmp) && reachable(ctx, http) {
			return n, nil
		}
		select {
		case <-n.done:
			b, _ := os.ReadFile(filepath.Join(dir, "start.log"))
			return nil, fmt.Errorf("nginx ended: %s", b)
		case <-ctx.Done():
			n.stop()
			return nil, ctx.Err()
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func (n *nginx) stop() {
	_ = n.cmd.Process.Signal(syscall.SIGTERM)
	<-n.done
	_ = os.RemoveAll(n.dir)
}

// sent returns the bytes of all answers' bodies by the ending of the path that was asked
// for, such as .ts.
func (n *nginx) sent() (map[string]float64, error) {
	f, err := os.Open(filepath.Join(n.dir, "access.log"))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	bytes := map[string]float64{}
	in := bufio.NewScanner(f)
	for in.Scan() {
		size, path, _ := strings.Cut(in.Text(), " ")
		n, err := strconv.ParseFloat(size, 64)
		if err != nil {
			return nil, fmt.Errorf("read nginx's access log: %w", err)
		}
		bytes[filepath.Ext(path)] += n
	}
	return bytes, in.Err()
}

// childOf returns a child process of pid, 0 without one. Any of its threads may have begun it.
func childOf(pid int) int {
	lists, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid)) // the pattern is ours
	for _, list := range lists {
		b, _ := os.ReadFile(list) // its thread may have ended
		if fields := strings.Fields(string(b)); len(fields) > 0 {
			if child, err := strconv.Atoi(fields[0]); err == nil {
				return child
			}
		}
	}
	return 0
}
