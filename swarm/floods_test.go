package swarm

import (
	"math"
	"net/netip"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// source is a viewer that has pieces of 4 × 16 KiB and uploads without a bound.
func (r *rig) source(pieces int) *rigNode {
	n := r.viewer(Unlimited)
	for i := range pieces {
		h := rigPiece(i, 64<<10)
		n.Add(r.now, h, rigData(h), FromOrigin)
		r.take(n)
	}
	return n
}

func TestEachKindOfControlMessageFloodsOnlyItsSenderOut(t *testing.T) {
	var all Mask
	for i := range MaxBlocks {
		all.Set(i)
	}
	hints := make([]Hint, MaxHints)
	for i := range hints {
		hints[i] = Hint{ID: PeerID{7, byte(i)}, Addr: netip.MustParseAddrPort("10.0.0.1:80")}
	}
	for name, m := range map[string]Message{
		"have": &Have{Key: key(3), Count: 1}, "want": &Want{key(3), all}, "cancel": &Cancel{key(3), all}, "deny": &Deny{key(3), all},
		"get heads": &GetHeads{key(0), MaxHeads}, "subscribe": &Subscribe{R: "v0", Lanes: AllLanes}, "grant": &Grant{R: "v0", Lanes: AllLanes},
		"state": &State{R: "v0"}, "credit": &Credit{Limit: 1}, "ping": &Ping{1}, "pong": &Pong{1}, "peers": &Peers{hints},
		"get records": &GetRecords{}, "get init": &GetInit{event.Root{5}}, "init": &Init{Root: event.Root{5}, Total: 9},
		"head": rigPiece(3, 64<<10), "drain": &Drain{}, "records": &Records{Envelopes: make([][]byte, 9)},
		"signal": &Signal{Body: make([]byte, MaxSignal)},
	} {
		r := newRig(t, 0)
		n := r.source(10)
		n.AddInit(r.now, event.Root{5}, make([]byte, MaxInit))
		honest, f := r.fake(n, 1, Hello{Up: 1000}), r.fake(n, 2, Hello{Up: 1000})
		f.got = nil
		sent, bytes := 0, 0
		for ; sent < 20_000 && !f.dropped; sent++ {
			f.send(m)
		}
		for _, m := range f.got {
			switch m := m.(type) {
			case *Head:
				bytes += m.size()
			case *Init:
				bytes += len(m.Data)
			}
		}
		if !f.dropped || f.why.Bans() {
			t.Errorf("%s: dropped %v for %s after %d at once", name, f.dropped, f.why, sent)
		}
		if bytes > 4<<20 {
			t.Errorf("%s: %d messages were answered with %d bytes", name, sent, bytes)
		}
		if n.most > 200 || len(n.dials) > 64 {
			t.Errorf("%s: up to %d effects at once, %d peers to dial", name, n.most, len(n.dials))
		}
		if honest.dropped || len(honest.got) > 200 {
			t.Errorf("%s: somebody else was dropped (%v) or told %d things", name, honest.dropped, len(honest.got))
		}
	}
}

func TestWhatCannotBeSaidEndsTheConnection(t *testing.T) {
	far := Key{"v0", event.Position{Epoch: 1, N: 1 << 60}}
	for name, m := range map[string]Message{
		"a block of no bytes": &Block{Key: key(0)}, "a block before the first": &Block{Key: key(0), Index: -1, Data: make([]byte, 9)},
		"a block too long": &Block{Key: key(0), Data: make([]byte, event.BlockSize+1)}, "no epoch": &Have{Key{"v0", event.Position{}}, 1},
		"a number too great": &Have{far, 1}, "a run of none": &Have{key(0), 0}, "a run too long": &Have{key(0), MaxRun + 1},
		"too many heads": &GetHeads{key(0), MaxHeads + 1}, "a lane too many": &Subscribe{R: "v0", Lanes: math.MaxUint32},
		"a hello again": &Hello{Version: 1, Stream: rigStream}, "too many hints": &Peers{make([]Hint, MaxHints+1)},
		"before the beginning": &Init{Offset: -1, Total: 9}, "too long a signal": &Signal{Body: make([]byte, MaxSignal+1)},
	} {
		r := newRig(t, 0)
		f := r.fake(r.viewer(10e6), 1, Hello{Up: 1000})
		f.send(m)
		if !f.dropped || f.why != BadMessage {
			t.Errorf("%s: dropped %v for %s", name, f.dropped, f.why)
		}
	}
}

func TestNothingIsHeardBeforeHello(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(1)
	n.next++
	f := &fake{r: r, n: n, conn: n.next}
	n.fakes[f.conn] = f
	n.Connected(r.now, f.conn, Info{})
	r.take(n)
	f.send(&Want{key(0), mask(0)})
	if !f.dropped || len(heard[*Block](f)) > 0 {
		t.Error("somebody without a name is served")
	}
}

func TestAStalledReaderIsSentItsCreditAndNoMoreAndLittleIsQueuedForIt(t *testing.T) {
	r := newRig(t, 0)
	n := r.seed(Unlimited)
	f := r.fake(n, 1, Hello{Up: 100_000})
	f.send(&Subscribe{R: "v0", Lanes: AllLanes})
	for i := range 300 {
		h := rigPiece(i, 200_000)
		n.Add(r.now, h, rigData(h), FromOrigin)
		r.take(n)
		r.run(r.now + 200*time.Millisecond)
		if f.dropped {
			break // silent: it does not even answer pings
		}
		if q := len(n.at(f.conn).queue); q > maxQueue {
			t.Fatalf("%d blocks are queued", q)
		}
	}
	if !f.dropped || f.why != Silent {
		t.Errorf("dropped %v for %s", f.dropped, f.why)
	}
	sum := 0
	for _, b := range heard[*Block](f) {
		sum += len(b.Data)
	}
	if sum > creditStart || sum < creditStart-event.BlockSize {
		t.Errorf("%d bytes were sent on a credit of %d", sum, creditStart)
	}
}

func TestWhoGivesNoCreditKeepsNobodyFromBeingServed(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(8)
	n.SetUp(r.now, 5e6)
	leech, honest := r.fake(n, 1, Hello{}), r.fake(n, 2, Hello{})
	for i := range 8 {
		leech.send(&Want{key(i), mask(0, 1, 2)}) // far beyond its credit, and it never grants more
		r.run(r.now + 200*time.Millisecond)
	}
	honest.send(&Want{key(0), mask(0, 1, 2)})
	r.run(r.now + time.Second)
	if got := len(heard[*Block](honest)); got != 3 {
		t.Errorf("%d of 3 blocks came", got)
	}
	for range 2 {
		r.run(r.now + mostBusy)
		leech.send(&Ping{1})
		honest.send(&Ping{1})
	}
	if q := len(n.at(leech.conn).queue); q > 0 {
		t.Errorf("%d blocks still wait for it", q)
	}
}

func TestCreditIsALimitThatOnlyGrows(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(8)
	f := r.fake(n, 1, Hello{})
	bytes := func() (sum int) {
		for _, b := range heard[*Block](f) {
			sum += len(b.Data)
		}
		return sum
	}
	for i := range 8 {
		f.send(&Want{key(i), mask(0, 1, 2, 3)})
	}
	if got := bytes(); got != 64<<10 {
		t.Errorf("%d bytes on the first credit", got)
	}
	f.send(&Credit{Limit: 0}, &Credit{Limit: 1000})
	if got := bytes(); got != 0 {
		t.Errorf("%d bytes though the credit did not grow", got)
	}
	f.send(&Credit{Limit: 80 << 10})
	if got := bytes(); got != 16<<10 {
		t.Errorf("%d bytes for 16 KiB more", got)
	}
	f.send(&Credit{Limit: math.MaxUint64})
	if got := bytes(); got != 7*64<<10-16<<10 {
		t.Errorf("%d bytes without a limit", got)
	}
	if f.dropped {
		t.Errorf("dropped for %s", f.why)
	}
}

func TestWhoAskedForBlocksThatWaitTooLongIsToldSo(t *testing.T) {
	r := newRig(t, 0)
	n := r.source(1)
	n.SetUp(r.now, 100_000) // each block takes more than a second
	f := r.fake(n, 1, Hello{})
	f.send(&Want{key(0), mask(0, 1, 2, 3)})
	r.run(r.now + 3*time.Second)
	sent, denied := 0, 0
	for _, m := range f.got {
		switch m := m.(type) {
		case *Block:
			sent++
		case *Deny:
			denied += m.Blocks.Len()
		}
	}
	if sent != 1 || denied != 3 {
		t.Errorf("of 4 blocks %d were sent, %d denied", sent, denied)
	}
}

func TestWhoSendsMoreThanItsCreditIsDropped(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	limit, sent := uint64(creditStart), uint64(0)
	for i := 0; i < 2000 && !f.dropped; i++ {
		if sent+event.BlockSize > limit { // it obeys until now
			break
		}
		h := rigPiece(i, event.BlockSize) // all of use
		f.send(h, block(h, 0))
		sent += event.BlockSize
		r.run(r.now + 20*time.Millisecond)
		for _, c := range heard[*Credit](f) {
			limit = max(limit, c.Limit)
		}
		if i == 20 {
			if f.dropped {
				t.Fatalf("dropped for %s within its credit", f.why)
			}
			limit = math.MaxUint64
			nb := n.at(f.conn)
			nb.allowed = nb.received // as if nothing more were granted
		}
	}
	if !f.dropped || f.why != Flooding {
		t.Errorf("dropped %v for %s", f.dropped, f.why)
	}
}

func TestBlocksThatNobodyCanUseAreAFloodHoweverMuchCreditThereIs(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	sent := 0
	for i := 0; i < 5000 && !f.dropped; i++ {
		f.send(&Block{Key: key(i), Data: make([]byte, event.BlockSize)})
		sent += event.BlockSize
		if nb := n.at(f.conn); nb != nil && (nb.heldSize > maxHeld || len(nb.held) > maxHeldBlocks) {
			t.Fatalf("%d bytes in %d blocks are held", nb.heldSize, len(nb.held))
		}
	}
	if !f.dropped || sent > maxWaste+event.BlockSize {
		t.Errorf("dropped %v for %s after %d bytes", f.dropped, f.why, sent)
	}
}

func TestTinyBlocksWithoutAHeadAreNotPiledUp(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	f := r.fake(n, 1, Hello{Up: 1000})
	for i := range 5000 {
		f.send(&Block{Key: key(i), Data: []byte{1}})
	}
	if nb := n.at(f.conn); nb != nil && len(nb.held) > maxHeldBlocks {
		t.Errorf("%d blocks are held", len(nb.held))
	}
}

func TestConnectionsWithoutEndAreRefused(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	for c := range Conn(1000) {
		n.Connected(r.now, c+1, Info{})
		r.take(n)
	}
	if got := n.Stats().Conns; got > 2*DefaultTuning().MaxConns {
		t.Errorf("%d connections are kept", got)
	}
}

func TestSignalsAreCarriedByOneHopAndOnlyForTheirSender(t *testing.T) {
	r := newRig(t, 0)
	n := r.viewer(10e6)
	a, b := r.fake(n, 1, Hello{Up: 1}), r.fake(n, 2, Hello{Up: 1})
	from, to := PeerID{99, 1}, PeerID{99, 2}
	a.send(&Signal{From: from, To: to, Body: []byte("offer")})
	if got := heard[*Signal](b); len(got) != 1 || string(got[0].Body) != "offer" {
		t.Errorf("carried: %v", got)
	}
	a.send(&Signal{From: PeerID{5}, To: to}, &Signal{From: from, To: PeerID{6}}, &Signal{From: from, To: from})
	if got := append(heard[*Signal](b), heard[*Signal](a)...); len(got) > 0 {
		t.Errorf("carried what came from elsewhere, or to somebody unknown: %v", got)
	}
	a.send(&Signal{From: PeerID{5}, To: n.cfg.ID, Body: []byte("hi")})
	if len(n.sigs) != 1 {
		t.Error("a signal for the node itself did not arrive")
	}
}
