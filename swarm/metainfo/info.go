package metainfo

import (
	"crypto/sha1" //nolint:gosec // BEP 3 hashes pieces and info dictionaries with SHA-1
	"errors"
	"fmt"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/manifest"
)

// InfoHash names a v1 torrent: the SHA-1 of its info dictionary (BEP 3).
type InfoHash = manifest.InfoHash

// ParseInfoHash reads 40 lower-case hexadecimal digits.
func ParseInfoHash(s string) (InfoHash, error) { return manifest.ParseInfoHash(s) }

// HashInfo returns the infohash of an info dictionary's exact bytes.
func HashInfo(info []byte) InfoHash { return sha1.Sum(info) } //nolint:gosec // BEP 3

// encode writes what consists of maps with string keys, lists, strings and integers,
// which always encodes; keys are sorted, as BEP 3 demands.
func encode(v any) []byte {
	b, err := bencode.EncodeBytes(v)
	if err != nil {
		panic("metainfo: encode: " + err.Error())
	}
	return b
}

// File wraps an info dictionary into a torrent file. Trackers are tiers of one each, in
// order (BEP 12); web seeds serve the file at exactly their URL (BEP 19). Both may be
// empty.
func File(info []byte, trackers, webSeeds []string) []byte {
	file := map[string]any{"info": bencode.RawMessage(info)}
	if len(trackers) > 0 {
		file["announce"] = trackers[0]
		tiers := make([][]string, len(trackers))
		for i, t := range trackers {
			tiers[i] = []string{t}
		}
		file["announce-list"] = tiers
	}
	if len(webSeeds) > 0 {
		file["url-list"] = webSeeds
	}
	return encode(file)
}

// ErrMalformed means that bytes are not the torrent or link they claim to be.
var ErrMalformed = errors.New("malformed")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrMalformed, fmt.Errorf(format, args...))
}
