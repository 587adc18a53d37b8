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

// What srt-live-transmit sends arrives byte for byte, and its goodbye is one.
func TestSRTLiveTransmitPublishes(t *testing.T) {
	t.Parallel()
	for _, pass := range []string{"", passphrase} {
		h := open(t, srt.Options{Passphrase: pass})
		for _, form := range []func(name, key string) string{structured, plain} {
			want := counted(200)
			p, feed := transmit(t, h.url(form("camera", key), pass))
			r := h.next()
			feed(want)
			eventually(t, "all arrived", func() bool { return r.size() == 200*1316 })
			p.goodbye()
			if err := r.wait(t); err != nil {
				t.Errorf("the publish ended with %v", err)
			}
			if got := r.bytes(); !bytes.Equal(got, bytes.Join(want, nil)) {
				t.Errorf("%d bytes arrived, not those that were sent", len(got))
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
		{"wrong key", "", structured("camera", "guess"), "", "Application-defined rejection reason", 1401},
		{"no key", "", "camera", "", "Application-defined rejection reason", 1401},
		{"somebody publishes already", "", structured("taken", key), "", "Application-defined rejection reason", 1409},
		{"nothing named", "", "", "", "Application-defined rejection reason", 1400},
		{"a viewer", "", "#!::r=camera,m=request,s=" + key, "", "Application-defined rejection reason", 1405},
		{"both ways", "", "#!::r=camera,m=bidirectional,s=" + key, "", "Application-defined rejection reason", 1405},
		{"wrong passphrase", passphrase, structured("camera", key), "another-passphrase", "ncorrect passphrase", 0},
		{"no passphrase", passphrase, structured("camera", key), "", "Password required or unexpected", 0},
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
			if tt.code > 0 {
				eventually(t, "the log has the code", func() bool { return strings.Contains(h.log.String(), fmt.Sprintf("code=%d", tt.code)) })
			}
			if !strings.Contains(p.out.String(), tt.says) {
				t.Errorf("ffmpeg does not say %q:\n%.1500s", tt.says, p.out.String())
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
