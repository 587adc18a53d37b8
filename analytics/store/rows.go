package store

import (
	"time"

	"github.com/shoalcast/shoal/event"
)

// Rows is a batch of reports by columns, as ClickHouse takes them. It may be used again after Reset.
type Rows struct {
	received, at, day []time.Time
	seq               []uint64
	clamped           []bool
	words             [len(wordColumns)][]string
	yes               [len(yesColumns)][]bool
	numbers           [len(numberColumns)][]uint32
	signed            [len(signedColumns)][]int32
	bytes             [len(byteColumns)][]uint64
	session           []string
	n                 []uint32

	ids, kinds       [][]string
	rtt, speed, late [][]uint32

	intern map[string]string
}

// Row is a report and what the bus and the sink know of it.
type Row struct {
	event.Report
	Received time.Time // by the bus
	Seq      uint64    // on the bus
	Day      time.Time // on which its visit began; zero: the day of At
	Clamped  bool      // At was put right
}

// wordColumns and those below are columns with the field of a report that each has.
var wordColumns = [...]struct {
	name string
	of   func(*event.Report) string
}{
	{"stream", func(r *event.Report) string { return string(r.Stream) }},
	{"reporter", func(r *event.Report) string { return string(r.Reporter) }},
	{"event", func(r *event.Report) string { return string(r.Event) }},
	{"state", func(r *event.Report) string { return states[r.State] }},
	{"rendition", func(r *event.Report) string { return string(r.Rendition) }},
	{"region", func(r *event.Report) string { return r.Region }},
	{"class", func(r *event.Report) string { return r.Class }},
	{"consent", func(r *event.Report) string { return r.Consent }},
}

var yesColumns = [...]struct {
	name string
	of   func(*event.Report) bool
}{
	{"hidden", func(r *event.Report) bool { return r.Hidden }},
	{"starved", func(r *event.Report) bool { return r.Starved }},
}

var numberColumns = [...]struct {
	name string
	of   func(*event.Report) int64
}{
	{"bitrate_kbps", func(r *event.Report) int64 { return r.Bitrate }},
	{"top_kbps", func(r *event.Report) int64 { return r.Top }},
	{"measured_kbps", func(r *event.Report) int64 { return r.Measured }},
	{"buffer_ms", func(r *event.Report) int64 { return r.Buffer }},
	{"delay_ms", func(r *event.Report) int64 { return r.Delay }},
	{"start_ms", func(r *event.Report) int64 { return r.Start }},
	{"dropped", func(r *event.Report) int64 { return r.Dropped }},
	{"interval_ms", func(r *event.Report) int64 { return r.Interval }},
	{"wanted_ms", func(r *event.Report) int64 { return r.Wanted }},
	{"played_ms", func(r *event.Report) int64 { return r.Played }},
	{"dry_ms", func(r *event.Report) int64 { return r.DryMs }},
	{"stalls", func(r *event.Report) int64 { return r.Stalls }},
	{"uplink_kbps", func(r *event.Report) int64 { return r.Uplink }},
	{"verified", func(r *event.Report) int64 { return r.Verified }},
	{"rejected", func(r *event.Report) int64 { return r.Rejected }},
	{"false_blocks", func(r *event.Report) int64 { return r.FalseBlocks }},
	{"late", func(r *event.Report) int64 { return r.Late }},
	{"peers", func(r *event.Report) int64 { return r.Peers }},
	{"swaps", func(r *event.Report) int64 { return r.Swaps }},
	{"signed50_ms", func(r *event.Report) int64 { return r.Signed50 }},
	{"signed95_ms", func(r *event.Report) int64 { return r.Signed95 }},
	{"here50_ms", func(r *event.Report) int64 { return r.Here50 }},
	{"here95_ms", func(r *event.Report) int64 { return r.Here95 }},
}

var signedColumns = [...]struct {
	name string
	of   func(*event.Report) int64
}{
	{"slack_ms", func(r *event.Report) int64 { return r.Slack }},
	{"least_slack_ms", func(r *event.Report) int64 { return r.LeastSlack }},
}

var byteColumns = [...]struct {
	name string
	of   func(*event.Report) int64
}{
	{"peer_bytes", func(r *event.Report) int64 { return r.PeerBytes }},
	{"seed_bytes", func(r *event.Report) int64 { return r.SeedBytes }},
	{"edge_bytes", func(r *event.Report) int64 { return r.EdgeBytes }},
	{"origin_bytes", func(r *event.Report) int64 { return r.OriginBytes }},
	{"duplicate_bytes", func(r *event.Report) int64 { return r.Duplicate }},
	{"given_bytes", func(r *event.Report) int64 { return r.Given }},
}

// states are CMCD's letters as words.
var states = map[event.PlayState]string{
	event.Starting: "starting", event.Playing: "playing", event.Seeking: "seeking", event.Stalled: "stalled", event.Paused: "paused",
	event.Waiting: "waiting", event.Ended: "ended", event.Failed: "failed", event.Quit: "quit", event.Preparing: "preparing",
}

// maxWords bounds how many different words a batch remembers: of honest ones there are a few dozen.
const maxWords = 4096

// Add adds a row.
func (b *Rows) Add(row *Row) {
	r := &row.Report
	b.received = append(b.received, row.Received)
	at := time.UnixMilli(r.At).UTC()
	b.at = append(b.at, at)
	if row.Day.IsZero() {
		b.day = append(b.day, at)
	} else {
		b.day = append(b.day, row.Day)
	}
	b.seq = append(b.seq, row.Seq)
	b.clamped = append(b.clamped, row.Clamped)
	b.session = append(b.session, r.Session)
	b.n = append(b.n, capped(r.N))
	for i := range wordColumns {
		b.words[i] = append(b.words[i], b.word(wordColumns[i].of(r)))
	}
	for i := range yesColumns {
		b.yes[i] = append(b.yes[i], yesColumns[i].of(r))
	}
	for i := range numberColumns {
		b.numbers[i] = append(b.numbers[i], capped(numberColumns[i].of(r)))
	}
	for i := range signedColumns {
		b.signed[i] = append(b.signed[i], int32(max(min(signedColumns[i].of(r), 1<<31-1), -1<<31)))
	}
	for i := range byteColumns {
		b.bytes[i] = append(b.bytes[i], uint64(byteColumns[i].of(r)))
	}
	b.neighbours(r.Neighbours)
}

func (b *Rows) neighbours(all []event.Neighbour) {
	if len(all) == 0 {
		b.ids, b.kinds = append(b.ids, nil), append(b.kinds, nil)
		b.rtt, b.speed, b.late = append(b.rtt, nil), append(b.speed, nil), append(b.late, nil)
		return
	}
	ids, kinds := make([]string, len(all)), make([]string, len(all))
	numbers := make([]uint32, 3*len(all))
	rtt, speed, late := numbers[:len(all)], numbers[len(all):2*len(all)], numbers[2*len(all):]
	for i, n := range all {
		ids[i], kinds[i] = n.ID, b.word(n.Kind)
		rtt[i], speed[i], late[i] = capped(n.RTT), capped(n.Goodput), capped(n.Late)
	}
	b.ids, b.kinds = append(b.ids, ids), append(b.kinds, kinds)
	b.rtt, b.speed, b.late = append(b.rtt, rtt), append(b.speed, speed), append(b.late, late)
}

// word returns a copy of s that many rows share.
func (b *Rows) word(s string) string {
	if known, ok := b.intern[s]; ok {
		return known
	}
	if b.intern == nil || len(b.intern) >= maxWords {
		b.intern = map[string]string{}
	}
	b.intern[s] = s
	return s
}

// Len is how many rows there are.
func (b *Rows) Len() int { return len(b.seq) }

// Reset empties it, and keeps its memory.
func (b *Rows) Reset() {
	b.received, b.at, b.day, b.seq, b.clamped, b.session, b.n = b.received[:0], b.at[:0], b.day[:0], b.seq[:0], b.clamped[:0], b.session[:0], b.n[:0]
	for i := range b.words {
		b.words[i] = b.words[i][:0]
	}
	for i := range b.yes {
		b.yes[i] = b.yes[i][:0]
	}
	for i := range b.numbers {
		b.numbers[i] = b.numbers[i][:0]
	}
	for i := range b.signed {
		b.signed[i] = b.signed[i][:0]
	}
	for i := range b.bytes {
		b.bytes[i] = b.bytes[i][:0]
	}
	b.ids, b.kinds, b.rtt, b.speed, b.late = b.ids[:0], b.kinds[:0], b.rtt[:0], b.speed[:0], b.late[:0]
}

// column is one column of a batch.
type column struct {
	name   string
	values any
}

func (b *Rows) columns() []column {
	out := []column{
		{"received", b.received},
		{"seq", b.seq},
		{"at", b.at},
		{"day", b.day},
		{"clamped", b.clamped},
		{"session", b.session},
		{"n", b.n},
	}
	for i, c := range wordColumns {
		out = append(out, column{c.name, b.words[i]})
	}
	for i, c := range yesColumns {
		out = append(out, column{c.name, b.yes[i]})
	}
	for i, c := range numberColumns {
		out = append(out, column{c.name, b.numbers[i]})
	}
	for i, c := range signedColumns {
		out = append(out, column{c.name, b.signed[i]})
	}
	for i, c := range byteColumns {
		out = append(out, column{c.name, b.bytes[i]})
	}
	return append(
		out, column{"neighbour_id", b.ids}, column{"neighbour_kind", b.kinds}, column{"neighbour_rtt_ms", b.rtt},
		column{"neighbour_kbps", b.speed}, column{"neighbour_late", b.late},
	)
}

func capped(n int64) uint32 { return uint32(min(uint64(n), 1<<32-1)) }
