package manifest_test

import (
	"bytes"
	"crypto/ed25519"
	"crypto/sha256"
	"testing"

	"pgregory.net/rapid"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// naiveRoot is BEP 52's definition, word for word.
func naiveRoot(data []byte) [32]byte {
	var layer [][32]byte
	for i := 0; i < len(data); i += event.BlockSize {
		layer = append(layer, sha256.Sum256(data[i:min(len(data), i+event.BlockSize)]))
	}
	for n := len(layer); n&(n-1) != 0; n++ {
		layer = append(layer, [32]byte{})
	}
	for len(layer) > 1 {
		var up [][32]byte
		for i := 0; i < len(layer); i += 2 {
			up = append(up, sha256.Sum256(append(layer[i][:], layer[i+1][:]...)))
		}
		layer = up
	}
	return layer[0]
}

func TestARootIsAsBEP52DefinesIt(t *testing.T) {
	for _, size := range []int{1, 16383, 16384, 16385, 32768, 49152, 49153, 5*16384 + 7, 1 << 20, event.MaxPiece} {
		data := bytes.Repeat([]byte("shoal"), size/5+1)[:size]
		if got := manifest.RootOf(data); got != event.Root(naiveRoot(data)) {
			t.Errorf("%d bytes: %s", size, got)
		}
	}
	if !manifest.RootOf(nil).IsZero() {
		t.Error("nothing has a root")
	}
	// Fixed for other implementations: 20000 bytes of 0, 1, 2, …, 255, 0, 1, …
	data := make([]byte, 20_000)
	for i := range data {
		data[i] = byte(i)
	}
	golden(t, "root-of-20000.txt", []byte(manifest.RootOf(data).String()+"\n"))
}

func TestABlockIsWhatItsLeafSays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		data := bytes.Repeat(rapid.SliceOfN(rapid.Byte(), 1, 100).Draw(t, "pattern"), 1000)
		leaves := manifest.Leaves(data)
		if manifest.RootOfLeaves(leaves) != manifest.RootOf(data) {
			t.Fatal("the leaves have another root")
		}
		i := rapid.IntRange(0, len(leaves)-1).Draw(t, "block")
		block := bytes.Clone(data[i*event.BlockSize : min(len(data), (i+1)*event.BlockSize)])
		if !manifest.VerifyBlock(leaves, i, block) {
			t.Fatal("a good block was refused")
		}
		block[rapid.IntRange(0, len(block)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if manifest.VerifyBlock(leaves, i, block) || manifest.VerifyBlock(leaves, -1, block) || manifest.VerifyBlock(leaves, len(leaves), block) {
			t.Fatal("a bad block was taken")
		}
	})
}

func TestAPieceMustBeExactlyWhatWasSigned(t *testing.T) {
	c := withSession(t)
	p := c.piece(epoch0, 0)
	e := c.sign(t, p)[0].Entry
	if !e.Holds(p.Data) {
		t.Error("the piece itself is refused")
	}
	longer := append(bytes.Clone(p.Data), 0)
	changed := bytes.Clone(p.Data)
	changed[20_000] ^= 1
	for _, bad := range [][]byte{nil, p.Data[1:], longer, changed} {
		if e.Holds(bad) {
			t.Errorf("%d other bytes are taken", len(bad))
		}
	}
}

// BenchmarkRoot runs beside plain SHA-256 over the same bytes, the physical limit.
func BenchmarkRoot(b *testing.B) {
	data := make([]byte, 1<<20)
	b.Run("merkle", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			manifest.RootOf(data)
		}
	})
	b.Run("sha256", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		for b.Loop() {
			sha256.Sum256(data)
		}
	})
}

// BenchmarkOpen runs beside the bare signature check, the physical limit.
func BenchmarkOpen(b *testing.B) {
	c := withSession(b)
	signed := c.stream(b, epoch0, 1)[0]
	raw := signed.Envelope.JSON()
	b.Run("open", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := c.trust.OpenJSON(raw); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("ed25519", func(b *testing.B) {
		for b.Loop() {
			ed25519.Verify(public(c.session), signed.Envelope.Payload, signed.Envelope.Sig)
		}
	})
}
