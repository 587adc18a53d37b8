package event

import (
	"fmt"
	"slices"
)

// shape says how a value of a report is written (RFC 9651).
type shape uint8

const (
	whole  shape = iota // an integer that is not negative
	signed              // any integer
	listed              // an inner list with one integer, as CMCD has what may be of several kinds
	truth               // there, or not
	token
	text
)

// maxWhole is the greatest integer that a report may have (RFC 9651, 3.3.1).
const maxWhole = 999_999_999_999_999

// field is one value of a report.
type field struct {
	key    string
	shape  shape
	number func(*Report) *int64
	yes    func(*Report) *bool
	word   func(*Report) *string
	must   []string // what a token may be; none: any
	needed bool     // written though it is 0
}

// Keys whose values are more than one field.
const (
	versionKey    = "v" // of CMCD; of our part, among its parameters
	cmcdVersion   = 2
	ownKey        = "com.shoalcast-r" // the reporter, with our fields as its parameters
	neighboursKey = "com.shoalcast-n"
)

// cmcd are CMCD's fields, in the order in which they are written: CTA-5004-A wants keys sorted.
// What is ours comes between cid and dfa.
var cmcd = []field{
	{key: "bg", shape: truth, yes: func(r *Report) *bool { return &r.Hidden }},
	{key: "bl", shape: listed, number: func(r *Report) *int64 { return &r.Buffer }},
	{key: "br", shape: listed, number: func(r *Report) *int64 { return &r.Bitrate }},
	{key: "bs", shape: truth, yes: func(r *Report) *bool { return &r.Starved }},
	{key: "bsd", shape: listed, number: func(r *Report) *int64 { return &r.DryMs }},
	{key: "cid", shape: text, word: func(r *Report) *string { return (*string)(&r.Stream) }},
	{key: "dfa", shape: whole, number: func(r *Report) *int64 { return &r.Dropped }},
	{key: "dl", shape: signed, number: func(r *Report) *int64 { return &r.Slack }},
	{key: "e", shape: token, word: func(r *Report) *string { return (*string)(&r.Event) }, must: []string{"t", "ps"}},
	{key: "ltc", shape: whole, number: func(r *Report) *int64 { return &r.Delay }},
	{key: "msd", shape: whole, number: func(r *Report) *int64 { return &r.Start }},
	{key: "mtp", shape: listed, number: func(r *Report) *int64 { return &r.Measured }},
	{key: "sf", shape: token, word: func(r *Report) *string { return &r.Format }, must: []string{"h", "o"}},
	{key: "sid", shape: text, word: func(r *Report) *string { return &r.Session }},
	{key: "sn", shape: whole, number: func(r *Report) *int64 { return &r.N }, needed: true},
	{key: "st", shape: token, word: func(r *Report) *string { return &r.Type }, must: []string{"ll"}},
	{key: "sta", shape: token, word: func(r *Report) *string { return (*string)(&r.State) }, must: []string{"s", "p", "k", "r", "a", "w", "e", "f", "q", "d"}},
	{key: "tb", shape: listed, number: func(r *Report) *int64 { return &r.Top }},
	{key: "ts", shape: whole, number: func(r *Report) *int64 { return &r.At }},
}

// ownAfter is how many of cmcd are written before our part.
const ownAfter = 6

// own are the parameters of our part.
var own = []field{
	{key: "d", shape: whole, number: func(r *Report) *int64 { return &r.Interval }},
	{key: "pe", shape: whole, number: func(r *Report) *int64 { return &r.PeerBytes }},
	{key: "se", shape: whole, number: func(r *Report) *int64 { return &r.SeedBytes }},
	{key: "ed", shape: whole, number: func(r *Report) *int64 { return &r.EdgeBytes }},
	{key: "or", shape: whole, number: func(r *Report) *int64 { return &r.OriginBytes }},
	{key: "du", shape: whole, number: func(r *Report) *int64 { return &r.Duplicate }},
	{key: "ok", shape: whole, number: func(r *Report) *int64 { return &r.Verified }},
	{key: "rj", shape: whole, number: func(r *Report) *int64 { return &r.Rejected }},
	{key: "fb", shape: whole, number: func(r *Report) *int64 { return &r.FalseBlocks }},
	{key: "la", shape: whole, number: func(r *Report) *int64 { return &r.Late }},
	{key: "s5", shape: signed, number: func(r *Report) *int64 { return &r.LeastSlack }},
	{key: "sc", shape: whole, number: func(r *Report) *int64 { return &r.Stalls }},
	{key: "pl", shape: whole, number: func(r *Report) *int64 { return &r.Played }},
	{key: "wa", shape: whole, number: func(r *Report) *int64 { return &r.Wanted }},
	{key: "up", shape: whole, number: func(r *Report) *int64 { return &r.Given }},
	{key: "uc", shape: whole, number: func(r *Report) *int64 { return &r.Uplink }},
	{key: "pr", shape: whole, number: func(r *Report) *int64 { return &r.Peers }},
	{key: "sw", shape: whole, number: func(r *Report) *int64 { return &r.Swaps }},
	{key: "g5", shape: whole, number: func(r *Report) *int64 { return &r.Signed50 }},
	{key: "g9", shape: whole, number: func(r *Report) *int64 { return &r.Signed95 }},
	{key: "h5", shape: whole, number: func(r *Report) *int64 { return &r.Here50 }},
	{key: "h9", shape: whole, number: func(r *Report) *int64 { return &r.Here95 }},
	{key: "co", shape: token, word: func(r *Report) *string { return &r.Consent }, must: []string{"share", "download", "edge"}},
	{key: "r", shape: token, word: func(r *Report) *string { return (*string)(&r.Rendition) }},
	{key: "rg", shape: token, word: func(r *Report) *string { return &r.Region }},
	{key: "ua", shape: token, word: func(r *Report) *string { return &r.Class }},
}

var cmcdByKey, ownByKey = byKey(cmcd), byKey(own)

func byKey(fields []field) map[string]*field {
	out := make(map[string]*field, len(fields))
	for i := range fields {
		out[fields[i].key] = &fields[i]
	}
	return out
}

// neighbourFields are the numbers among a neighbour's parameters.
var neighbourFields = []struct {
	key    string
	number func(*Neighbour) *int64
}{
	{"t", func(n *Neighbour) *int64 { return &n.RTT }},
	{"g", func(n *Neighbour) *int64 { return &n.Goodput }},
	{"l", func(n *Neighbour) *int64 { return &n.Late }},
}

// reporters are the values of ownKey.
var reporters = []string{string(ByPage), string(ByWatch), string(BySeed), string(ByEdge)}

// put takes a value that was read into a field.
func (f *field) put(r *Report, v value) error {
	switch f.shape {
	case truth:
		if v.shape != truth {
			return fmt.Errorf("%s is not true or false", f.key)
		}
		*f.yes(r) = v.yes
	case whole, signed, listed:
		if v.shape != whole || v.n < 0 && f.shape != signed {
			return fmt.Errorf("%s is no number that it can be", f.key)
		}
		*f.number(r) = v.n
	case token, text:
		if v.shape != f.shape {
			return fmt.Errorf("%s is no word that it can be", f.key)
		}
		if err := f.checkWord(v.s); err != nil {
			return err
		}
		*f.word(r) = v.s
	}
	return nil
}

func (f *field) checkWord(s string) error {
	switch {
	case f.must != nil && !slices.Contains(f.must, s):
		return fmt.Errorf("%s is no word that it can be", f.key)
	case f.shape == token && f.must == nil && (!spelt(s, 1, 32, wordByte) || !lower(s[0])):
		return fmt.Errorf("%s is not a short word", f.key)
	}
	return nil
}
