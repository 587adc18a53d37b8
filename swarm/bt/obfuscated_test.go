package bt_test

import (
	"bufio"
	"encoding/binary"
	"io"
	"net"
	"testing"
	"time"

	"github.com/anacrolix/torrent/mse"
)

// obfuscated connects to a peer as clients do that hide what they speak, and offers ways
// to go on.
func obfuscated(t *testing.T, to *peer, hash [20]byte, offer mse.CryptoMethod) (io.ReadWriter, error) {
	t.Helper()
	nc, err := net.Dial("tcp", to.addr().String())
	check(t, err)
	t.Cleanup(func() { nc.Close() })
	check(t, nc.SetDeadline(time.Now().Add(15*time.Second)))
	rw, _, err := mse.InitiateHandshake(nc, hash[:], nil, offer)
	return rw, err
}

func TestFramesTravelWhereTheGreetingIsPlainOnly(t *testing.T) {
	p := join(t, nil)
	hash, _ := descriptor(t)
	if _, err := obfuscated(t, p, hash, mse.CryptoMethodRC4); err == nil {
		t.Error("an encrypted payload is taken")
	}
	rw, err := obfuscated(t, p, hash, mse.CryptoMethodPlaintext)
	check(t, err)
	hello := append([]byte("\x13BitTorrent protocol\x00\x00\x00\x00\x00\x10\x00\x04"), hash[:]...)
	_, err = rw.Write(append(hello, "hidden--------------"...))
	check(t, err)
	for _, m := range []string{"\x14\x00d1:md7:sh_livei7e11:ut_metadatai3eee", "\x14\x02frame", "\x14\x01d8:msg_typei0e5:piecei0ee"} {
		_, err := rw.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(m))), m...))
		check(t, err)
	}
	r := bufio.NewReader(rw)
	_, err = io.ReadFull(r, make([]byte, 68))
	check(t, err)
	for answered := false; !answered; { // what came after the frame, so that was passed over
		var size [4]byte
		_, err := io.ReadFull(r, size[:])
		check(t, err)
		b := make([]byte, binary.BigEndian.Uint32(size[:]))
		_, err = io.ReadFull(r, b)
		check(t, err)
		answered = len(b) > 2 && b[0] == 20 && b[1] == 3
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.sessions) > 0 {
		t.Error("the live protocol is spoken where the greeting was obfuscated")
	}
}
