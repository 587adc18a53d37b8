package store

import (
	"time"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/shoalcast/shoal/event"
)

// Rows is a batch of reports by columns, as ClickHouse takes them. It may be used again after Reset. Nothing in it keeps the
// reports alive that it was made of.
type Rows struct {
	received, at proto.ColDateTime64
	day          proto.ColDate
	seq          proto.ColUInt64
	clamped      proto.ColBool
	session      proto.ColStr
	n            proto.ColUInt32
	words        [len(wordColumns)]words
	yes          [len(yesColumns)]proto.ColBool
	numbers      [len(numberColumns)]proto.ColUInt32
	signed       [len(signedColumns)]proto.ColInt32
	bytes        [len(byteColumns)]proto.ColUInt64

	// Of neighbours, all of them, and where each row's end.
	ids, kinds       proto.ColStr
	rtt, speed, late proto.ColUInt32
	ends             proto.ColUInt64
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

// Add adds a row.
func (b *Rows) Add(row *Row) {
	r := &row.Report
	day := row.Day
	if day.IsZero() {
		day = time.UnixMilli(r.At).UTC()
	}
	b.received.AppendRaw(proto.DateTime64(row.Received.UnixNano()))
	b.at.AppendRaw(proto.DateTime64(r.At))
	b.day.Append(day)
	b.seq.Append(row.Seq)
	b.clamped.Append(row.Clamped)
	b.session.Append(r.Session)
	b.n.Append(capped(r.N))
	for i := range wordColumns {
		b.words[i].add(wordColumns[i].of(r))
	}
	for i := range yesColumns {
		b.yes[i].Append(yesColumns[i].of(r))
	}
	for i := range numberColumns {
		b.numbers[i].Append(capped(numberColumns[i].of(r)))
	}
	for i := range signedColumns {
		b.signed[i].Append(int32(max(min(signedColumns[i].of(r), 1<<31-1), -1<<31)))
	}
	for i := range byteColumns {
		b.bytes[i].Append(uint64(byteColumns[i].of(r)))
	}
	for i := range r.Neighbours {
		n := &r.Neighbours[i]
		b.ids.Append(n.ID)
		b.kinds.Append(n.Kind)
		b.rtt.Append(capped(n.RTT))
		b.speed.Append(capped(n.Goodput))
		b.late.Append(capped(n.Late))
	}
	b.ends.Append(uint64(b.ids.Rows()))
}

// Len is how many rows there are.
func (b *Rows) Len() int { return len(b.seq) }

// Reset empties it, and keeps its memory.
func (b *Rows) Reset() {
	b.columns().Reset()
}

// columns are all, by the names that they have in the table.
func (b *Rows) columns() proto.Input {
	out := proto.Input{
		{Name: "received", Data: b.received.WithPrecision(proto.PrecisionNano)},
		{Name: "seq", Data: &b.seq},
		{Name: "at", Data: b.at.WithPrecision(proto.PrecisionMilli)},
		{Name: "day", Data: &b.day},
		{Name: "clamped", Data: &b.clamped},
		{Name: "session", Data: &b.session},
		{Name: "n", Data: &b.n},
	}
	for i, c := range wordColumns {
		out = append(out, proto.InputColumn{Name: c.name, Data: &b.words[i]})
	}
	for i, c := range yesColumns {
		out = append(out, proto.InputColumn{Name: c.name, Data: &b.yes[i]})
	}
	for i, c := range numberColumns {
		out = append(out, proto.InputColumn{Name: c.name, Data: &b.numbers[i]})
	}
	for i, c := range signedColumns {
		out = append(out, proto.InputColumn{Name: c.name, Data: &b.signed[i]})
	}
	for i, c := range byteColumns {
		out = append(out, proto.InputColumn{Name: c.name, Data: &b.bytes[i]})
	}
	for _, c := range []struct {
		name string
		of   proto.Column
	}{
		{"neighbour_id", &b.ids},
		{"neighbour_kind", &b.kinds},
		{"neighbour_rtt_ms", &b.rtt},
		{"neighbour_kbps", &b.speed},
		{"neighbour_late", &b.late},
	} {
		out = append(out, proto.InputColumn{Name: c.name, Data: &lists{ends: &b.ends, of: c.of}})
	}
	return out
}

func capped(n int64) uint32 { return uint32(min(uint64(n), 1<<32-1)) }
