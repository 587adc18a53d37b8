package swarm

import (
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// quickVerifier takes everything for genuine, at once or after hashing it as the real one does.
type quickVerifier struct {
	rigVerifier
	hash bool
	sum  [32]byte
}

func (v *quickVerifier) OpenHead(*Head) error { return nil }

func (v *quickVerifier) Block(_ *Head, _ int, data []byte) bool {
	if v.hash {
		v.sum = sha256.Sum256(data)
	}
	return true
}

// BenchmarkBlocks is one core's part: a block comes in, is verified, and goes to k children
// of a node that has 30 connections. A block event is a block received or sent.
func BenchmarkBlocks(b *testing.B) {
	for _, hash := range []bool{false, true} {
		for _, children := range []int{0, 1, 4} {
			b.Run(fmt.Sprintf("hash=%v/children=%d", hash, children), func(b *testing.B) { benchBlocks(b, hash, children) })
		}
	}
}

func benchBlocks(b *testing.B, hash bool, children int) {
	const blocks = 16
	n := New(Config{Stream: rigStream, ID: PeerID{1}, Up: Unlimited, Wants: []event.Rendition{"v0"}, Verifier: &quickVerifier{hash: hash}})
	now := Time(0)
	for c := range Conn(30) {
		n.Connected(now, c, Info{})
		n.Receive(now, c, &Hello{Version: 1, Stream: rigStream, ID: PeerID{2, byte(c)}, Up: 1e6})
		n.Receive(now, c, &Credit{Limit: 1 << 62})
	}
	n.Receive(now, 0, &State{R: "v0", Spare: 100, Open: AllLanes})
	now += 2 * time.Second
	n.Tick(now)
	n.Receive(now, 0, &Grant{R: "v0", Lanes: AllLanes})
	for c := range Conn(children) {
		n.Receive(now, c+1, &Subscribe{R: "v0", Lanes: AllLanes})
	}
	data := make([]byte, event.BlockSize)
	b.ReportAllocs()
	b.ResetTimer()
	sent := int64(0)
	for i := 0; b.Loop(); i++ {
		if i%blocks == 0 {
			now += 200 * time.Millisecond
			for c := range Conn(30) {
				n.Receive(now, c, &Pong{})
				n.Effects()
			}
			n.Tick(now)
			n.Effects()
			n.Receive(now, 0, rigPiece(i/blocks, blocks*event.BlockSize))
			n.Effects()
		}
		n.Receive(now, 0, &Block{Key: key(i / blocks), Index: i % blocks, Data: data})
		sent += int64(len(n.Effects().Send))
	}
	if n.stats.Received[FromPeer] == 0 || children > 0 && n.stats.Sent == 0 {
		b.Fatalf("nothing went through: %+v", n.stats)
	}
	events := float64(b.N) + float64(n.stats.Sent)/event.BlockSize
	b.ReportMetric(events/b.Elapsed().Seconds(), "events/s")
}
