package sim

import (
	"time"

	"github.com/shoalcast/shoal/swarm"
)

// quietAgent answers to nothing: what the simpler agents are made of.
type quietAgent struct {
	p *peer
	s *shard
}

func (a *quietAgent) join(time.Duration)                           {}
func (a *quietAgent) informed(time.Duration)                       {}
func (a *quietAgent) candidates(time.Duration)                     {}
func (a *quietAgent) accepts() bool                                { return true }
func (a *quietAgent) end()                                         {}
func (a *quietAgent) publish(time.Duration)                        {}
func (a *quietAgent) connected(time.Duration, uint32, bool)        {}
func (a *quietAgent) receive(time.Duration, uint32, swarm.Message) {}
func (a *quietAgent) closed(time.Duration, uint32)                 {}
func (a *quietAgent) wake(time.Duration)                           {}
func (a *quietAgent) upkeep(time.Duration)                         {}
func (a *quietAgent) fetched(time.Duration, fetch)                 {}
func (a *quietAgent) replan(time.Duration)                         {}
func (a *quietAgent) due(time.Duration, int)                       {}

// wakeIn sets the agent's timer.
func (a *quietAgent) wakeIn(at time.Duration) {
	a.p.wakeAt = ticks(at)
	a.s.own(at, a.p, item{kind: wake})
}

// join lets a peer begin.
func (s *shard) join(now time.Duration, p *peer) {
	base := quietAgent{p, s}
	switch {
	case s.w.scheme == Ours:
		p.agent = newNodeAgent(base, now)
	case s.w.scheme == Pull || s.w.scheme == PullLong:
		p.agent = newPullAgent(base)
	case p.role == seedRole:
		p.agent = &base
	default:
		p.agent = &httpAgent{quietAgent: base}
	}
	if p.role == viewerRole {
		p.player = newPlayer(p, now)
		// The page or the link, then the manifest.
		s.own(now+2*originRTT, p, item{kind: informed})
	}
	p.agent.join(now)
	s.own(now+time.Duration(p.random.Float64()*float64(time.Second)), p, item{kind: upkeep})
}

// httpAgent fetches each piece from the origin, which answers when it has it.
type httpAgent struct {
	quietAgent
	next int
}

func (a *httpAgent) informed(now time.Duration) {
	a.next = a.s.w.stream.newestKey(now)
	a.p.player.begin(now, a.next)
	for ; a.s.w.stream.ready[a.next] <= now; a.next++ {
		a.ask(now, a.next)
	}
	a.wake(now)
}

// wake asks for the next piece a little before there is one, and so on.
func (a *httpAgent) wake(now time.Duration) {
	if a.next >= len(a.s.w.stream.heads) {
		return
	}
	a.ask(now, a.next)
	if a.next++; a.next < len(a.s.w.stream.heads) {
		a.wakeIn(max(now, a.s.w.stream.ready[a.next-1]))
	}
}

func (a *httpAgent) ask(now time.Duration, n int) {
	h := a.s.w.stream.heads[n]
	if h.Entry.Gap {
		a.p.player.arrived(now, n)
		return
	}
	a.s.ask(now, a.p, fetch{n: n, last: h.Blocks() - 1, size: h.Entry.Size, whole: true})
}

func (a *httpAgent) fetched(now time.Duration, f fetch) {
	a.s.tally.got(now, swarm.FromOrigin, f.size)
	a.p.player.arrived(now, f.n)
}
