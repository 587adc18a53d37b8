package swarm

import (
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
)

// inits holds the newest init segments, and what is gathered of one that is wanted.
type inits struct {
	have []Segment
	want []*initWant
}

type initWant struct {
	root  event.Root
	from  *neighbour
	until Time
	tries int
	data  []byte
}

const (
	maxInits  = 8
	initAgain = time.Second
	initNone  = 150 * time.Millisecond // before another is asked, where one has none
	initTries = 32
)

func (s *inits) find(root event.Root) []byte {
	for _, have := range s.have {
		if have.Root == root {
			return have.Data
		}
	}
	return nil
}

func (s *inits) add(root event.Root, data []byte) {
	if s.find(root) != nil {
		return
	}
	if s.have = append(s.have, Segment{root, data}); len(s.have) > maxInits {
		s.have = slices.Delete(s.have, 0, 1)
	}
	s.want = slices.DeleteFunc(s.want, func(w *initWant) bool { return w.root == root })
}

// AddInit takes in a verified init segment of the caller's.
func (n *Node) AddInit(_ Time, root event.Root, data []byte) {
	n.begin()
	n.inits.add(root, data)
}

// needInit asks for an init segment that is not here.
func (n *Node) needInit(now Time, root event.Root, from *neighbour) {
	if n.inits.find(root) != nil || slices.ContainsFunc(n.inits.want, func(w *initWant) bool { return w.root == root }) {
		return
	}
	if from == nil {
		return // the caller has the head, and the segment too
	}
	if len(n.inits.want) >= maxInits {
		n.inits.want = slices.Delete(n.inits.want, 0, 1)
	}
	n.inits.want = append(n.inits.want, &initWant{root: root, from: from, until: now + initAgain + from.trip()})
	n.send(from, &GetInit{Root: root})
}

// at returns when the next init segment is to be asked for again.
func (s *inits) at() Time {
	at := never
	for _, w := range s.want {
		at = min(at, w.until)
	}
	return at
}

// retryInits asks others for the init segments that did not come. Those who pass on a
// head at once may not have its init segment yet.
func (n *Node) retryInits(now Time) {
	n.inits.want = slices.DeleteFunc(n.inits.want, func(w *initWant) bool { return w.tries >= initTries && w.until <= now })
	for _, w := range n.inits.want {
		if w.until > now {
			continue
		}
		var pick *neighbour
		seen := 0
		for _, nb := range n.conns {
			if !nb.hello || nb == w.from && len(n.conns) > 1 {
				continue
			}
			if seen++; n.random.below(seen) == 0 {
				pick = nb
			}
		}
		w.tries++
		w.data, w.from, w.until = nil, pick, now+initAgain
		if pick != nil {
			w.until += pick.trip()
			n.send(pick, &GetInit{Root: w.root})
		}
	}
}

func (n *Node) onGetInit(now Time, nb *neighbour, m *GetInit) {
	data := n.inits.find(m.Root)
	if data == nil {
		n.send(nb, &Init{Root: m.Root})
		return
	}
	if !n.afford(now, nb, len(data)) {
		return
	}
	for at := 0; at < len(data); at += InitChunk {
		n.send(nb, &Init{Root: m.Root, Total: len(data), Offset: at, Data: data[at:min(at+InitChunk, len(data))]})
	}
}

func (n *Node) onInit(now Time, nb *neighbour, m *Init) {
	i := slices.IndexFunc(n.inits.want, func(w *initWant) bool { return w.root == m.Root && w.from == nb })
	if i < 0 {
		return
	}
	w := n.inits.want[i]
	if m.Total == 0 || m.Total > MaxInit || m.Offset != len(w.data) || m.Offset+len(m.Data) > m.Total {
		w.data, w.until = nil, now+initNone
		return
	}
	if w.data = append(w.data, m.Data...); len(w.data) < m.Total {
		return
	}
	if !n.cfg.Verifier.Init(m.Root, w.data) {
		n.stats.Rejected++
		n.drop(now, nb, LiedBlock)
		w.data, w.until = nil, now
		return
	}
	n.inits.add(m.Root, w.data)
	n.out.Inits = append(n.out.Inits, Segment{m.Root, w.data})
}
