package metainfo

import (
	"encoding/base32"
	"encoding/hex"
	"net/url"
	"strings"

	"github.com/shoalcast/shoal/event"
)

// Link is what a magnet link says.
type Link struct {
	InfoHash InfoHash
	Name     string         // dn, what to show before more is known
	Trackers []string       // tr: http, https, udp, ws and wss
	WebSeeds []string       // ws: http and https (BEP 19)
	Source   string         // xs: a stream's page, or where a torrent file is; http and https
	Stream   event.StreamID // x.sid: the stream that must be found there; may be empty
}

// Bounds of what is read from a link.
const (
	maxMagnet = 16 << 10
	maxLinks  = 32 // trackers, and web seeds
	maxName   = 255
)

// Magnet writes the link (BEP 9): colons and slashes are escaped, so that it survives
// mail and shells.
func (l Link) Magnet() string {
	var b strings.Builder
	b.WriteString("magnet:?xt=urn:btih:" + l.InfoHash.String())
	add := func(key, value string) {
		if value != "" {
			b.WriteString("&" + key + "=" + strings.ReplaceAll(url.QueryEscape(value), "+", "%20"))
		}
	}
	add("dn", l.Name)
	add("x.sid", string(l.Stream))
	for _, t := range l.Trackers {
		add("tr", t)
	}
	for _, w := range l.WebSeeds {
		add("ws", w)
	}
	add("xs", l.Source)
	return b.String()
}

// ParseMagnet reads a link that a person pasted. Trackers, web seeds and sources of kinds
// that are not known, and parameters that are not, are passed over; an infohash or a
// stream id that is none is an error.
func ParseMagnet(s string) (Link, error) {
	var l Link
	if len(s) > maxMagnet {
		return l, malformed("a magnet link of %d bytes, at most %d are allowed", len(s), maxMagnet)
	}
	scheme, query, ok := strings.Cut(s, ":?")
	if !ok || !strings.EqualFold(scheme, "magnet") {
		return l, malformed("a magnet link begins with magnet:?")
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return l, malformed("read the magnet link's parameters: %w", err)
	}
	found := false
	for _, xt := range values["xt"] {
		digits, ok := cutPrefixFold(xt, "urn:btih:")
		if !ok {
			continue
		}
		h, err := readInfoHash(digits)
		if err != nil {
			return Link{}, err
		}
		if found && h != l.InfoHash {
			return Link{}, malformed("the magnet link names two torrents")
		}
		l.InfoHash, found = h, true
	}
	if !found {
		return Link{}, malformed("the magnet link has no xt=urn:btih:…, which names a torrent")
	}
	if name := values.Get("dn"); len(name) <= maxName {
		l.Name = name
	}
	if id := values.Get("x.sid"); id != "" {
		if l.Stream, err = event.ParseStreamID(id); err != nil {
			return Link{}, malformed("x.sid: %w", err)
		}
	}
	l.Trackers = usable(values["tr"], trackerSchemes)
	l.WebSeeds = usable(values["ws"], webSchemes)
	if sources := usable(values["xs"], webSchemes); len(sources) > 0 {
		l.Source = sources[0]
	}
	return l, nil
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// readInfoHash reads 40 hexadecimal digits or 32 of base32, in either case.
func readInfoHash(s string) (InfoHash, error) {
	var h InfoHash
	var b []byte
	var err error
	switch len(s) {
	case 40:
		b, err = hex.DecodeString(s)
	case 32:
		b, err = base32.StdEncoding.DecodeString(strings.ToUpper(s))
	}
	if err != nil || len(b) != len(h) {
		return h, malformed("urn:btih: must be followed by 40 hexadecimal digits, or 32 of base32")
	}
	copy(h[:], b)
	return h, nil
}

var (
	trackerSchemes = []string{"http", "https", "udp", "ws", "wss"}
	webSchemes     = []string{"http", "https"}
)

// usable returns the URLs of a list that have one of the schemes and a host.
func usable(list, schemes []string) []string {
	var out []string
	for _, s := range list {
		if len(out) == maxLinks {
			break
		}
		u, err := url.Parse(s)
		if err != nil || u.Host == "" {
			continue
		}
		for _, scheme := range schemes {
			if u.Scheme == scheme {
				out = append(out, s)
				break
			}
		}
	}
	return out
}
