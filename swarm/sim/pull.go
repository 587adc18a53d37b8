package sim

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

const (
	longPiece   = time.Second
	longTarget  = 4 * time.Second
	pullLook    = 100 * time.Millisecond
	pullPatient = 2 * time.Second // until a piece is asked of another
	pullBacklog = time.Second     // of uplink, beyond which nothing more is promised
)

// pullAgent shares whole pieces, as browsers do today: who has one says so, who lacks
// one asks any that has it, and nothing is passed on before it is whole. What is not
// there shortly before it is played comes from the origin. A seed announces each piece
// to as many random neighbours as ours would feed first copies.
type pullAgent struct {
	quietAgent
	next    int // a seed's next piece
	pieces  []pulled
	from    int // nothing before is looked for
	horizon int // one more than the newest that was heard of
}

type pulled struct {
	holders []uint32
	of      uint32 // who was asked
	until   time.Duration
	fetched bool
}

func newPullAgent(q quietAgent) agent {
	return &pullAgent{quietAgent: q, pieces: make([]pulled, len(q.s.w.stream.heads))}
}

func (a *pullAgent) join(now time.Duration) {
	if a.p.role == seedRole {
		a.publish(now)
		return
	}
	a.p.announce(now)
}

func (a *pullAgent) informed(now time.Duration) {
	a.from = a.s.w.stream.newestKey(now)
	a.p.player.begin(now, a.from)
	a.wake(now)
}

func (a *pullAgent) candidates(now time.Duration) { a.upkeep(now) }

func (a *pullAgent) upkeep(now time.Duration) {
	if a.p.role == seedRole {
		return
	}
	for len(a.p.live) < a.s.w.o.Tuning.Neighbours {
		id, ok := a.p.next(now)
		if !ok {
			a.p.announce(now)
			return
		}
		a.s.dial(now, a.p, id)
	}
}

func (a *pullAgent) accepts() bool {
	if a.p.role == seedRole {
		return len(a.p.live) < seedConns
	}
	return len(a.p.live) < a.s.w.o.Tuning.MaxConns
}

func have(n int) *swarm.Have {
	return &swarm.Have{Key: swarm.Key{R: event.Source, Position: event.Position{Epoch: epoch, N: uint64(n)}}, Count: 1}
}

func (a *pullAgent) publish(now time.Duration) {
	st := a.s.w.stream
	copies := 1 + a.s.w.o.Peers/max(1, a.s.w.o.Tuning.CopiesPer)
	for ; a.next < len(st.heads) && st.ready[a.next] <= now; a.next++ {
		live := a.p.live
		for i := range min(copies, len(live)) {
			j := i + a.p.random.IntN(len(live)-i)
			live[i], live[j] = live[j], live[i]
			a.s.send(now, a.p, live[i], have(a.next))
		}
	}
	if a.next < len(st.heads) {
		a.s.own(st.ready[a.next], a.p, item{kind: issue})
	}
}

func (a *pullAgent) connected(now time.Duration, c uint32, _ bool) {
	if a.p.role == seedRole || !a.p.player.known {
		return
	}
	for n := a.from; n < a.horizon; n++ {
		if a.p.player.has(n) {
			a.s.send(now, a.p, c, have(n))
		}
	}
}

func (a *pullAgent) closed(now time.Duration, c uint32) {
	if a.p.role == seedRole {
		return
	}
	for n := a.from; n < a.horizon; n++ {
		if q := &a.pieces[n]; q.until > 0 && q.of == c {
			a.again(now, n)
		}
	}
}

func (a *pullAgent) receive(now time.Duration, c uint32, m swarm.Message) {
	switch m := m.(type) {
	case *swarm.Have:
		if a.p.role == seedRole {
			return
		}
		n := number(m.Key)
		a.horizon = max(a.horizon, n+1)
		q := &a.pieces[n]
		q.holders = append(q.holders, c)
		if q.until == 0 {
			a.pull(now, n)
		}
	case *swarm.Want:
		a.serve(now, c, m)
	case *swarm.Deny:
		if n := number(m.Key); a.pieces[n].of == c {
			a.again(now, n)
		}
	case *swarm.Block:
		a.s.tally.got(now, a.source(c), int64(len(m.Data)))
		if n := number(m.Key); a.p.player.has(n) {
			if a.s.tally.measures(now) {
				a.s.tally.duplicate += int64(len(m.Data))
			}
		} else {
			a.got(now, n)
		}
	}
}

func (a *pullAgent) source(c uint32) swarm.Source {
	if a.s.w.peers[a.p.conns[c].remote].role == seedRole {
		return swarm.FromSeed
	}
	return swarm.FromPeer
}

func (a *pullAgent) serve(now time.Duration, c uint32, m *swarm.Want) {
	n := number(m.Key)
	st := a.s.w.stream
	mine := a.p.role == seedRole && st.ready[n] <= now || a.p.role == viewerRole && a.p.player.has(n)
	if !mine || a.p.leaf && a.p.role == viewerRole || a.p.upFree-now > pullBacklog {
		a.s.send(now, a.p, c, &swarm.Deny{Key: m.Key, Blocks: m.Blocks})
		return
	}
	a.s.send(now, a.p, c, &swarm.Block{Key: m.Key, Data: st.zero[:st.heads[n].Entry.Size]})
}

// pull asks any holder for a piece.
func (a *pullAgent) pull(now time.Duration, n int) {
	q := &a.pieces[n]
	if n < a.from || !a.p.player.known || a.p.player.has(n) || q.fetched {
		return
	}
	for len(q.holders) > 0 {
		i := a.p.random.IntN(len(q.holders))
		c := q.holders[i]
		q.holders = slices.Delete(q.holders, i, i+1)
		if a.p.conns[c].state != connOpen {
			continue
		}
		q.of, q.until = c, now+pullPatient
		w := &swarm.Want{Key: have(n).Key}
		w.Blocks.Set(0)
		a.s.send(now, a.p, c, w)
		return
	}
}

func (a *pullAgent) again(now time.Duration, n int) {
	a.pieces[n].until = 0
	a.pull(now, n)
}

// got takes in a piece, and announces it.
func (a *pullAgent) got(now time.Duration, n int) {
	a.horizon = max(a.horizon, n+1)
	a.p.player.arrived(now, n)
	if a.p.leaf {
		return
	}
	m := have(n)
	for _, c := range a.p.live {
		a.s.send(now, a.p, c, m)
	}
}

// wake looks for what is late, now and then.
func (a *pullAgent) wake(now time.Duration) {
	st, y := a.s.w.stream, a.p.player
	hurry := a.s.w.o.Tuning.ToOrigin + st.dur/2
	for a.from < y.next && y.started && y.has(a.from) {
		a.from++
	}
	for n := a.from; n < len(st.heads) && st.ready[n] <= now; n++ {
		q := &a.pieces[n]
		switch {
		case y.has(n) || q.fetched:
		case st.heads[n].Entry.Gap:
			y.arrived(now, n)
		case !a.s.w.o.NoOrigin && y.plays(n)-now < hurry:
			q.fetched = true
			a.s.ask(now, a.p, fetch{n: n, last: st.heads[n].Blocks() - 1, size: st.heads[n].Entry.Size, whole: true})
		case q.until > 0 && q.until <= now:
			a.again(now, n)
		}
	}
	a.wakeIn(now + pullLook)
}

func (a *pullAgent) fetched(now time.Duration, f fetch) {
	a.s.tally.got(now, swarm.FromOrigin, f.size)
	if !a.p.player.has(f.n) {
		a.got(now, f.n)
	}
}
