package srt

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
)

// Errors of ParseStreamID.
var (
	errStreamID = errors.New("the stream id is not #!::r=NAME,m=publish,s=KEY or NAME?key=KEY")
	errMode     = errors.New("the stream id asks for something else than m=publish")
	errProgram  = errors.New("the program is not a number from 1 to 65535: it is the program_number in the transport stream's PAT")
)

// StreamID is what a stream id says of a publish.
type StreamID struct {
	Name string // resource, without a leading "live/"
	Key  string // publish key, "" when there is none
	User string // as given, "" when there is none
	// Program is the program_number (ISO/IEC 13818-1, 2.4.4.5) to take of a transport
	// stream with several; 0 when none is named.
	Program uint16
}

// structured begins a stream id of the access control syntax; nested one of its
// blocks in braces, which say what is not asked here.
const (
	structured = "#!::"
	nested     = "#!:"
)

// ParseStreamID reads a stream id of at most 512 bytes. It has the access control
// syntax, "#!::r=NAME,m=publish,u=USER,s=KEY,program=N" with keys in any order, or is
// "NAME?key=KEY&program=N"; program is Shoal's own, and may be left out. Values may hold percent-escapes, which is how a comma is written.
// Keys it does not know are left alone, as the guidelines ask; one given twice is an error.
func ParseStreamID(s string) (StreamID, error) {
	switch {
	case len(s) > libsrt.MaxStreamID:
		return StreamID{}, fmt.Errorf("%w: it has more than %d bytes", errStreamID, libsrt.MaxStreamID)
	case !printable(s):
		return StreamID{}, fmt.Errorf("%w: it holds bytes that are no text", errStreamID)
	}
	// Programs differ in whether they decode what stands in an address: when nothing
	// that must be there is, all of it was escaped.
	if !strings.ContainsAny(s, "#?=,") && strings.Contains(s, "%") {
		if whole, err := url.PathUnescape(s); err == nil {
			s = whole
		}
	}
	var id StreamID
	var err error
	if rest, ok := strings.CutPrefix(s, structured); ok {
		id, err = parseStructured(rest)
	} else if strings.HasPrefix(s, nested) {
		return StreamID{}, errStreamID
	} else {
		id, err = parsePlain(s)
	}
	if err != nil {
		return StreamID{}, err
	}
	id.Name = strings.Trim(strings.TrimPrefix(strings.TrimPrefix(id.Name, "/"), "live/"), "/")
	if id.Name == "" || !printable(id.Name) || !printable(id.Key) || !printable(id.User) {
		return StreamID{}, fmt.Errorf("%w: it names nothing to publish", errStreamID)
	}
	return id, nil
}

func parseStructured(s string) (StreamID, error) {
	var id StreamID
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(s, ",") {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" || seen[key] {
			return StreamID{}, errStreamID
		}
		seen[key] = true
		// In a path a plus is a plus.
		value, err := url.PathUnescape(value)
		if err != nil {
			return StreamID{}, fmt.Errorf("%w: %w", errStreamID, err)
		}
		switch key {
		case "r":
			id.Name = value
		case "s":
			id.Key = value
		case "u":
			id.User = value
		case "program":
			if id.Program, err = parseProgram(value); err != nil {
				return StreamID{}, err
			}
		case "m":
			if value != "publish" {
				return StreamID{}, errMode
			}
		case "t":
			if value != "stream" {
				return StreamID{}, errMode
			}
		}
	}
	// Without it, the guidelines take a caller for one that wants to be sent something.
	if !seen["m"] {
		return StreamID{}, errMode
	}
	return id, nil
}

func parsePlain(s string) (StreamID, error) {
	name, query, _ := strings.Cut(s, "?")
	var id StreamID
	var err error
	if id.Name, err = url.PathUnescape(name); err != nil {
		return StreamID{}, fmt.Errorf("%w: %w", errStreamID, err)
	}
	// What was to be of the other form may have a key in what looks like a name.
	if strings.ContainsAny(id.Name, "#=,?") {
		return StreamID{}, errStreamID
	}
	seen := map[string]bool{}
	for part := range strings.SplitSeq(query, "&") {
		key, v, _ := strings.Cut(part, "=")
		if key != "key" && key != "program" {
			continue
		}
		if seen[key] {
			return StreamID{}, errStreamID
		}
		seen[key] = true
		value, err := url.QueryUnescape(v)
		if err != nil {
			return StreamID{}, fmt.Errorf("%w: %w", errStreamID, err)
		}
		if key == "key" {
			id.Key = value
		} else if id.Program, err = parseProgram(value); err != nil {
			return StreamID{}, err
		}
	}
	return id, nil
}

func parseProgram(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 {
		return 0, errProgram
	}
	return uint16(n), nil
}

// printable reports whether s is text without control characters: it goes to logs.
func printable(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f })
}
