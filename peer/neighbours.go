package peer

import (
	"cmp"
	"encoding/hex"
	"slices"
	"time"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

// neighbours is what reports tell of other peers, from looks at who is connected.
type neighbours struct {
	last  map[swarm.Conn]swarm.Peer
	swaps int64 // parents that others took the place of, since they were told last
}

// look takes note of who is connected now, and returns those who gave most since the
// look before, at most so many.
func (n *neighbours) look(now []swarm.Peer, passed time.Duration, most int) []event.Neighbour {
	seen := make(map[swarm.Conn]swarm.Peer, len(now))
	joined, left := 0, 0
	type giver struct {
		swarm.Peer
		gave uint64
		late int
	}
	var givers []giver
	for _, p := range now {
		before := n.last[p.Conn]
		seen[p.Conn] = p
		if p.Granted > 0 && before.Granted == 0 {
			joined++
		}
		if p.ID != (swarm.PeerID{}) {
			givers = append(givers, giver{p, p.Received - before.Received, p.Missed - before.Missed})
		}
	}
	for conn, before := range n.last {
		if before.Granted > 0 && seen[conn].Granted == 0 {
			left++
		}
	}
	n.swaps += int64(min(joined, left))
	n.last = seen
	slices.SortStableFunc(givers, func(a, b giver) int { return cmp.Compare(b.gave, a.gave) })
	var out []event.Neighbour
	for _, g := range givers[:min(most, len(givers))] {
		out = append(out, event.Neighbour{
			ID: hex.EncodeToString(g.ID[len(g.ID)-4:]), Kind: kinds[g.Role], RTT: g.RTT.Milliseconds(),
			Goodput: int64(g.gave) * 8 / max(1, passed.Milliseconds()), Late: int64(g.late),
		})
	}
	return out
}

// kinds are the words of reports for roles.
var kinds = map[swarm.Role]string{swarm.Viewer: "peer", swarm.Seed: "seed", swarm.Edge: "edge"}
