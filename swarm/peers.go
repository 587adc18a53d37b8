package swarm

// Peer is a neighbour as whoever runs the node may see it.
type Peer struct {
	Conn     Conn
	ID       PeerID // zero before it introduced itself
	Role     Role
	RTT      Time   // shortest recent round trip; 0: unknown
	Granted  int    // lanes that it pushes to this node
	Received uint64 // bytes of blocks that it sent so far
	Missed   int    // blocks that were due from it and did not come in time, so far
}

// Peers returns who is connected, by age.
func (n *Node) Peers() []Peer {
	out := make([]Peer, len(n.conns))
	for i, nb := range n.conns {
		out[i] = Peer{Conn: nb.conn, ID: nb.id, Role: nb.role, RTT: nb.rtt, Received: nb.received, Missed: nb.missed}
		for _, nt := range nb.tracks {
			out[i].Granted += nt.granted.Len()
		}
	}
	return out
}
