package matchmaker

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"net/url"
	"strconv"

	"github.com/shoalcast/shoal/event"
)

// maxQuery bounds the query of a request: a scrape of maxScrape torrents, every byte
// escaped, is 5 KB.
const maxQuery = 8 << 10

// announceQuery is what the query of an HTTP announce says (BEP 3, 7, 23).
type announceQuery struct {
	infohash             event.InfoHash
	peer                 event.PeerID
	port                 uint16
	left                 int64
	downloaded, uploaded int64
	stopped              bool
	want                 int
	compact              bool
	noPeerID             bool
	named                netip.Addr // by ip=, or invalid
}

// parseAnnounce reads an announce's query. Its errors are sentences for the peer.
func parseAnnounce(raw string) (announceQuery, error) {
	v, err := parseQuery(raw)
	if err != nil {
		return announceQuery{}, err
	}
	q := announceQuery{
		stopped: v.Get("event") == "stopped",
		compact: v.Get("compact") != "0", noPeerID: v.Get("no_peer_id") == "1",
	}
	if q.infohash, err = bytes20(v, "info_hash"); err != nil {
		return announceQuery{}, err
	}
	if q.peer, err = bytes20(v, "peer_id"); err != nil {
		return announceQuery{}, err
	}
	port, err := strconv.ParseUint(v.Get("port"), 10, 16)
	if err != nil {
		return announceQuery{}, errors.New("port must be a number from 0 to 65535")
	}
	q.port = uint16(port)
	wanted := int64(-1)
	for _, f := range []struct {
		name  string
		to    *int64
		least int64
		none  int64
	}{
		{"left", &q.left, 0, event.LeftUnknown},
		{"downloaded", &q.downloaded, 0, 0},
		{"uploaded", &q.uploaded, 0, 0},
		{"numwant", &wanted, math.MinInt64, -1},
	} {
		if *f.to, err = number(v, f.name, f.least, f.none); err != nil {
			return announceQuery{}, err
		}
	}
	q.want = want(wanted)
	// What cannot be read is as good as not said: it is a hint only.
	q.named, _ = netip.ParseAddr(v.Get("ip"))
	return q, nil
}

// parseScrape reads the infohashes of a scrape (BEP 48).
func parseScrape(raw string) ([]event.InfoHash, error) {
	v, err := parseQuery(raw)
	if err != nil {
		return nil, err
	}
	all := v["info_hash"]
	if len(all) == 0 || len(all) > maxScrape {
		return nil, fmt.Errorf("a scrape names 1 to %d torrents by info_hash", maxScrape)
	}
	out := make([]event.InfoHash, len(all))
	for i, h := range all {
		if copy(out[i][:], h) != len(h) || len(h) != len(out[i]) {
			return nil, errors.New("info_hash must be 20 bytes, percent-encoded")
		}
	}
	return out, nil
}

func parseQuery(raw string) (url.Values, error) {
	if len(raw) > maxQuery {
		return nil, fmt.Errorf("the query has more than %d bytes", maxQuery)
	}
	v, err := url.ParseQuery(raw)
	if err != nil {
		return nil, errors.New("the query cannot be read: it must be percent-encoded")
	}
	return v, nil
}

func bytes20(v url.Values, name string) ([20]byte, error) {
	s := v.Get(name)
	if len(s) != 20 {
		return [20]byte{}, fmt.Errorf("%s must be 20 bytes, percent-encoded", name)
	}
	return [20]byte([]byte(s)), nil
}

// number reads a count; one that is too large to hold is the largest that is not.
func number(v url.Values, name string, least, none int64) (int64, error) {
	s := v.Get(name)
	if s == "" {
		return none, nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if errors.Is(err, strconv.ErrRange) && s[0] != '-' {
		return math.MaxInt64, nil
	}
	if err != nil || n < least {
		return 0, fmt.Errorf("%s must be a whole number", name)
	}
	return n, nil
}
