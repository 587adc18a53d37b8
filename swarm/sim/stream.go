package sim

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/manifest"
	"github.com/shoalcast/shoal/swarm"
)

const (
	streamID = event.StreamID("abcdefghijklmnopqrstuvwxyz234567")
	epoch    = event.Epoch(1_790_000_000_000)
	// signing is what passes from the end of a piece until a seed has it signed.
	signing = 30 * time.Millisecond
	unevens = 10 * time.Millisecond // at most, and on top
)

// stream is what is published: every piece that there will be, and when a seed has it.
type stream struct {
	dur    time.Duration // of a piece
	before time.Duration // media that was published before time 0
	heads  []*swarm.Head
	forged []*swarm.Head // the same, forged
	ready  []time.Duration
	key    []bool
	zero   []byte // every true block is a part of it
	lie    []byte // and every false one of this
}

func keyShare(o *Options) float64 {
	per := float64(o.GOP / o.Piece)
	return min(o.KeySize, 1+(per-1)/2)
}

func largest(o *Options) int64 {
	return int64(1.2 * keyShare(o) * float64(o.Bitrate) / 8 * o.Piece.Seconds())
}

func newStream(o *Options) *stream {
	r := rand.New(rand.NewPCG(o.Random, 0x73))
	per := max(1, int(o.GOP/o.Piece))
	s := &stream{dur: o.Piece, before: (o.GOP*2 + 4*time.Second).Truncate(o.Piece)}
	count := int((o.end()+s.before)/o.Piece) + 2
	size := largest(o) + 1
	s.zero, s.lie = make([]byte, size), make([]byte, size)
	mean := float64(o.Bitrate) / 8 * o.Piece.Seconds()
	keyed := keyShare(o)
	rest := 1.0
	if per > 1 {
		rest = (float64(per) - keyed) / float64(per-1)
	}
	for n := range count {
		scale := rest
		if n%per == 0 {
			scale = keyed
		}
		scale *= 0.85 + 0.3*r.Float64()
		gap := n%per != 0 && r.Float64() < o.Gaps
		e := manifest.Entry{
			V: 1, Stream: streamID, R: event.Source, Epoch: epoch, N: uint64(n),
			Issued: int64(epoch) + int64(n)*o.Piece.Milliseconds(), At: int64(epoch) + int64(n-1)*o.Piece.Milliseconds(),
			MSN: uint64(n / per), Part: uint64(n % per), Key: n%per == 0,
			PTS: event.TicksOf(time.Duration(n) * o.Piece), Dur: event.TicksOf(o.Piece),
			Size: max(1, int64(mean*scale)), Prev: event.Digest{1, byte(n)},
		}
		if e.Part == 0 {
			e.Seg, e.Target, e.Init, e.Session = e.MSN, e.Dur, event.Root{2}, event.Digest{3}
		}
		if n == 0 {
			e.Prev = e.Session
		}
		if gap {
			e.Gap, e.Size = true, 0
		}
		h := headOf(e)
		forged := *h
		s.heads, s.forged = append(s.heads, h), append(s.forged, &forged)
		s.key = append(s.key, e.Key)
		s.ready = append(s.ready, s.base(n)+time.Duration(r.Int64N(int64(unevens))))
	}
	return s
}

// headOf makes the head of an entry, as long as a real one; of an entry that no creator may
// sign, a segment of a minute say, it is as long as what has to travel whole. No leaf is a
// block's hash, and nothing is signed.
func headOf(e manifest.Entry) *swarm.Head {
	leaves := make([][32]byte, (e.Size+event.BlockSize-1)/event.BlockSize)
	for i := range leaves {
		leaves[i] = [32]byte{1, byte(i)}
	}
	e.Root = manifest.RootOfLeaves(leaves)
	h := &swarm.Head{Entry: e, Leaves: leaves}
	payload, err := json.Marshal(e)
	if err != nil {
		return h // an entry has no member that cannot be written
	}
	env := manifest.Envelope{Payload: payload, KeyID: hex.EncodeToString(h.KeyID[:]), Sig: h.Sig[:]}
	if signed, err := swarm.HeadOf(manifest.Signed{Entry: e, Envelope: env}, leaves); err == nil {
		return signed
	}
	return h // nor a signature of another length
}

// base is when piece n is published, give or take.
func (s *stream) base(n int) time.Duration {
	return time.Duration(n+1)*s.dur - s.before + signing
}

// at returns the number of the first piece whose base is not before t.
func (s *stream) at(t time.Duration) int {
	n := int((t - s.base(0) + s.dur - 1) / s.dur)
	return min(max(n, 0), len(s.heads)-1)
}

// newestKey returns the newest keyframe's piece that is ready at t.
func (s *stream) newestKey(t time.Duration) int {
	n := min(s.at(t)+1, len(s.heads)-1)
	for n > 0 && (!s.key[n] || s.ready[n] > t) {
		n--
	}
	return n
}

func number(k swarm.Key) int { return int(k.N) }

// verifier tells true from false by where bytes lie, at no cost.
type verifier struct{ s *stream }

var errForged = errors.New("a forged head")

func (v verifier) OpenHead(h *swarm.Head) error {
	if n := h.Entry.N; n >= uint64(len(v.s.heads)) || v.s.heads[n] != h {
		return errForged
	}
	return nil
}

func (v verifier) Block(h *swarm.Head, i int, data []byte) bool {
	return len(data) == h.BlockLen(i) && len(data) > 0 && &data[0] != &v.s.lie[0]
}

func (v verifier) Init(event.Root, []byte) bool   { return true }
func (v verifier) AddRecord([]byte) (bool, error) { return false, nil }
func (v verifier) Records() [][]byte              { return nil }
