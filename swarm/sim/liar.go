package sim

import (
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

// liar turns an honest node into one that lies, by changing what it says and hears:
// falseBlocks sends other bytes, falseHeads other heads, falseHaves announces every
// piece as soon as it hears of it, states to be next to the seed, and sends nothing.
type liar struct {
	agent *nodeAgent
	how   lie
	newer int // newest piece that it announced
}

// says returns what goes out instead of m, or nil.
func (l *liar) says(m swarm.Message) swarm.Message {
	st := l.agent.s.w.stream
	switch m := m.(type) {
	case *swarm.Block:
		switch l.how {
		case falseBlocks:
			b := *m
			b.Data = st.lie[:len(m.Data)]
			return &b
		case falseHaves:
			return nil
		}
	case *swarm.Head:
		if l.how == falseHeads {
			return st.forged[m.Entry.N]
		}
	case *swarm.State:
		// All of them want children.
		s := *m
		for i := range s.Depth {
			s.Depth[i] = 1
		}
		s.Spare, s.Open = 16, swarm.AllLanes
		return &s
	}
	return m
}

// hears reports whether the node may hear m too.
func (l *liar) hears(now time.Duration, c uint32, m swarm.Message) bool {
	if l.how != falseHaves {
		return true
	}
	n := 0
	switch m := m.(type) {
	case *swarm.Want:
		return false
	case *swarm.Subscribe:
		l.agent.s.send(now, l.agent.p, c, &swarm.Grant{R: m.R, Lanes: m.Lanes})
		return false
	case *swarm.Have:
		n = int(m.N) + m.Count
	case *swarm.Head:
		n = int(m.Entry.N) + 1
	}
	if n > l.newer {
		l.newer = n
		have := &swarm.Have{Key: swarm.Key{R: event.Source, Position: event.Position{Epoch: epoch, N: uint64(n)}}, Count: 1}
		for _, to := range l.agent.p.live {
			l.agent.s.send(now, l.agent.p, to, have)
		}
	}
	return true
}
