package bt

import (
	"bytes"
	"io"
	"net"
	"testing"
)

type nobody struct{}

func (nobody) Receive([]byte) error { return nil }
func (nobody) Closed()              {}

func TestAPeerThatGreetsWhileTheSwarmIsBeingJoinedIsOfTheSwarm(t *testing.T) {
	client, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	near, far := net.Pipe()
	defer far.Close()
	hash := [20]byte{7}
	go func() {
		greeting := append([]byte(protocolHeader), make([]byte, 8)...)
		greeting = append(append(greeting, hash[:]...), bytes.Repeat([]byte("x"), 20)...)
		keepAlive := make([]byte, 4)
		_, _ = far.Write(append(greeting, keepAlive...))
	}()
	c := newConn(client, near)
	defer c.Close()
	if _, err := io.ReadFull(c, make([]byte, handshakeLen)); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Join(Spec{InfoHash: hash, Attach: func(*Link, bool) Receiver { return nobody{} }}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
		t.Fatal(err)
	}
	if c.phase != messages {
		t.Error("its frames are passed over")
	}
}
