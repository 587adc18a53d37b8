package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/zeebo/bencode"
)

// tracker names one seed to everybody else.
type tracker struct {
	url      string
	server   *http.Server
	complete chan struct{} // closed when somebody announced that it has all
	once     sync.Once
}

func newTracker(ctx context.Context, seed netip.AddrPort) (*tracker, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", free)
	if err != nil {
		return nil, fmt.Errorf("listen for a tracker: %w", err)
	}
	compact, err := seed.MarshalBinary() // address, then port in little endian
	if err != nil {
		return nil, fmt.Errorf("write the seed's address: %w", err)
	}
	last := len(compact) - 1
	compact[last-1], compact[last] = compact[last], compact[last-1]
	answer, err := bencode.EncodeBytes(map[string]any{"interval": 1, "peers": compact})
	if err != nil {
		return nil, fmt.Errorf("write the tracker's answer: %w", err)
	}
	nobody, err := bencode.EncodeBytes(map[string]any{"interval": 60, "peers": ""})
	if err != nil {
		return nil, fmt.Errorf("write the tracker's answer: %w", err)
	}
	t := &tracker{url: "http://" + l.Addr().String() + "/announce", complete: make(chan struct{})}
	t.server = &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("left") == "0" {
			t.once.Do(func() { close(t.complete) })
			_, _ = w.Write(nobody)
			return
		}
		_, _ = w.Write(answer)
	})}
	go func() { _ = t.server.Serve(l) }() // until it is closed
	return t, nil
}

func (t *tracker) close() error { return t.server.Close() }
