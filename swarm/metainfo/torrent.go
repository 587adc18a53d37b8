package metainfo

import (
	"strconv"
	"strings"

	"github.com/zeebo/bencode"
)

// Torrent is what a torrent file of a single file says.
type Torrent struct {
	Info        []byte // the info dictionary's exact bytes
	InfoHash    InfoHash
	Name        string
	Length      int64
	PieceLength int64
	Pieces      []byte // SHA-1 digests, 20 bytes each
	Private     bool
	Trackers    []string
	WebSeeds    []string
}

// Bounds of what is read from a torrent file.
const (
	maxTorrent = 8 << 20
	maxDepth   = 16
)

// ParseTorrent reads a torrent file from anywhere: v1, of a single file.
func ParseTorrent(b []byte) (Torrent, error) {
	if err := checkForm(b); err != nil {
		return Torrent{}, err
	}
	var file struct {
		Announce string             `bencode:"announce"`
		Tiers    bencode.RawMessage `bencode:"announce-list"`
		URLs     bencode.RawMessage `bencode:"url-list"`
		Info     bencode.RawMessage `bencode:"info"`
	}
	if err := bencode.DecodeBytes(b, &file); err != nil {
		return Torrent{}, malformed("read the torrent file: %w", err)
	}
	t, err := ParseInfo(file.Info)
	if err != nil {
		return Torrent{}, err
	}
	trackers := []string{file.Announce}
	var tiers [][]string
	if len(file.Tiers) > 0 && bencode.DecodeBytes(file.Tiers, &tiers) == nil {
		trackers = nil // BEP 12: the list replaces announce
		for _, tier := range tiers {
			trackers = append(trackers, tier...)
		}
	}
	t.Trackers = usable(trackers, trackerSchemes)
	t.WebSeeds = usable(oneOrMore(file.URLs), webSchemes)
	return t, nil
}

// oneOrMore reads url-list, which BEP 19 lets be a string or a list of them.
func oneOrMore(raw []byte) []string {
	var one string
	var more []string
	switch {
	case len(raw) == 0:
	case bencode.DecodeBytes(raw, &more) == nil:
	case bencode.DecodeBytes(raw, &one) == nil:
		more = []string{one}
	}
	return more
}

// ParseInfo reads an info dictionary of a single file, v1, as BEP 9 hands it over.
func ParseInfo(b []byte) (Torrent, error) {
	if err := checkForm(b); err != nil {
		return Torrent{}, err
	}
	var info struct {
		Length      int64              `bencode:"length"`
		Files       bencode.RawMessage `bencode:"files"`
		Name        string             `bencode:"name"`
		PieceLength int64              `bencode:"piece length"`
		Pieces      []byte             `bencode:"pieces"`
		Private     int64              `bencode:"private"`
	}
	if err := bencode.DecodeBytes(b, &info); err != nil {
		return Torrent{}, malformed("read the info dictionary: %w", err)
	}
	t := Torrent{
		Info: b, InfoHash: HashInfo(b), Name: info.Name, Length: info.Length,
		PieceLength: info.PieceLength, Pieces: info.Pieces, Private: info.Private == 1,
	}
	switch {
	case len(info.Files) > 0:
		return Torrent{}, malformed("a torrent of several files")
	case !fileName(t.Name):
		return Torrent{}, malformed("%q cannot be a file's name", shorten(t.Name))
	case t.Length <= 0 || t.Length > 1<<53-1 || t.PieceLength <= 0 || t.PieceLength > 1<<30:
		return Torrent{}, malformed("a length is out of bounds")
	case int64(len(t.Pieces)) != (t.Length+t.PieceLength-1)/t.PieceLength*20:
		return Torrent{}, malformed("the digests of pieces do not fit the length")
	}
	return t, nil
}

// fileName reports whether a name can be used in any folder without leaving it.
func fileName(s string) bool {
	return s != "" && len(s) <= maxName && s != "." && s != ".." && !strings.ContainsAny(s, "/\\\x00:") &&
		strings.ToValidUTF8(s, "") == s
}

func shorten(s string) string { return s[:min(len(s), 40)] }

// checkForm walks over bencoding before anything is allocated for it: one value, no
// string longer than what is there, no deep nesting, keys sorted and different.
func checkForm(b []byte) error {
	if len(b) > maxTorrent {
		return malformed("%d bytes of bencoding, at most %d are allowed", len(b), maxTorrent)
	}
	w := walk{b: b}
	if err := w.value(0); err != nil {
		return err
	}
	if w.at != len(b) {
		return malformed("something follows the bencoded value")
	}
	return nil
}

type walk struct {
	b  []byte
	at int
}

func (w *walk) peek() byte {
	if w.at < len(w.b) {
		return w.b[w.at]
	}
	return 0
}

func (w *walk) value(depth int) error {
	if depth > maxDepth {
		return malformed("nested more than %d deep", maxDepth)
	}
	switch c := w.peek(); {
	case c == 'i':
		w.at++
		digits, err := w.until('e')
		if err != nil {
			return err
		}
		v, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || strconv.FormatInt(v, 10) != digits {
			return malformed("an integer at byte %d", w.at)
		}
		return nil
	case c == 'l':
		w.at++
		for w.peek() != 'e' {
			if err := w.value(depth + 1); err != nil {
				return err
			}
		}
		w.at++
		return nil
	case c == 'd':
		return w.dictionary(depth)
	case c >= '0' && c <= '9':
		_, err := w.text()
		return err
	}
	return malformed("no value at byte %d", w.at)
}

func (w *walk) dictionary(depth int) error {
	w.at++
	last, first := "", true
	for w.peek() != 'e' {
		key, err := w.text()
		if err != nil {
			return err
		}
		if !first && key <= last {
			return malformed("keys out of order at byte %d", w.at)
		}
		last, first = key, false
		if err := w.value(depth + 1); err != nil {
			return err
		}
	}
	w.at++
	return nil
}

func (w *walk) text() (string, error) {
	digits, err := w.until(':')
	if err != nil {
		return "", err
	}
	n, err := strconv.ParseUint(digits, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != digits || int(n) > len(w.b)-w.at {
		return "", malformed("a string's length at byte %d", w.at)
	}
	w.at += int(n)
	return string(w.b[w.at-int(n) : w.at]), nil
}

// until returns what stands before the next end, which must come within a number's
// length, and passes over it.
func (w *walk) until(end byte) (string, error) {
	for i := w.at; i < len(w.b) && i < w.at+21; i++ {
		if w.b[i] == end {
			s := string(w.b[w.at:i])
			w.at = i + 1
			return s, nil
		}
	}
	return "", malformed("a number without its end at byte %d", w.at)
}
