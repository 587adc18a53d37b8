package rtmp_test

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/media"
	"github.com/shoalcast/shoal/ingest/rtmp"
	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

func reader(r io.Reader) *chunk.Reader {
	return chunk.NewReader(bufio.NewReader(r), chunk.Limits{Message: 1 << 20, Unfinished: 1 << 20, Streams: 16})
}

// The key may stand where encoders let people put it: after the name, after the
// application, escaped or with other parameters.
func TestWhereTheKeyMayStand(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	for _, tt := range []struct{ app, name string }{
		{"live", "cam?key=" + key},
		{"live", "cam?x=1&key=" + url.QueryEscape(key)},
		{"live?key=" + key, "cam"},
		{"a/b/c", "/cam?key=" + key},
		{"", "cam?key=%73%33cret"},
	} {
		c, err := rtmptest.Connect(t.Context(), "rtmp://"+h.addr+"/"+strings.ReplaceAll(tt.app, "?", "%3F")+"/x", rtmptest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Publish(tt.name); err != nil {
			t.Errorf("%q on %q: %v", tt.name, tt.app, err)
		} else if r := h.next(); r.request.Name != "cam" || strings.Contains(r.request.App, "?") {
			t.Errorf("%q on %q is %+v", tt.name, tt.app, r.request)
		}
		_ = c.Close()
	}
}

// An encoder that asks for acknowledgements gets them, and its pings are answered.
func TestAcknowledgementsAndPings(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	conn := raw(t, h)
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	in := publishOver(t, conn)
	out := chunk.NewWriter(conn)
	ping := binary.BigEndian.AppendUint32([]byte{0, 6}, 0xCAFE)
	for _, send := range []func() error{
		func() error { return out.Control(chunk.TypeWindowAckSize, 20_000) },
		func() error { return out.Write(2, chunk.Message{Type: chunk.TypeUserControl, Payload: ping}) },
		func() error {
			return out.Write(2, chunk.Message{Type: chunk.TypeSetPeerBandwidth, Payload: []byte{0, 0, 0x40, 0, 2}})
		},
		func() error {
			return out.Write(4, chunk.Message{Type: chunk.TypeAudio, StreamID: 1, Payload: append([]byte{0xAF, 1}, make([]byte, 30_000)...)})
		},
	} {
		if err := send(); err != nil {
			t.Fatal(err)
		}
	}
	var pong, window, ack bool
	for !pong || !window || !ack {
		m, err := in.Next()
		if err != nil {
			t.Fatalf("pong %v, window %v, ack %v: %v", pong, window, ack, err)
		}
		switch m.Type {
		case chunk.TypeUserControl:
			pong = pong || bytes.Equal(m.Payload, []byte{0, 7, 0, 0, 0xCA, 0xFE})
		case chunk.TypeWindowAckSize:
			window = window || binary.BigEndian.Uint32(m.Payload) == 0x4000
		case chunk.TypeAck:
			if n := binary.BigEndian.Uint32(m.Payload); n < 20_000 || n > 40_000 {
				t.Errorf("%d bytes acknowledged", n)
			}
			ack = true
		}
	}
	_ = conn.Close()
	_ = h.anyEnd(t)
}

// anyEnd waits for the end of the next publish, whoever's.
func (h *house) anyEnd(t *testing.T) error { return h.next().wait(t) }

// Flash-era encoders wrap commands as AMF3 and send several tags in one message.
func TestAMF3CommandsAndAggregates(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	tag := func(typ byte, ms byte, body string) []byte {
		b := []byte{typ, 0, 0, byte(len(body)), 0, 0, ms, 0, 0, 0, 0}
		return append(append(b, body...), 0, 0, 0, byte(11+len(body)))
	}
	var tags []byte
	tags = append(tags, tag(9, 10, "\x17\x00\x00\x00\x00record")...)
	tags = append(tags, tag(9, 10, "\x17\x01\x00\x00\x00key")...)
	tags = append(tags, tag(9, 50, "\x27\x01\x00\x00\x28next")...)
	if err := c.Send(6, chunk.Message{Type: chunk.TypeAggregate, Timestamp: 1000, StreamID: 1, Payload: tags}); err != nil {
		t.Fatal(err)
	}
	b, _ := amf.Append([]byte{0}, "deleteStream", 9.0, nil, 1.0)
	if err := c.Send(3, chunk.Message{Type: chunk.TypeCommandAMF3, Payload: b}); err != nil {
		t.Fatal(err)
	}
	if err := r.wait(t); err != nil {
		t.Errorf("the wrapped deleteStream ended the publish with %v", err)
	}
	_ = c.Abandon()
	v := r.of(media.Video)
	if len(v) != 2 || !v[0].Key || string(v[1].Data) != "next" || v[0].DTS != 90_000 || v[1].DTS != 93_600 || v[1].PTS != 97_200 {
		t.Errorf("units %+v", v)
	}
}

// Media before a configuration cannot be decoded: it is dropped, and said once.
func TestMediaBeforeConfiguration(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	for range 5 {
		_ = c.Push(media.H264, media.AccessUnit{Data: []byte("early"), Key: true})
	}
	_ = c.Config(media.Config{Codec: media.H264, Record: []byte("record")}, 0)
	_ = c.Push(media.H264, media.AccessUnit{Data: []byte("late"), Key: true})
	_ = c.Close()
	_ = r.wait(t)
	if v := r.of(media.Video); len(v) != 1 || string(v[0].Data) != "late" {
		t.Errorf("units %+v", v)
	}
	if n := strings.Count(h.log.String(), "before its configuration"); n != 1 {
		t.Errorf("said %d times", n)
	}
}

// Of several tracks the first is carried; the others are named in one warning.
func TestMultitrack(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("cam"), rtmptest.Options{})
	r := h.next()
	send := func(s string) {
		t.Helper()
		if err := c.Send(6, chunk.Message{Type: chunk.TypeVideo, StreamID: 1, Payload: []byte(s)}); err != nil {
			t.Fatal(err)
		}
	}
	send("\x96\x10hvc1\x00\x00\x00\x02r0\x01\x00\x00\x02r1") // sequence starts of tracks 0 and 1
	for range 3 {
		send("\x96\x13hvc1\x00\x00\x00\x02k0\x01\x00\x00\x02k1") // CodedFramesX
		send("\xA6\x03hvc1\x02p2")                               // track 2 alone
		send("\xA6\x03hvc1\x00p0")                               // track 0 alone
	}
	_ = c.Close()
	_ = r.wait(t)
	data := ""
	for _, u := range r.of(media.Video) {
		data += string(u.Data)
	}
	if len(r.configs) != 1 || string(r.configs[0].Record) != "r0" || data != "k0p0k0p0k0p0" {
		t.Errorf("configurations %q, data %q", r.configs, data)
	}
	if log := h.log.String(); strings.Count(log, "others are passed over") != 1 || !strings.Contains(log, "video 1") {
		t.Errorf("the log says:\n%s", log)
	}
}

// A connection may end one publish and begin another, as some encoders do when the
// settings change.
func TestPublishAgainOnOneConnection(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c := dial(t, h.publishURL("one"), rtmptest.Options{})
	first := h.next()
	if err := c.Command(0, "deleteStream", 5.0, nil, 1.0); err != nil {
		t.Fatal(err)
	}
	if err := first.wait(t); err != nil {
		t.Error(err)
	}
	if err := c.Command(0, "createStream", 6.0, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Command(2, "publish", 7.0, nil, "two?key="+key); err != nil {
		t.Fatal(err)
	}
	if r := h.next(); r.request.Name != "two" {
		t.Errorf("%+v", r.request)
	}
	_ = c.Abandon()
}

// Somebody who tries to watch by RTMP learns that it is not done here.
func TestPlayIsRefused(t *testing.T) {
	t.Parallel()
	h := open(t, rtmp.Limits{})
	c, err := rtmptest.Connect(t.Context(), h.url+"/cam", rtmptest.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Command(1, "play", 0.0, nil, "cam"); err != nil {
		t.Fatal(err)
	}
	err = c.Publish("cam?key=" + key)
	var status *rtmptest.StatusError
	if !errors.As(err, &status) || !strings.Contains(status.Description, "watch them by HTTP") {
		t.Errorf("reads %v", err)
	}
	_ = c.Abandon()
}
