package rtmp

import (
	"bytes"
	"errors"
	"io"
	"testing"
)

// talk is a peer that has said all it will say.
type talk struct {
	io.Reader
	out bytes.Buffer
}

func (t *talk) Write(b []byte) (int, error) { return t.out.Write(b) }

// Whatever the peer says first, the handshake ends with an error or with an answer of
// S0, S1 and an echo of C1, and reads not one byte beyond it.
func FuzzHandshake(f *testing.F) {
	f.Add([]byte{3})
	f.Add(append([]byte{3}, make([]byte, 2*handshakeSize+10)...))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		in := bytes.NewReader(b)
		peer := &talk{Reader: in}
		err := handshake(peer)
		whole := len(b) >= 1+2*handshakeSize && b[0] == version
		if (err == nil) != whole {
			t.Fatalf("%d bytes: %v", len(b), err)
		}
		if err != nil {
			if len(b) > 0 && b[0] != version && !errors.Is(err, errNotRTMP) {
				t.Fatalf("version %d: %v", b[0], err)
			}
			return
		}
		out := peer.out.Bytes()
		if len(out) != 1+2*handshakeSize || out[0] != version || !bytes.Equal(out[1+handshakeSize:], b[1:1+handshakeSize]) {
			t.Fatal("the answer is not S0, S1 and an echo")
		}
		if in.Len() != len(b)-1-2*handshakeSize {
			t.Fatal("read too far")
		}
	})
}
