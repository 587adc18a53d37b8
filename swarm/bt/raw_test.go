package bt_test

import (
	"bufio"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"time"

	"github.com/zeebo/bencode"
)

// raw is a peer of another make, byte by byte.
type raw struct {
	t    testing.TB
	conn *net.TCPConn
	r    *bufio.Reader
	bits [8]byte // of the other's handshake
}

// greet connects to a peer and exchanges handshakes.
func greet(t testing.TB, to *peer, hash [20]byte, id string) *raw {
	t.Helper()
	nc, err := net.Dial("tcp", to.addr().String())
	check(t, err)
	t.Cleanup(func() { nc.Close() })
	check(t, nc.SetDeadline(time.Now().Add(15*time.Second)))
	r := &raw{t: t, conn: nc.(*net.TCPConn), r: bufio.NewReader(nc)}
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04"), hash[:]...)
	hello = append(hello, (id + "--------------------")[:20]...)
	_, err = nc.Write(hello)
	check(t, err)
	answer := make([]byte, 68)
	if _, err := io.ReadFull(r.r, answer); err != nil {
		return r
	}
	copy(r.bits[:], answer[20:28])
	return r
}

func (r *raw) send(payload ...byte) error {
	_, err := r.conn.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(payload))), payload...))
	return err
}

// frame sends one of sh_live.
func (r *raw) frame(data []byte) error { return r.send(append([]byte{20, 2}, data...)...) }

// hello sends the extended handshake of a peer that has sh_live at 7 and takes
// connections at port.
func (r *raw) hello(port int) {
	r.t.Helper()
	b, err := bencode.EncodeBytes(map[string]any{"m": map[string]int{"sh_live": 7}, "p": port})
	check(r.t, err)
	check(r.t, r.send(append([]byte{20, 0}, b...)...))
}

// next reads a message; a nil one keeps alive.
func (r *raw) next() ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r.r, head[:]); err != nil {
		return nil, err
	}
	if n := binary.BigEndian.Uint32(head[:]); n > 0 {
		b := make([]byte, n)
		_, err := io.ReadFull(r.r, b)
		return b, err
	}
	return nil, nil
}

// offered reads the other's extended handshake.
func (r *raw) offered() map[string]int {
	r.t.Helper()
	for {
		b, err := r.next()
		check(r.t, err)
		if len(b) < 2 || b[0] != 20 || b[1] != 0 {
			continue
		}
		var h struct {
			M map[string]int `bencode:"m"`
		}
		check(r.t, bencode.DecodeBytes(b[2:], &h))
		return h.M
	}
}

// ended reads until the connection does.
func (r *raw) ended() {
	r.t.Helper()
	for {
		if _, err := r.next(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				r.t.Error("the connection was not ended")
			}
			return
		}
	}
}
