package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/shoalcast/shoal/peer"
)

// watching is a running shoal watch.
type watching struct {
	cmd  *exec.Cmd
	done chan struct{}

	mu    sync.Mutex
	last  watchLine
	fault string // what it said last that is no state
}

// watchLine is a line of --stats json: a state, or why it ended.
type watchLine struct {
	peer.Line
	Error string `json:"error"`
}

func startWatching(ctx context.Context, url string, args ...string) (*watching, error) {
	v := &watching{done: make(chan struct{})}
	v.cmd = exec.CommandContext(context.WithoutCancel(ctx), "bin/shoal", append(append([]string{"watch", "--stats", "json", "--listen", free}, args...), url)...)
	lines, err := v.cmd.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := v.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start shoal watch: %w", err)
	}
	go func() {
		defer close(v.done)
		in := bufio.NewScanner(lines)
		for in.Scan() {
			v.take(in.Bytes())
		}
		_ = v.cmd.Wait()
	}()
	return v, nil
}

func (v *watching) take(b []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var l watchLine
	if err := json.Unmarshal(b, &l); err != nil || l.Error != "" {
		v.fault = string(b)
	} else if l.State != "" { // else it is the summary
		v.last = l
	}
}

// latest returns the newest state.
func (v *watching) latest() (watchLine, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	select {
	case <-v.done:
		return v.last, fmt.Errorf("a viewer has ended: %s", v.fault)
	default:
	}
	if v.last.State != peer.Verified {
		return v.last, fmt.Errorf("a viewer's stream is %q: %s", v.last.State, v.fault)
	}
	return v.last, nil
}

func (v *watching) stop() {
	_ = v.cmd.Process.Signal(syscall.SIGTERM)
	<-v.done
}

// scrape reads metrics: values by name, with labels as they are written.
func scrape(ctx context.Context, url string) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	values := map[string]float64{}
	in := bufio.NewScanner(res.Body)
	for in.Scan() {
		name, value, ok := cutLast(in.Text(), " ")
		if !ok || strings.HasPrefix(name, "#") {
			continue
		}
		if values[name], err = strconv.ParseFloat(value, 64); err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", name, url, err)
		}
	}
	if len(values) == 0 {
		return nil, errors.Join(in.Err(), fmt.Errorf("%s holds no metrics", url))
	}
	return values, in.Err()
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
