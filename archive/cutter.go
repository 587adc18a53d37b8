package archive

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

// DefaultWindow is how much media an archive window holds, about.
const DefaultWindow = time.Minute

// Cutter cuts one rendition into archive files while its pieces come. Windows lie on a
// grid of media time, so that whoever begins anywhere cuts at the same places. Not safe
// for concurrent use.
type Cutter struct {
	name      event.StreamName
	rendition event.Rendition
	grid      event.Ticks
	init      func(event.Root) ([]byte, bool)

	window, whole *run
	// markWindow and markWhole are the two as they were before the segment that is
	// under way: what they go back to if it turns out that bytes of it are lost.
	markWindow, markWhole *run
	outside               bool // no segment was begun, or bytes of it are lost
	lost                  int
}

// Cut is a file that is complete, and where a cutter goes on that is restored after it.
type Cut struct {
	File
	Resume json.RawMessage
}

// NewCutter returns a cutter of a rendition of the stream called name, with windows of
// the given length (DefaultWindow if 0). init finds init segments by their root.
func NewCutter(name event.StreamName, r event.Rendition, window time.Duration, init func(event.Root) ([]byte, bool)) *Cutter {
	if window <= 0 {
		window = DefaultWindow
	}
	return &Cutter{name: name, rendition: r, grid: event.TicksOf(window), init: init, outside: true}
}

// Take adds the next verified entry with its piece, which must be what the entry
// signed, or nil for a gap and where the bytes are not to be had: their segment is then
// left out, and no file reaches across it. It returns the files that end before the
// entry. Entries must come in the order of their positions.
func (c *Cutter) Take(e manifest.Entry, data []byte) []Cut {
	var cuts []Cut
	if e.StartsSegment() {
		cuts = c.begin(e)
	} else if !c.outside && !c.follows(e) {
		c.drop()
	}
	switch {
	case c.outside:
	case !e.Gap && data == nil:
		c.drop()
	default:
		c.window.add(e, data)
		c.whole.add(e, data)
	}
	return cuts
}

// End returns the files that end because the epoch does.
func (c *Cutter) End() []Cut {
	cuts := c.cutWhole()
	c.outside = true
	return cuts
}

// Open reports whether a file is under way, and of which epoch.
func (c *Cutter) Open() (event.Epoch, bool) {
	if c.whole == nil {
		return 0, false
	}
	return c.whole.Epoch, true
}

// Lost returns how many segments were left out because of lost bytes.
func (c *Cutter) Lost() int { return c.lost }

// begin prepares for the segment that e is the first entry of.
func (c *Cutter) begin(e manifest.Entry) []Cut {
	var cuts []Cut
	switch {
	case c.whole != nil && (!c.follows(e) || e.Init != c.whole.Init):
		cuts = c.cutWhole()
	case c.window != nil && c.cutsWindow(e):
		cuts = c.cutWindow()
	}
	init, ok := c.init(e.Init)
	if !ok {
		c.lost++
		c.outside = true
		return cuts
	}
	c.markWindow, c.markWhole = c.window.clone(), c.whole.clone()
	if c.whole == nil {
		c.whole = newRun(e, init, 0)
	}
	if c.window == nil {
		c.window = newRun(e, init, c.slot(e))
	}
	c.outside = false
	return cuts
}

// follows reports whether e is the entry after those taken.
func (c *Cutter) follows(e manifest.Entry) bool {
	return e.Epoch == c.whole.Epoch && e.N == c.whole.Last+1
}

// cutsWindow reports whether the window under way ends before the segment that e
// begins: in another slot of the grid, where a decoder can start; in any case before it
// is two slots long.
func (c *Cutter) cutsWindow(e manifest.Entry) bool {
	ahead := c.slot(e) - c.window.Slot
	return ahead != 0 && (e.Key || ahead != 1)
}

// slot is the index of e's segment in the grid, negative before the epoch's zero.
func (c *Cutter) slot(e manifest.Entry) int64 {
	slot := e.PTS / c.grid
	if e.PTS%c.grid < 0 {
		slot--
	}
	return int64(slot)
}

// drop leaves out the segment under way.
func (c *Cutter) drop() {
	c.window, c.whole = c.markWindow, c.markWhole
	c.markWindow, c.markWhole = nil, nil
	c.outside = true
	c.lost++
}

func (c *Cutter) cutWindow() []Cut {
	w := c.window
	c.window = nil
	if w == nil || w.Pieces == 0 {
		return nil
	}
	return []Cut{{w.file(c, manifest.CloseWindow), c.resume()}}
}

func (c *Cutter) cutWhole() []Cut {
	cuts := c.cutWindow()
	w := c.whole
	c.whole = nil
	if w == nil || w.Pieces == 0 {
		return cuts
	}
	return append(cuts, Cut{w.file(c, manifest.CloseEpoch), c.resume()})
}

// resumed is a cutter at rest between two windows.
type resumed struct {
	Whole *run `json:"whole,omitempty"`
}

func (c *Cutter) resume() json.RawMessage {
	b, err := json.Marshal(resumed{c.whole})
	if err != nil { // numbers and hash states always encode
		panic("archive: encode the cutter's state: " + err.Error())
	}
	return b
}

// Restore puts a new cutter where another one was after a Cut.
func (c *Cutter) Restore(resume json.RawMessage) error {
	var r resumed
	if err := json.Unmarshal(resume, &r); err != nil {
		return fmt.Errorf("restore the archive's cutter: %w", err)
	}
	if r.Whole != nil && r.Whole.Builder == nil {
		return fmt.Errorf("restore the archive's cutter: the state has no hashes")
	}
	c.whole = r.Whole
	return nil
}

// run is a file under way.
type run struct {
	Epoch   event.Epoch       `json:"epoch"`
	First   uint64            `json:"first"`
	Last    uint64            `json:"last"`
	At      int64             `json:"at"`
	Dur     event.Ticks       `json:"dur"`
	Init    event.Root        `json:"init"`
	Slot    int64             `json:"slot,omitempty"`
	Pieces  int               `json:"pieces"` // gaps apart
	Builder *metainfo.Builder `json:"builder"`
}

func newRun(e manifest.Entry, init []byte, slot int64) *run {
	r := &run{Epoch: e.Epoch, First: e.N, At: e.At, Init: e.Init, Slot: slot, Builder: metainfo.NewBuilder()}
	_, _ = r.Builder.Write(init) // it never fails
	return r
}

func (r *run) add(e manifest.Entry, data []byte) {
	r.Last = e.N
	r.Dur += e.Dur
	if !e.Gap {
		r.Pieces++
		_, _ = r.Builder.Write(data)
	}
}

func (r *run) clone() *run {
	if r == nil {
		return nil
	}
	c := *r
	c.Builder = r.Builder.Clone()
	return &c
}

func (r *run) file(c *Cutter, kind manifest.CloseKind) File {
	return File{
		Kind: kind, Epoch: r.Epoch, First: r.First, Last: r.Last, At: r.At, Dur: r.Dur, Init: r.Init,
		Window: r.Builder.Window(FileName(c.name, c.rendition, kind, event.Position{Epoch: r.Epoch, N: r.First})),
	}
}
