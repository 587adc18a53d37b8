package metainfo

import (
	"crypto/sha1" //nolint:gosec // BEP 3
	"fmt"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

// DescriptorPiece is the piece length of every descriptor, in bytes.
const DescriptorPiece = 16 << 10

// Descriptor is a live stream's torrent: one small file, its genesis. Its infohash is
// where the stream's peers meet; the stream's bytes travel in the extension sh_live.
// Everybody who has the genesis makes the same one.
type Descriptor struct {
	Stream   event.StreamID
	Name     event.StreamName
	Content  []byte // the genesis envelope, as DSSE JSON: what the torrent's file holds
	Info     []byte // the info dictionary's exact bytes
	InfoHash InfoHash
}

// NewDescriptor makes the descriptor of the stream that a genesis begins, which it
// verifies.
func NewDescriptor(genesis manifest.Envelope) (Descriptor, error) {
	g, id, err := manifest.OpenGenesis(genesis)
	if err != nil {
		return Descriptor{}, fmt.Errorf("make descriptor: %w", err)
	}
	d := Descriptor{Stream: id, Name: g.Name, Content: genesis.JSON()}
	var pieces []byte
	for rest := d.Content; len(rest) > 0; {
		n := min(len(rest), DescriptorPiece)
		sum := sha1.Sum(rest[:n]) //nolint:gosec // BEP 3
		pieces = append(pieces, sum[:]...)
		rest = rest[n:]
	}
	d.Info = encode(map[string]any{
		"length":       int64(len(d.Content)),
		"name":         d.FileName(),
		"piece length": int64(DescriptorPiece),
		"pieces":       pieces,
		// BEP 27: no DHT and no peer exchange, which would go around consent and gating.
		"private": int64(1),
	})
	d.InfoHash = HashInfo(d.Info)
	return d, nil
}

// FileName is what clients store the genesis as.
func (d Descriptor) FileName() string { return string(d.Name) + ".shoal" }

// Torrent returns the torrent file with the given trackers.
func (d Descriptor) Torrent(trackers []string) []byte { return File(d.Info, trackers, nil) }

// Magnet returns a link to the stream: page, which may be empty, is where its own page
// is. The id makes it possible to verify what is found there.
func (d Descriptor) Magnet(trackers []string, page string) string {
	return Link{InfoHash: d.InfoHash, Name: d.FileName(), Trackers: trackers, Source: page, Stream: d.Stream}.Magnet()
}
