package event

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"
)

// StreamName is what people call a live channel: 1 to 63 of a-z, 0-9, '-' and '_',
// starting with a letter or digit. It stands in URLs and nowhere in keys or subjects.
type StreamName string

// StreamID identifies a stream everywhere else: 32 characters of lower-case base32,
// derived from the stream's genesis.
type StreamID string

// Rendition is one encoding of a stream; Source is what the creator sent.
type Rendition string

// Source is the rendition that carries the creator's own encoding.
const Source Rendition = "v0"

// Epoch is one uninterrupted publish, named by its start in Unix milliseconds and
// always greater than the stream's epoch before it.
type Epoch int64

// Timescale is the number of Ticks in a second: MPEG's 90 kHz.
const Timescale = 90_000

// Ticks counts 1/90000 s of media time.
type Ticks int64

// Duration converts media time to a time.Duration.
func (t Ticks) Duration() time.Duration {
	return time.Duration(t/Timescale)*time.Second + time.Duration(t%Timescale)*time.Second/Timescale
}

// TicksOf converts a duration to media time, rounding down.
func TicksOf(d time.Duration) Ticks {
	return Ticks(d/time.Second)*Timescale + Ticks(d%time.Second*Timescale/time.Second)
}

// Digest is a SHA-256 of exact bytes, written as 64 hexadecimal digits.
type Digest [sha256.Size]byte

// DigestOf returns the SHA-256 of b.
func DigestOf(b []byte) Digest { return sha256.Sum256(b) }

// Root is the BEP 52 Merkle root of a piece or an init segment (SHA-256, 16 KiB
// leaves, padded with zero hashes), written as 64 hexadecimal digits.
type Root [sha256.Size]byte

func (d Digest) String() string { return hex.EncodeToString(d[:]) }
func (r Root) String() string   { return hex.EncodeToString(r[:]) }

// IsZero reports whether no digest was set; encoding/json leaves such fields out
// under omitzero.
func (d Digest) IsZero() bool { return d == Digest{} }

// IsZero reports whether no root was set.
func (r Root) IsZero() bool { return r == Root{} }

// MarshalText writes the digest as lower-case hexadecimal.
func (d Digest) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// MarshalText writes the root as lower-case hexadecimal.
func (r Root) MarshalText() ([]byte, error) { return []byte(r.String()), nil }

// UnmarshalText reads 64 lower-case hexadecimal digits.
func (d *Digest) UnmarshalText(b []byte) error { return unhex((*[32]byte)(d), b) }

// UnmarshalText reads 64 lower-case hexadecimal digits.
func (r *Root) UnmarshalText(b []byte) error { return unhex((*[32]byte)(r), b) }

// ParseRoot reads a root as it stands in a URL.
func ParseRoot(s string) (Root, error) {
	var r Root
	err := r.UnmarshalText([]byte(s))
	return r, err
}

var errHash = errors.New("a hash is 64 lower-case hexadecimal digits")

func unhex(out *[32]byte, b []byte) error {
	if len(b) != 64 {
		return errHash
	}
	for _, c := range b {
		if (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return errHash
		}
	}
	_, err := hex.Decode(out[:], b)
	return err
}

var (
	namePattern      = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,62}`)
	renditionPattern = regexp.MustCompile(`^[a-z][a-z0-9]{0,15}$`)
)

// NamePrefix returns the longest beginning of s that can be a stream's name.
func NamePrefix(s string) string { return namePattern.FindString(s) }

// ParseStreamName checks that s can be a stream's name. Its error shows no more of s
// than NamePrefix: what follows may be a publish key.
func ParseStreamName(s string) (StreamName, error) {
	prefix := NamePrefix(s)
	switch {
	case prefix == "":
		return "", errors.New("not a stream name: use 1 to 63 of a-z, 0-9, - and _, starting with a letter or digit")
	case prefix != s:
		return "", fmt.Errorf("not a stream name, because of what follows %q: use 1 to 63 of a-z, 0-9, - and _", prefix)
	}
	return StreamName(s), nil
}

// ParseStreamID checks that s has the form of a stream id.
func ParseStreamID(s string) (StreamID, error) {
	if !spelt(s, 32, 32, base32Digit) {
		return "", fmt.Errorf("%q is not a stream id: 32 of a-z and 2-7", s)
	}
	return StreamID(s), nil
}

// ParseRendition checks that s can name a rendition.
func ParseRendition(s string) (Rendition, error) {
	if !renditionPattern.MatchString(s) {
		return "", fmt.Errorf("%q cannot name a rendition: a letter, then at most 15 of a-z and 0-9", s)
	}
	return Rendition(s), nil
}

// Position is a place in a rendition's order of pieces.
type Position struct {
	Epoch Epoch  `json:"epoch"`
	N     uint64 `json:"n"`
}

// Before reports whether p comes before q.
func (p Position) Before(q Position) bool {
	return p.Epoch < q.Epoch || p.Epoch == q.Epoch && p.N < q.N
}

func (p Position) String() string { return fmt.Sprintf("%d/%d", p.Epoch, p.N) }

// Address names one piece of the world.
type Address struct {
	Stream    StreamID
	Rendition Rendition
	Position
}

func (a Address) String() string {
	return fmt.Sprintf("%s/%s/%s", a.Stream, a.Rendition, a.Position)
}
