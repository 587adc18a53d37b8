package rtmp_test

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// What encoders with newer codecs send arrives byte for byte, with its times to the
// millisecond, however small or large their chunks are.
func TestEveryCodecArrivesWhole(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name  string
		e     rtmptest.Encoding
		chunk int
	}{
		{"H.264 and AAC", rtmptest.Encoding{Video: media.H264, Audio: media.AAC, BFrames: 2}, 128},
		{"HEVC and Opus", rtmptest.Encoding{Video: media.HEVC, Audio: media.Opus, BFrames: 2}, 1 << 20},
		{"AV1 and Opus", rtmptest.Encoding{Video: media.AV1, Audio: media.Opus}, 4096},
		{"only audio", rtmptest.Encoding{Audio: media.AAC}, 1},
		{"only video", rtmptest.Encoding{Video: media.HEVC}, 65536},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			clip := encode(t, tt.e)
			h := open(t, rtmp.Limits{})
			c := dial(t, h.publishURL("cam"), rtmptest.Options{ChunkSize: tt.chunk})
			r := h.next()
			if err := c.SendClip(clip, 0); err != nil {
				t.Fatal(err)
			}
			if err := c.Close(); err != nil {
				t.Fatal(err)
			}
			if err := r.wait(t); err != nil {
				t.Errorf("ended with %v", err)
			}
			for _, track := range []*rtmptest.Track{clip.Video, clip.Audio} {
				if track != nil {
					sameTrack(t, r, track, 0)
				}
			}
		})
	}
}

// sameTrack checks that a track arrived as it was sent, from time offset on.
func sameTrack(t *testing.T, r *recorder, track *rtmptest.Track, offset event.Ticks) {
	t.Helper()
	found := false
	for _, c := range r.configs {
		found = found || c.Codec == track.Config.Codec && bytes.Equal(c.Record, track.Config.Record)
	}
	if !found {
		t.Errorf("the configuration of %s did not arrive", track.Config.Codec)
	}
	got := r.of(track.Config.Codec.Kind())
	if len(got) != len(track.Units) {
		t.Fatalf("%d of %d units of %s arrived", len(got), len(track.Units), track.Config.Codec)
	}
	ms := func(t event.Ticks) event.Ticks { return t / 90 * 90 }
	for i, want := range track.Units {
		if !bytes.Equal(got[i].Data, want.Data) || got[i].Key != want.Key {
			t.Fatalf("unit %d of %s is not the one that was sent", i, track.Config.Codec)
		}
		if got[i].DTS != ms(want.DTS)+offset || got[i].PTS != ms(want.PTS)+offset {
			t.Fatalf("unit %d of %s at %d/%d, sent at %d/%d", i, track.Config.Codec, got[i].DTS, got[i].PTS, want.DTS, want.PTS)
		}
	}
}

// A publish that runs past 2^32 ms (49 days), as encoders that send their uptime do
// sooner, goes on without a jump; extended timestamps are needed from 4.6 hours on.
func TestTimestampsWrap(t *testing.T) {
	t.Parallel()
	clip := encode(t, rtmptest.Encoding{Video: media.H264, Audio: media.AAC})
	for _, start := range []event.Ticks{
		0xFFFFFF*90 - event.Timescale, // extended timestamps begin in mid-clip
		1<<32*90 - event.Timescale,    // the wrap is in mid-clip
	} {
		h := open(t, rtmp.Limits{})
		c := dial(t, h.publishURL("cam"), rtmptest.Options{ChunkSize: 128})
		r := h.next()
		if err := c.SendClip(clip, start); err != nil {
			t.Fatal(err)
		}
		_ = c.Close()
		if err := r.wait(t); err != nil {
			t.Fatal(err)
		}
		sameTrack(t, r, clip.Video, start)
		sameTrack(t, r, clip.Audio, start)
	}
}

// An encoder that repeats its configuration at every keyframe makes no difference; a
// configuration that changes is passed on.
func TestConfigurationChanges(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	for _, record := range []string{"one", "one", "two", "two", "one"} {
		if err := c.Config(media.Config{Codec: media.H264, Record: []byte(record)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	_ = c.Close()
	_ = r.wait(t)
	if len(r.configs) != 3 || string(r.configs[1].Record) != "two" {
		t.Errorf("configurations %q", r.configs)
	}
}

// RTMPS is the same over TLS.
func TestRTMPS(t *testing.T) {
	t.Parallel()
	cert, pool := certificate(t)
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{cert}})
	if err != nil {
		t.Fatal(err)
	}
	h := openOn(t, rtmp.Limits{}, ln)
	c := dial(t, "rtmps://"+h.addr+"/live/cam?key="+key, rtmptest.Options{TLS: &tls.Config{RootCAs: pool}})
	r := h.next()
	if err := c.Config(media.Config{Codec: media.AAC, Record: []byte{0x11, 0x90}}, 0); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(t); err != nil || len(r.configs) != 1 {
		t.Errorf("ended with %v after %d configurations", err, len(r.configs))
	}
	// ffmpeg reads its refusal over TLS, too.
	out, err := publishWithFFmpeg(t, "-f", "lavfi", "-i", "testsrc=size=160x90:rate=10:duration=30",
		"-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "flv", "rtmps://"+h.addr+"/live/cam?key=guess")
	if err == nil || !strings.Contains(out, "The publish key of cam is wrong") {
		t.Errorf("ffmpeg ended with %v:\n%s", err, out)
	}
}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	priv, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &priv.PublicKey, priv)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: priv}, pool
}
