package swarm

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
)

var (
	// ErrLeaves means that a head's block hashes are not those of the piece that was signed.
	ErrLeaves = errors.New("the block hashes do not belong to the signed root")
	// ErrRecord means that bytes are neither a rotation nor a session record.
	ErrRecord = errors.New("no session or rotation record")
)

// Trusted is the Verifier of what a creator signed. What it accepts is held against all
// that it accepted before, one chain a rendition; it may come in any order. It belongs to
// the goroutine that runs its Node.
type Trusted struct {
	trust   *manifest.Trust
	chains  []renditionChain
	opened  opened
	records records
	forks   forks
}

type renditionChain struct {
	r event.Rendition
	c *manifest.Chain
}

// NewTrusted returns a verifier of the stream that trust knows, which others may share
// and add to. Records passes on only what was taken in by AddRecord.
func NewTrusted(trust *manifest.Trust) *Trusted { return &Trusted{trust: trust} }

// OpenHead checks a head by its form, stream, session, signature and issue, its leaves
// against the signed root, and its links to those around it. One that was opened before
// costs a hash. Errors that are not ErrNeedRecords or ErrStale blame whoever sent the
// head. Forks, broken links and members of a later version that are critical are
// ErrStale too, beside what they are by themselves: the sender may have taken them in
// good faith.
func (t *Trusted) OpenHead(h *Head) error {
	id := idOf(h)
	if known := t.opened.find(id); known != nil {
		h.Entry, h.members = known.Entry, known.members
		return nil
	}
	e, err := t.open(h)
	if err != nil {
		return err
	}
	if err := t.link(h, e); err != nil {
		return err
	}
	h.Entry = e
	h.shorten()
	t.opened.add(id, h)
	return nil
}

// open checks what a head says by itself.
func (t *Trusted) open(h *Head) (manifest.Entry, error) {
	env := h.Envelope()
	e, err := t.trust.Open(env)
	switch {
	case errors.Is(err, manifest.ErrUnknownSession), errors.Is(err, manifest.ErrSuperseded) && !t.judges(env):
		return e, fmt.Errorf("%w: %w", ErrNeedRecords, err)
	case errors.Is(err, manifest.ErrCritical):
		return e, blameless{err}
	case err != nil:
		return e, err
	case len(h.Leaves) != blocksOf(e.Size) || manifest.RootOfLeaves(h.Leaves) != e.Root:
		return e, fmt.Errorf("open head %s: %w", e.Position(), ErrLeaves)
	}
	return e, nil
}

// judges reports whether any session is known to be in force where an entry is.
func (t *Trusted) judges(env manifest.Envelope) bool {
	e, err := manifest.DecodeEntry(env)
	if err != nil {
		return true
	}
	_, _, ok := t.trust.SessionAt(e.Position())
	return ok
}

// link holds a genuine entry against its rendition's others.
func (t *Trusted) link(h *Head, e manifest.Entry) error {
	c := t.chain(e)
	if c == nil {
		return fmt.Errorf("open head %s: %w", e.Position(), ErrStale)
	}
	err := c.Check(e, h.Payload)
	var fork *manifest.ForkError
	switch {
	case err == nil:
		return nil
	case errors.Is(err, manifest.ErrOutsideWindow):
		return fmt.Errorf("%w: %w", ErrStale, err)
	case errors.As(err, &fork):
		t.forks.add(h, e, fork, &t.opened)
	}
	return blameless{err}
}

// chain returns the chain that an entry belongs to; nil where others are all newer and
// there is no room.
func (t *Trusted) chain(e manifest.Entry) *manifest.Chain {
	oldest, at := 0, e.Position()
	for i, c := range t.chains {
		if c.r == e.R {
			return c.c
		}
		if newest, _, _ := c.c.Newest(); newest.Position().Before(at) {
			oldest, at = i, newest.Position()
		}
	}
	fresh := renditionChain{e.R, &manifest.Chain{}}
	switch {
	case len(t.chains) < maxTracks:
		t.chains = append(t.chains, fresh)
	case at == e.Position():
		return nil
	default:
		t.chains[oldest] = fresh
	}
	return fresh.c
}

// Block reports whether data is block i of the opened head's piece.
func (t *Trusted) Block(h *Head, i int, data []byte) bool {
	return i >= 0 && i < len(h.Leaves) && len(data) == h.BlockLen(i) && manifest.VerifyBlock(h.Leaves, i, data)
}

// Init reports whether data is the init segment with this root.
func (t *Trusted) Init(root event.Root, data []byte) bool {
	return len(data) > 0 && len(data) <= MaxInit && manifest.RootOf(data) == root
}

// blameless is an error about a head that may have been sent in good faith.
type blameless struct{ error }

func (b blameless) Unwrap() error        { return b.error }
func (b blameless) Is(target error) bool { return target == ErrStale }

// opened remembers the newest heads that were opened, so that another who pushes the
// same costs no signature check, and forks can be proven.
type opened struct {
	byID map[headID]int // in ring
	ring []openedHead
	next int
}

type openedHead struct {
	id   headID
	head *Head
}

type headID [32]byte

const maxOpened = 256

// idOf is a digest of everything in a head that a sender chooses.
func idOf(h *Head) (id headID) {
	sum := sha256.New()
	var size [4]byte
	binary.BigEndian.PutUint32(size[:], uint32(len(h.Payload)))
	sum.Write(size[:])
	sum.Write(h.Payload)
	sum.Write(h.Sig[:])
	sum.Write(h.KeyID[:])
	for i := range h.Leaves {
		sum.Write(h.Leaves[i][:])
	}
	sum.Sum(id[:0])
	return id
}

func (o *opened) find(id headID) *Head {
	i, ok := o.byID[id]
	if !ok {
		return nil
	}
	return o.ring[i].head
}

func (o *opened) add(id headID, h *Head) {
	if o.byID == nil {
		o.byID = make(map[headID]int, maxOpened)
	}
	if len(o.ring) < maxOpened {
		o.byID[id] = len(o.ring)
		o.ring = append(o.ring, openedHead{id, h})
		return
	}
	delete(o.byID, o.ring[o.next].id)
	o.byID[id] = o.next
	o.ring[o.next] = openedHead{id, h}
	o.next = (o.next + 1) % maxOpened
}

// forget makes everything be judged anew, by records that came since.
func (o *opened) forget() { clear(o.byID) }
