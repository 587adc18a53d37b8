package metainfo

import (
	"crypto/sha1" //nolint:gosec // BEP 3
	"crypto/sha256"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/shoalcast/shoal/event"
)

// lengths are the piece lengths of archive files: each is used for files of up to its
// limit, the last for all that are larger. A torrent file stays under 200 kB up to
// 100 GiB. The rule is pinned: another one would give other infohashes.
var lengths = []struct{ piece, limit int64 }{
	{64 << 10, 64 << 20},
	{256 << 10, 512 << 20},
	{1 << 20, 4 << 30},
	{4 << 20, 32 << 30},
	{16 << 20, 1<<53 - 1},
}

// PieceLength returns the piece length of an archive file of size bytes.
func PieceLength(size int64) int64 {
	for _, l := range lengths {
		if size <= l.limit {
			return l.piece
		}
	}
	return lengths[len(lengths)-1].piece
}

// Window is the torrent of one archive file.
type Window struct {
	Name        string
	Size        int64
	PieceLength int64
	SHA256      event.Digest // of the file
	Info        []byte       // the info dictionary's exact bytes
	InfoHash    InfoHash
}

// Torrent returns the torrent file.
func (w Window) Torrent(trackers, webSeeds []string) []byte { return File(w.Info, trackers, webSeeds) }

// Builder makes a Window of a file's bytes as they come, whose size nobody knows before
// the end: it hashes for every piece length that is still possible. It holds 20 bytes a
// piece and never the file's bytes. Not safe for concurrent use.
type Builder struct {
	size   int64
	digest hash.Hash
	levels []level
}

// level is the file cut at one piece length.
type level struct {
	length int64
	hash   hash.Hash // of the piece that is not full yet
	pieces []byte    // digests of the full ones
}

// NewBuilder begins a file.
func NewBuilder() *Builder {
	b := &Builder{digest: sha256.New()}
	for _, l := range lengths {
		b.levels = append(b.levels, level{length: l.piece, hash: sha1.New()}) //nolint:gosec // BEP 3
	}
	return b
}

// Size is how many bytes were written.
func (b *Builder) Size() int64 { return b.size }

// Write takes the file's next bytes; it never fails.
func (b *Builder) Write(p []byte) (int, error) {
	b.digest.Write(p)
	for i := range b.levels {
		b.levels[i].write(b.size, p)
	}
	b.size += int64(len(p))
	for len(b.levels) > 1 && b.levels[0].length < PieceLength(b.size) {
		b.levels = b.levels[1:]
	}
	return len(p), nil
}

func (l *level) write(at int64, p []byte) {
	for len(p) > 0 {
		n := min(l.length-at%l.length, int64(len(p)))
		l.hash.Write(p[:n])
		p = p[n:]
		if at += n; at%l.length == 0 {
			l.pieces = l.hash.Sum(l.pieces)
			l.hash.Reset()
		}
	}
}

// Clone returns a copy that can go another way.
func (b *Builder) Clone() *Builder {
	c := &Builder{size: b.size, digest: clone(b.digest), levels: slices.Clone(b.levels)}
	for i, l := range c.levels {
		c.levels[i].hash, c.levels[i].pieces = clone(l.hash), slices.Clip(l.pieces)
	}
	return c
}

func clone(h hash.Hash) hash.Hash {
	c, err := h.(hash.Cloner).Clone()
	if err != nil { // SHA-1 and SHA-256 always can
		panic("metainfo: clone hash: " + err.Error())
	}
	return c
}

// Window returns the torrent of what was written so far, as a file of the given name.
// The builder can go on.
func (b *Builder) Window(name string) Window {
	w := Window{Name: name, Size: b.size, PieceLength: b.levels[0].length}
	b.digest.Sum(w.SHA256[:0])
	pieces := slices.Clip(b.levels[0].pieces)
	if b.size%w.PieceLength != 0 {
		pieces = b.levels[0].hash.Sum(pieces)
	}
	w.Info = encode(map[string]any{
		"length":       w.Size,
		"name":         name,
		"piece length": w.PieceLength,
		"pieces":       pieces,
	})
	w.InfoHash = HashInfo(w.Info)
	return w
}

// builderState is a Builder at rest. Its hash states are those of Go's standard
// library: it is for the program that wrote it, not for others.
type builderState struct {
	Size   int64        `json:"size"`
	SHA256 []byte       `json:"sha256"`
	Levels []levelState `json:"levels"`
}

type levelState struct {
	Length int64  `json:"length"`
	SHA1   []byte `json:"sha1"`
	Pieces []byte `json:"pieces,omitempty"`
}

// MarshalJSON writes where the builder is, so that UnmarshalJSON can go on from there.
func (b *Builder) MarshalJSON() ([]byte, error) {
	s := builderState{Size: b.size}
	var err error
	if s.SHA256, err = b.digest.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
		return nil, fmt.Errorf("save SHA-256: %w", err)
	}
	for _, l := range b.levels {
		at := levelState{Length: l.length, Pieces: l.pieces}
		if at.SHA1, err = l.hash.(encoding.BinaryMarshaler).MarshalBinary(); err != nil {
			return nil, fmt.Errorf("save SHA-1: %w", err)
		}
		s.Levels = append(s.Levels, at)
	}
	return json.Marshal(s)
}

// UnmarshalJSON continues what MarshalJSON wrote.
func (b *Builder) UnmarshalJSON(data []byte) error {
	var s builderState
	if err := json.Unmarshal(data, &s); err != nil {
		return err
	}
	fresh := NewBuilder()
	for len(fresh.levels) > 1 && fresh.levels[0].length < PieceLength(s.Size) {
		fresh.levels = fresh.levels[1:]
	}
	if s.Size < 0 || len(s.Levels) != len(fresh.levels) {
		return errors.New("the state of a file's hashes has other piece lengths than its size asks for")
	}
	fresh.size = s.Size
	if err := fresh.digest.(encoding.BinaryUnmarshaler).UnmarshalBinary(s.SHA256); err != nil {
		return fmt.Errorf("continue SHA-256: %w", err)
	}
	for i, l := range s.Levels {
		at := &fresh.levels[i]
		if l.Length != at.length || int64(len(l.Pieces)) != s.Size/l.Length*sha1.Size {
			return errors.New("the state of a file's hashes does not fit its size")
		}
		if err := at.hash.(encoding.BinaryUnmarshaler).UnmarshalBinary(l.SHA1); err != nil {
			return fmt.Errorf("continue SHA-1: %w", err)
		}
		at.pieces = l.Pieces
	}
	*b = *fresh
	return nil
}
