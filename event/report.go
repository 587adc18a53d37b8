package event

import (
	"errors"
	"fmt"
	"slices"
)

// ReportVersion is the version of Shoal's own part of reports.
const ReportVersion = 1

// MaxReport is the most bytes that a report may have as it is written.
const MaxReport = 2 << 10

// MaxNeighbours is the most neighbours that a report tells of.
const MaxNeighbours = 4

// Report is what one device saw of one stream since its report before: how it played,
// and where its bytes came from. On the bus and over HTTP it is one line, a dictionary of
// structured fields (RFC 9651), with the names and units of CMCD version 2 (CTA-5004-A)
// where it has one, and all else as parameters of com.shoalcast-r; see docs/spec/telemetry.md.
//
// Counts are of the time since the session's report before. Times are ms, bitrates kbit/s,
// media is counted in verified bytes.
type Report struct {
	Stream  StreamID // cid
	Session string   // sid: 16 to 32 of a-z and 0-9, made at random for one visit
	N       int64    // sn: 0, 1, … in a session
	At      int64    // ts: Unix ms by the server's clock, as far as the device knows it

	Event    ReportEvent // e
	State    PlayState   // sta
	Format   string      // sf: h for HLS, o for others
	Type     string      // st: ll, low-latency live
	Bitrate  int64       // br
	Top      int64       // tb: the greatest that there is
	Buffer   int64       // bl
	Measured int64       // mtp: what arrived in a second of receiving
	Start    int64       // msd: from the wish to see to the first picture; once, when it is there
	Delay    int64       // ltc: of the picture behind the camera's bytes
	Dropped  int64       // dfa: pictures not shown, since the session began
	Hidden   bool        // bg
	Starved  bool        // bs: it ran dry
	DryMs    int64       // bsd: for how long
	Slack    int64       // dl: the time that half of the pieces were here before they were needed, at least; may be negative

	Reporter    Reporter  // what reports
	Interval    int64     // d: ms that it tells of
	PeerBytes   int64     // pe: by who delivered the copy that was accepted
	SeedBytes   int64     // se
	EdgeBytes   int64     // ed
	OriginBytes int64     // or
	Duplicate   int64     // du: valid bytes that came more than once
	Verified    int64     // ok: pieces
	Rejected    int64     // rj: pieces whose bytes were not what was signed
	FalseBlocks int64     // fb: blocks that were false
	Late        int64     // la: pieces that came after they were needed
	LeastSlack  int64     // s5: dl of all but the worst twentieth
	Stalls      int64     // sc: the picture held 250 ms or longer
	Played      int64     // pl: ms in which the picture moved
	Wanted      int64     // wa: ms in which it should have: it moved, stalled or was to start
	Given       int64     // up: bytes of blocks given to others
	Uplink      int64     // uc: what may be given, kbit/s; 0: no bound was set
	Peers       int64     // pr: connected
	Swaps       int64     // sw: parents that were exchanged
	Signed50    int64     // g5: from ingest's having a piece's first sample to its entry, the median
	Signed95    int64     // g9: and of all but the worst twentieth
	Here50      int64     // h5: from the entry to the piece's being here and verified
	Here95      int64     // h9
	Consent     string    // co: share, download or edge
	Rendition   Rendition // r
	Region      string    // rg
	Class       string    // ua: of the player: browser and kind of device, no more

	Neighbours []Neighbour // com.shoalcast-n: those that gave most
}

// Neighbour is one other peer as a report tells of it.
type Neighbour struct {
	ID      string // the last 8 hexadecimal digits of its id in the swarm, and of its BitTorrent id
	Kind    string // k: peer, seed or edge
	RTT     int64  // t: ms
	Goodput int64  // g: kbit/s that it gave
	Late    int64  // l: blocks of it that came after they were needed
}

// ReportEvent is why a report was sent, in CMCD's words.
type ReportEvent string

const (
	// OnInterval is a report that was due.
	OnInterval ReportEvent = "t"
	// OnState is one at a change of State.
	OnState ReportEvent = "ps"
)

// PlayState is what a player does, in CMCD's words.
type PlayState string

// States of a player.
const (
	Starting  PlayState = "s"
	Playing   PlayState = "p"
	Seeking   PlayState = "k"
	Stalled   PlayState = "r" // CMCD: rebuffering
	Paused    PlayState = "a"
	Waiting   PlayState = "w" // for the stream to go on
	Ended     PlayState = "e"
	Failed    PlayState = "f"
	Quit      PlayState = "q"
	Preparing PlayState = "d" // CMCD: preloading
)

// Reporter is what kind of peer reports.
type Reporter string

// Kinds of reporters.
const (
	ByPage  Reporter = "page"
	ByWatch Reporter = "watch"
	BySeed  Reporter = "seed"
	ByEdge  Reporter = "edge"
)

// Serves reports whether it is a server and no viewer.
func (r Reporter) Serves() bool { return r == BySeed || r == ByEdge }

// Check reports what is wrong with a report, if anything: what is left out where it must
// not be, or what no honest device would say.
func (r *Report) Check() error {
	if !spelt(string(r.Stream), 32, 32, base32Digit) {
		return errors.New("there is no stream's id")
	}
	if !spelt(r.Session, 16, 32, lowerOrDigit) {
		return errors.New("the session's id is not 16 to 32 of a-z and 0-9")
	}
	if !slices.Contains(reporters, string(r.Reporter)) {
		return fmt.Errorf("%q is no kind of reporter", r.Reporter)
	}
	if len(r.Neighbours) > MaxNeighbours {
		return fmt.Errorf("%d neighbours, where %d are the most", len(r.Neighbours), MaxNeighbours)
	}
	for i := range r.Neighbours {
		if err := r.Neighbours[i].check(); err != nil {
			return err
		}
	}
	return nil
}

func (n *Neighbour) check() error {
	if !spelt(n.ID, 8, 8, hexDigit) || n.Kind != "peer" && n.Kind != "seed" && n.Kind != "edge" {
		return errNeighbours
	}
	return nil
}

// spelt reports whether s has from least to most characters, each of which is of a kind. Reports are read by the ten thousand
// a second, which regular expressions would take half of.
func spelt(s string, least, most int, kind func(byte) bool) bool {
	if len(s) < least || len(s) > most {
		return false
	}
	for i := range len(s) {
		if !kind(s[i]) {
			return false
		}
	}
	return true
}

func lowerOrDigit(c byte) bool { return lower(c) || digit(c) }
func base32Digit(c byte) bool  { return lower(c) || c >= '2' && c <= '7' }
func hexDigit(c byte) bool     { return digit(c) || c >= 'a' && c <= 'f' }
func wordByte(c byte) bool     { return lowerOrDigit(c) || c == '-' }
