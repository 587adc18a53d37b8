package view

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/peer"
)

// Info is what does not change from line to line.
type Info struct {
	Name    event.StreamName
	Page    string // where it is watched from
	Players string // the address for players; empty: none are served
	Output  string // what is written; empty: nothing
	Notice  string // what was logged last, for people
	UpRate  int64  // bit/s that may be given to others; 0: no limit was named
	NoUp    bool   // nothing is given
}

// Style says what a terminal can show.
type Style struct {
	ASCII bool // nothing but printable ASCII
	Color bool
}

// Span is how much of a session the sources are shown of, in seconds. Render wants the
// lines of that long.
const Span = 60

const (
	labelWidth = 9
	maxBar     = 40
	defWidth   = 80
)

// Render draws a session by its lines, oldest first, within width columns and height
// rows; what matters least is left out where there is no room. One row is enough for
// the numbers.
func Render(history []peer.Line, i Info, width, height int, s Style) string {
	if width <= 0 {
		width = defWidth
	}
	d := drawing{info: i, width: width, style: s}
	if len(history) > 0 {
		d.last, d.begun = history[len(history)-1], true
	}
	d.sources = lastSpan(history)
	var rows []row
	if height == 1 {
		rows = []row{{text: d.short()}}
	} else {
		rows = fit(d.rows(), height)
	}
	out := make([]string, len(rows))
	for k, r := range rows {
		out[k] = ansi.Truncate(strings.TrimRight(r.text, " "), width, "")
	}
	return strings.Join(out, "\n")
}

// row is a line of text; those that matter least have the highest rank.
type row struct {
	rank int
	text string
}

// fit leaves out what matters least until height rows are left.
func fit(rows []row, height int) []row {
	for height > 0 && len(rows) > height {
		least := len(rows) - 1
		for k := len(rows) - 1; k >= 0; k-- {
			if rows[k].rank > rows[least].rank {
				least = k
			}
		}
		rows = slices.Delete(rows, least, least+1)
	}
	return rows
}

type drawing struct {
	info    Info
	width   int
	style   Style
	last    peer.Line
	begun   bool
	sources sources
}

// Ranks of rows, from what is never left out.
const (
	always = iota
	numbers
	source
	counts
	address
	notice
	key
	title
	space
)

func (d *drawing) rows() []row {
	l := d.last
	rows := []row{
		{title, d.title()},
		{space, ""},
		{always, d.state()},
		{numbers, d.labelled("delay", d.delay())},
		{numbers, d.labelled("buffer", seconds(l.BufferMS)+" ahead")},
		{counts, d.labelled("pieces", fmt.Sprintf("%s verified, %s rejected", count(l.PiecesVerified), d.bad(l.PiecesRejected)))},
		{counts, d.labelled("stalls", d.stalls())},
		{space, ""},
	}
	rows = append(rows, d.bars()...)
	rows = append(rows,
		row{space, ""},
		row{counts, d.labelled("peers", count(l.Peers)+" connected")},
		row{counts, d.labelled("upload", d.upload())},
	)
	if d.info.Players != "" {
		rows = append(rows, row{address, d.address("players", d.info.Players)})
	}
	if d.info.Output != "" {
		rows = append(rows, row{address, d.labelled("output", clean(d.info.Output, d.style)+", "+clock(l.WrittenMS/1000)+" written")})
	}
	if d.info.Notice != "" {
		rows = append(rows, row{notice, d.labelled("notice", d.color("3", clean(d.info.Notice, d.style)))})
	}
	return append(rows, row{space, ""}, row{key, d.faint("q quits")})
}

func (d *drawing) title() string {
	name := "Shoal " + d.sign("·", "-") + " " + clean(string(d.info.Name), d.style)
	page := d.either("  "+clean(d.info.Page, d.style), "", d.width-ansi.StringWidth(name))
	return d.bold(name) + page
}

// either returns text if room columns hold it, and else shorter.
func (d *drawing) either(text, shorter string, room int) string {
	if ansi.StringWidth(text) > room {
		return shorter
	}
	return text
}

// address keeps what is to be copied whole as long as it can.
func (d *drawing) address(label, text string) string {
	text = clean(text, d.style)
	return d.either(d.labelled(label, text), text, d.width)
}

// short is all of it in one row.
func (d *drawing) short() string {
	if !d.begun {
		return "joining"
	}
	l := d.last
	parts := []string{
		fmt.Sprintf("%-10s delay %s", l.State, seconds(l.DelayNow)),
	}
	for _, s := range d.sources.parts {
		if s.percent > 0 {
			parts = append(parts, fmt.Sprintf("%s %d%%", s.name, s.percent))
		}
	}
	parts = append(parts, fmt.Sprintf("%s verified", count(l.PiecesVerified)))
	if l.PiecesRejected > 0 {
		parts = append(parts, count(l.PiecesRejected)+" rejected")
	}
	return strings.Join(append(parts, fmt.Sprintf("%d stalls", l.Stalls), fmt.Sprintf("%d peers", l.Peers)), "  ")
}

// meanings say in words what a state is.
var meanings = map[peer.State]struct{ color, words string }{
	peer.Verified:   {"2", "every piece is signed by the key in your link"},
	peer.Consistent: {"6", "signed by the key that was seen first; your link names none"},
	peer.Stale:      {"3", "nothing newer has come for a while"},
	peer.Offline:    {"4", "nobody publishes; waiting"},
	peer.Broken:     {"1", "something did not match the creator's key"},
}

func (d *drawing) state() string {
	if !d.begun {
		return d.labelled("state", "joining")
	}
	m := meanings[d.last.State]
	at := clock(int64(d.last.T))
	words := d.either(m.words+", for "+at, at, d.width-labelWidth-len(d.last.State)-2)
	return d.labelled("state", d.color(m.color, string(d.last.State))+"  "+words)
}

func (d *drawing) delay() string {
	if d.last.DelayNow == 0 && d.last.DelayMS == (peer.Delay{}) {
		return "not playing yet"
	}
	now, p95 := seconds(d.last.DelayNow)+" now, ", seconds(d.last.DelayMS.P95)+" p95"
	return d.either(now+seconds(d.last.DelayMS.P50)+" median, "+p95, now+p95, d.width-labelWidth)
}

func (d *drawing) stalls() string {
	if d.last.Stalls == 0 {
		return "none"
	}
	return fmt.Sprintf("%s, %s in all", count(d.last.Stalls), seconds(d.last.StalledMS))
}

func (d *drawing) upload() string {
	if d.info.NoUp {
		return "off"
	}
	given := fmt.Sprintf("%s given, %s now", size(d.last.Upload), bitrate(d.last.Up))
	if d.info.UpRate == 0 {
		return given
	}
	return d.either(given+", at most "+bitrate(d.info.UpRate), given, d.width-labelWidth)
}

// bars draws who delivered what was verified in the last minute.
func (d *drawing) bars() []row {
	rate := ""
	if d.sources.ticks > 0 && d.sources.total > 0 {
		rate = ", " + bitrate(int64(float64(d.sources.total*8)/d.sources.ticks))
	}
	rows := []row{{notice, d.labelled("sources", "of the last minute"+rate)}}
	full, empty := d.sign("█", "#"), d.sign("░", ".")
	width := min(maxBar, max(4, d.width-labelWidth-len("  100 %  999.9 MB")))
	for _, s := range d.sources.parts {
		filled := (s.percent*width + 50) / 100
		if filled == 0 && s.bytes > 0 {
			filled = 1
		}
		bar := d.color(s.color, strings.Repeat(full, filled)) + d.faint(strings.Repeat(empty, width-filled))
		rows = append(rows, row{source, d.labelled("  "+s.name, fmt.Sprintf("%s  %3d %%  %s", bar, s.percent, size(s.bytes)))})
	}
	return rows
}

// sources are the verified bytes of a while, by who delivered them.
type sources struct {
	parts []part
	total int64
	ticks float64 // seconds
}

type part struct {
	name, color string
	bytes       int64
	percent     int // all of them make 100, unless nothing came
}

// lastSpan returns what came in the newest Span seconds of history.
func lastSpan(history []peer.Line) sources {
	var from, to peer.Line // from the session's beginning
	if len(history) > 0 {
		to = history[len(history)-1]
		if to.T > Span {
			from = history[0]
		}
		for _, l := range history {
			if l.T <= to.T-Span {
				from = l
			}
		}
	}
	s := sources{ticks: to.T - from.T, parts: []part{
		{name: "peer", color: "2", bytes: to.Bytes.Peer - from.Bytes.Peer},
		{name: "seed", color: "6", bytes: to.Bytes.Seed - from.Bytes.Seed},
		{name: "edge", color: "4", bytes: to.Bytes.Edge - from.Bytes.Edge},
		{name: "origin", color: "3", bytes: to.Bytes.Origin - from.Bytes.Origin},
	}}
	for _, p := range s.parts {
		s.total += p.bytes
	}
	var sum int64
	before := 0
	for k := range s.parts {
		sum += s.parts[k].bytes
		if s.total > 0 {
			upTo := int((sum*200 + s.total) / (2 * s.total))
			s.parts[k].percent, before = upTo-before, upTo
		}
	}
	return s
}

func (d *drawing) labelled(label, text string) string {
	return d.faint(fmt.Sprintf("%-*s", labelWidth, label)) + text
}

func (d *drawing) sign(unicode, ascii string) string {
	if d.style.ASCII {
		return ascii
	}
	return unicode
}

func (d *drawing) color(c, text string) string {
	if !d.style.Color || text == "" {
		return text
	}
	return lipgloss.NewStyle().Foreground(lipgloss.Color(c)).Render(text)
}

func (d *drawing) faint(text string) string {
	if !d.style.Color || text == "" {
		return text
	}
	return lipgloss.NewStyle().Faint(true).Render(text)
}

func (d *drawing) bold(text string) string {
	if !d.style.Color {
		return text
	}
	return lipgloss.NewStyle().Bold(true).Render(text)
}

func (d *drawing) bad(n int64) string {
	if n == 0 {
		return "0"
	}
	return d.color("1", count(n))
}

// clean keeps what others wrote from steering the terminal.
func clean(text string, s Style) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || s.ASCII && r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, text)
}

func seconds(ms int64) string { return fmt.Sprintf("%.2f s", float64(ms)/1000) }

// clock writes seconds as h:mm:ss.
func clock(s int64) string {
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// count writes a number with its thousands apart.
func count(n int64) string {
	text := fmt.Sprint(n)
	for at := len(text) - 3; at > 0 && text[at-1] != '-'; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

func size(n int64) string { return scaled(n, "B", "kB", "MB", "GB", "TB") }

func bitrate(n int64) string { return scaled(n, "bit/s", "kbit/s", "Mbit/s", "Gbit/s", "Tbit/s") }

func scaled(n int64, units ...string) string {
	v, u := float64(n), 0
	for v >= 999.95 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	if u == 0 {
		return fmt.Sprintf("%d %s", n, units[0])
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// Trim drops the lines that Render does not need any more.
func Trim(history []peer.Line) []peer.Line {
	if len(history) == 0 {
		return history
	}
	until := history[len(history)-1].T - Span
	drop := 0
	for drop+1 < len(history) && (history[drop+1].T <= until || len(history)-drop > maxLines) {
		drop++
	}
	return slices.Delete(history, 0, drop)
}

// maxLines bounds the lines that are kept, however often they come.
const maxLines = 10 * Span
