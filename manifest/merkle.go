package manifest

import (
	"crypto/sha256"
	"math/bits"

	"github.com/shoalcast/shoal/event"
)

// Leaves returns the SHA-256 of each 16 KiB block of data; the last block may be short.
func Leaves(data []byte) [][32]byte {
	leaves := make([][32]byte, 0, (len(data)+event.BlockSize-1)/event.BlockSize)
	for len(data) > 0 {
		n := min(len(data), event.BlockSize)
		leaves = append(leaves, sha256.Sum256(data[:n]))
		data = data[n:]
	}
	return leaves
}

// RootOf returns data's Merkle root as BEP 52 defines it for a file's "pieces root".
// Nothing has the zero root.
func RootOf(data []byte) event.Root { return RootOfLeaves(Leaves(data)) }

// RootOfLeaves returns the root over block hashes, padded with zero hashes to a power
// of two.
func RootOfLeaves(leaves [][32]byte) event.Root {
	if len(leaves) == 0 {
		return event.Root{}
	}
	layer := make([][32]byte, 1<<bits.Len(uint(len(leaves)-1)))
	copy(layer, leaves)
	var pair [64]byte
	for len(layer) > 1 {
		for i := range len(layer) / 2 {
			copy(pair[:32], layer[2*i][:])
			copy(pair[32:], layer[2*i+1][:])
			layer[i] = sha256.Sum256(pair[:])
		}
		layer = layer[:len(layer)/2]
	}
	return layer[0]
}

// VerifyBlock reports whether block is the i-th block of the data that leaves describe,
// once those were checked against a signed root. Its length is the caller's to check.
func VerifyBlock(leaves [][32]byte, i int, block []byte) bool {
	return i >= 0 && i < len(leaves) && len(block) > 0 && len(block) <= event.BlockSize &&
		sha256.Sum256(block) == leaves[i]
}
