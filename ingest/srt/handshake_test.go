package srt_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"runtime"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/srt"
)

// handshake is a handshake packet (draft-sharabayko-srt-01, 3.2.1).
func handshake(version, field, kind, socket, cookie uint32, extensions []byte) []byte {
	b := make([]byte, 64, 64+len(extensions))
	be := binary.BigEndian
	be.PutUint32(b, 0x80000000)
	be.PutUint32(b[16:], version)
	be.PutUint32(b[20:], field)
	be.PutUint32(b[24:], 1000) // first sequence number
	be.PutUint32(b[28:], 1500)
	be.PutUint32(b[32:], 8192)
	be.PutUint32(b[36:], kind)
	be.PutUint32(b[40:], socket)
	be.PutUint32(b[44:], cookie)
	copy(b[48:], []byte{1, 0, 0, 127})
	return append(b, extensions...)
}

// extensions ask for a latency of 120 ms and give a stream id (3.2.1.1, 3.2.1.3).
func extensions(id string) []byte {
	be := binary.BigEndian
	b := be.AppendUint32(nil, 1<<16|3)
	b = be.AppendUint32(b, 0x010501)
	b = be.AppendUint32(b, 0xbf)
	b = be.AppendUint32(b, 120<<16|120)
	for len(id)%4 != 0 {
		id += "\x00"
	}
	b = be.AppendUint32(b, 5<<16|uint32(len(id)/4))
	for i := 0; i < len(id); i += 4 {
		b = append(b, id[i+3], id[i+2], id[i+1], id[i])
	}
	return b
}

// Two hundred that begin a handshake and never go on cost nothing lasting: neither those
// that stop after its first packet, nor those that have a key and fall silent.
func TestHalfOpenHandshakesCostNothingLasting(t *testing.T) {
	t.Parallel()
	h := open(t, srt.Options{})
	before := runtime.NumGoroutine()
	const each = 100
	for i := range 2 * each {
		c, err := net.Dial("udp", h.addr)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if _, err := c.Write(handshake(4, 2, 1, uint32(i+1), 0, nil)); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 1500)
		_ = c.SetReadDeadline(time.Now().Add(patience))
		if n, err := c.Read(b); err != nil || n < 64 {
			t.Fatalf("handshake %d has no answer: %v", i, err)
		}
		if i < each {
			continue
		}
		cookie := binary.BigEndian.Uint32(b[44:])
		ext := extensions(structured(fmt.Sprintf("half%d", i), key))
		if _, err := c.Write(handshake(5, 5, 0xffffffff, uint32(i+1), cookie, ext)); err != nil {
			t.Fatal(err)
		}
		if n, err := c.Read(b); err != nil || n < 64 || binary.BigEndian.Uint32(b[36:]) != 0xffffffff {
			t.Fatalf("conclusion %d was answered with %x, %v", i, b[36:40], err)
		}
	}
	for range each {
		if err := h.next().wait(t); err == nil {
			t.Error("a silent peer ended well")
		}
	}
	eventually(t, "no connection is left", func() bool { return h.connections() == 0 && h.ended(srt.CauseLost) == each })
	t.Logf("%d goroutines before, %d after", before, runtime.NumGoroutine())
	s := call(t, h.addr, structured("camera", key), 0)
	r := h.next()
	s.send(10, time.Millisecond)
	eventually(t, "others publish", func() bool { return r.size() == 10*1316 })
}
