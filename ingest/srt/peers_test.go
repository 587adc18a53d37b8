package srt_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/srt"
)

// A person publishes with ffmpeg: everything arrives, whole and in order, in both forms
// of the stream id, with a passphrase and without.
func TestFFmpegPublishes(t *testing.T) {
	t.Parallel()
	for _, pass := range []string{"", passphrase} {
		h := open(t, srt.Options{Passphrase: pass})
		for _, form := range []func(name, key string) string{structured, plain} {
			id := form("live/camera", key)
			p := ffmpeg(t, 2, h.url(id, pass))
			r := h.next()
			if err := p.wait(t); err != nil {
				t.Fatalf("%s: ffmpeg: %v\n%.2000s", id, err, p.out.String())
			}
			if err := r.wait(t); err != nil {
				t.Errorf("%s: the publish ended with %v, not as the publisher wanted", id, err)
			}
			if r.request.Name != "camera" || r.request.Latency != 120*time.Millisecond || r.request.Encoder != "SRT 1.5.1" || r.request.Remote == "" {
				t.Errorf("request %+v", r.request)
			}
			continuity(t, r.bytes())
			if n := r.size(); n < 50_000 {
				t.Errorf("%s: only %d bytes arrived", id, n)
			}
		}
	}
}

// What srt-live-transmit sends from a file arrives byte for byte, the last byte before
// its goodbye included.
func TestSRTLiveTransmitPublishes(t *testing.T) {
	t.Parallel()
	for _, pass := range []string{"", passphrase} {
		h := open(t, srt.Options{Passphrase: pass})
		for _, form := range []func(name, key string) string{structured, plain} {
			path, want := tsFile(t, 7*200)
			p := start(t, "sh", "-c", `exec srt-live-transmit -q -chunk:1316 file://con "$0" < "$1"`, h.url(form("camera", key), pass), path)
			r := h.next()
			if err := p.wait(t); err != nil {
				t.Logf("srt-live-transmit: %v\n%.1000s", err, p.out.String())
			}
			if err := r.wait(t); err != nil {
				t.Errorf("the publish ended with %v", err)
			}
			if got := r.bytes(); !bytes.Equal(got, want) {
				t.Errorf("%d bytes of %d arrived", len(got), len(want))
			}
		}
	}
}

// Whoever may not publish is refused in the handshake, and its program says so.
func TestARefusedPeerReadsWhy(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, house, id, pass, says string
		code                        int
	}{
		{"wrong key", "", structured("camera", "guess"), "", "1401", 1401},
		{"no key", "", "camera", "", "1401", 1401},
		{"somebody publishes already", "", structured("taken", key), "", "1409", 1409},
		{"nothing named", "", "", "", "1400", 1400},
		{"a viewer", "", "#!::r=camera,m=request,s=" + key, "", "1405", 1405},
		{"both ways", "", "#!::r=camera,m=bidirectional,s=" + key, "", "1405", 1405},
		{"wrong passphrase", passphrase, structured("camera", key), "another-passphrase", "password", 0},
		{"no passphrase", passphrase, structured("camera", key), "", "assword required", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			h := open(t, srt.Options{Passphrase: tt.house})
			h.mu.Lock()
			h.live["taken"] = &recorder{}
			h.mu.Unlock()
			p := ffmpeg(t, 20, h.url(tt.id, tt.pass))
			if err := p.wait(t); err == nil {
				t.Error("ffmpeg published")
			}
			t.Logf("%.1500s", p.out.String())
			if tt.code > 0 {
				eventually(t, "the log has the code", func() bool { return strings.Contains(h.log.String(), fmt.Sprintf("code=%d", tt.code)) })
			} else if !strings.Contains(strings.ToLower(p.out.String()), tt.says) {
				t.Errorf("ffmpeg does not say %q", tt.says)
			}
			if n := h.connections(); n != 0 || len(h.pubs) != 0 {
				t.Errorf("%d connections, %d publishes", n, len(h.pubs))
			}
			if strings.Contains(h.log.String(), key) {
				t.Error("the log holds the key")
			}
		})
	}
}
