package swarm

import (
	"encoding/hex"

	"github.com/shoalcast/shoal/event"
)

type traceScript struct {
	what   string
	config traceConfig
	run    func(p *player)
}

func traceViewer(up int64) traceConfig {
	id := PeerID{0x10}
	return traceConfig{ID: hex.EncodeToString(id[:]), Role: "viewer", Up: up, Wants: []event.Rendition{"v0"}, Random: 7, Tuning: DefaultTuning()}
}

func traceSeed() traceConfig {
	c := traceViewer(-1)
	c.Role, c.Wants = "seed", nil
	return c
}

// meet connects somebody who gives up kbit/s, with one byte for an id.
func (p *player) meet(c Conn, id byte, role Role, up uint32) {
	p.do(map[string]any{"do": "connected", "conn": c, "outbound": c%2 == 1})
	p.hear(c, &Hello{Version, rigStream, PeerID{id}, role, up == 0, up})
	p.hear(c, &Pong{p.token[c]})
}

func (p *player) hear(c Conn, m Message) {
	p.t.Helper()
	p.do(map[string]any{"do": "receive", "conn": c, "message": shown(m)})
}

func (p *player) state(c Conn, depth uint8, spare uint16) {
	m := &State{R: "v0", Spare: spare, Open: AllLanes}
	for l := range m.Depth {
		m.Depth[l] = depth
	}
	p.hear(c, m)
}

// grants answers the newest Subscribe of the node to a neighbour.
func (p *player) grants(c Conn, lanes LaneMask) {
	p.hear(c, &Grant{"v0", lanes})
}

// piece tells of piece i and of some of its blocks.
func (p *player) piece(c Conn, i, size int, blocks ...int) {
	h := rigPiece(i, size)
	p.hear(c, h)
	for _, b := range blocks {
		p.hear(c, block(h, b))
	}
}

func (p *player) add(i, size int) {
	p.do(map[string]any{"do": "add", "message": shown(rigPiece(i, size))})
}

var traceScripts = map[string]traceScript{
	"subscribe-and-forward": {
		"A viewer finds a parent, and pushes each block on to its child before the piece is whole. A second child of more worth, and what the first is told.",
		traceViewer(6e6),
		func(p *player) {
			p.meet(1, 0x20, Seed, 100_000)
			p.state(1, 0, 64)
			p.wait(400)
			p.grants(1, AllLanes)
			p.meet(2, 0x30, Viewer, 2000)
			p.hear(2, &Subscribe{R: "v0", Lanes: AllLanes})
			p.piece(1, 0, 50_000, 2, 0)
			p.wait(20)
			p.hear(1, block(rigPiece(0, 50_000), 1))
			p.hear(1, block(rigPiece(0, 50_000), 3))
			p.wait(200)
			p.piece(1, 1, 50_000, 0, 1, 2, 3)
			p.meet(4, 0x40, Viewer, 40_000)
			p.hear(4, &Subscribe{R: "v0", Lanes: AllLanes})
			p.hear(2, &Subscribe{R: "v0"})
			p.wait(200)
			p.piece(1, 2, 50_000, 0, 1, 2, 3)
		},
	},
	"credit": {
		"A neighbour is sent blocks as far as its credit goes, which only grows; the node tops up what it grants itself.",
		traceViewer(-1),
		func(p *player) {
			for i := range 3 {
				p.add(i, 3*event.BlockSize)
			}
			p.meet(1, 0x20, Viewer, 2000)
			for i := range 3 {
				p.hear(1, &Want{key(i), mask(0, 1, 2)})
			}
			p.hear(1, &Credit{Limit: 1000})
			p.hear(1, &Credit{Limit: 80 << 10})
			p.hear(1, &Credit{Limit: maxNumber})
			for i := 5; i < 8; i++ {
				p.piece(1, i, 2*event.BlockSize, 0, 1)
			}
		},
	},
	"pacing": {
		"An uplink of 512 kbit/s: blocks go out as the budget allows, the one that waits longest first, wanted ones before pushes. Then the budget shrinks to nothing.",
		traceViewer(512e3),
		func(p *player) {
			for i := range 3 {
				p.add(i, 4*event.BlockSize)
			}
			p.meet(1, 0x20, Viewer, 2000)
			p.meet(2, 0x30, Viewer, 2000)
			p.hear(1, &Want{key(0), mask(0, 1, 2)})
			p.wait(10)
			p.hear(2, &Want{key(1), mask(0, 1)})
			p.wait(800)
			p.hear(1, &Want{key(2), mask(0, 1)})
			p.hear(1, &Cancel{key(2), mask(1)})
			p.do(map[string]any{"do": "set_up", "up": 0})
			p.hear(2, &Want{key(2), mask(0)})
			p.wait(300)
		},
	},
	"want-deny-cancel": {
		"Without a parent, blocks are asked of those who announced the piece, of another after a denial or when time is up; what came otherwise is cancelled.",
		traceViewer(10e6),
		func(p *player) {
			p.meet(1, 0x20, Viewer, 2000)
			p.meet(2, 0x30, Viewer, 2000)
			p.meet(3, 0x40, Seed, 100_000)
			p.do(map[string]any{"do": "follow", "r": "v0", "epoch": 1, "n": 0})
			p.piece(1, 0, 40_000)
			p.hear(1, &Have{key(0), 1})
			p.wait(60)
			p.hear(2, &Have{key(0), 1})
			p.hear(3, &Have{key(0), 1})
			p.hear(1, &Deny{key(0), mask(1)})
			p.wait(30)
			p.hear(3, block(rigPiece(0, 40_000), 0))
			p.wait(600)
			p.hear(2, block(rigPiece(0, 40_000), 1))
			p.hear(3, block(rigPiece(0, 40_000), 2))
		},
	},
	"origin": {
		"A piece that no peer gives is asked of the origin when its slack is down to the bound, once more after a failure, and only what is missing.",
		traceViewer(10e6),
		func(p *player) {
			p.meet(1, 0x20, Viewer, 2000)
			p.do(map[string]any{"do": "follow", "r": "v0", "epoch": 1, "n": 0})
			p.do(map[string]any{"do": "play", "r": "v0", "epoch": 1, "pts": 0, "play_ms": 1500})
			p.piece(1, 0, 60_000, 0)
			p.wait(1250)
			p.do(map[string]any{"do": "fetch_failed", "r": "v0", "epoch": 1, "n": 0})
			p.wait(600)
			p.do(map[string]any{"do": "fetched", "r": "v0", "epoch": 1, "n": 0, "first": 1, "count": 3})
		},
	},
	"liar": {
		"A false block, a false head, an old entry, and a block beyond the end: who is banned, what is forwarded, who is asked instead.",
		traceViewer(10e6),
		func(p *player) {
			for c, role := range []Role{Seed, Viewer, Viewer, Viewer} {
				p.meet(Conn(c+1), byte(0x20+c), role, 2000)
			}
			p.state(1, 0, 64)
			p.wait(400)
			p.grants(1, AllLanes)
			p.hear(2, &Subscribe{R: "v0", Lanes: AllLanes})
			old := rigPiece(0, 40_000)
			old.Sig[0] = 2
			p.hear(3, old)
			p.piece(1, 5, 40_000, 0)
			p.do(map[string]any{"do": "receive", "conn": 3, "message": map[string]any{"type": "Block", "r": "v0", "epoch": 1, "n": 5, "index": 1, "data": "false"}})
			p.hear(1, block(rigPiece(5, 40_000), 1))
			bad := rigPiece(6, 40_000)
			bad.Sig[0] = 1
			p.hear(4, bad)
			p.hear(1, block(rigPiece(5, 40_000), 2))
		},
	},
	"heads": {
		"A newcomer learns heads by asking, begins at the newest keyframe, asks for heads that were announced and did not come, and stops believing who announces what it does not give.",
		traceViewer(10e6),
		func(p *player) {
			p.meet(1, 0x20, Viewer, 2000)
			p.hear(1, &Have{key(0), 8})
			p.wait(10)
			for i := range 8 {
				p.piece(1, i, 20_000)
			}
			p.wait(10)
			p.meet(2, 0x30, Viewer, 2000)
			p.hear(2, &Have{key(100_000), 1})
			p.wait(1500)
			p.hear(1, &Have{key(8), 1})
			p.wait(100)
			p.piece(1, 8, 20_000)
		},
	},
	"drain": {
		"A parent that leaves is replaced while it still pushes; then the node itself leaves.",
		traceViewer(10e6),
		func(p *player) {
			p.meet(1, 0x20, Viewer, 5000)
			p.state(1, 1, 64)
			p.wait(400)
			p.grants(1, AllLanes)
			p.meet(2, 0x30, Viewer, 5000)
			p.state(2, 1, 64)
			p.meet(3, 0x40, Viewer, 0)
			p.hear(3, &Subscribe{R: "v0", Lanes: AllLanes})
			p.piece(1, 0, 30_000, 0, 1)
			p.hear(1, &Drain{})
			p.wait(50)
			p.grants(2, AllLanes)
			p.piece(2, 1, 30_000, 0, 1)
			p.do(map[string]any{"do": "closed", "conn": 1})
			p.do(map[string]any{"do": "drain"})
			p.hear(3, &Subscribe{R: "v0", Lanes: 3})
		},
	},
	"depth": {
		"Depths change: a parent that falls behind, one that loses a lane, a grant by somebody who is no longer nearer, and who is asked in each case.",
		traceViewer(10e6),
		func(p *player) {
			p.meet(1, 0x20, Viewer, 5000)
			p.state(1, 1, 64)
			p.wait(400)
			p.grants(1, AllLanes)
			p.meet(2, 0x30, Viewer, 5000)
			p.state(2, 2, 64)
			p.state(1, 3, 64)
			p.wait(100)
			p.state(1, NoDepth, 0)
			p.wait(50)
			p.state(2, 1, 64)
			p.wait(800)
			p.state(2, 20, 64)
			p.grants(2, AllLanes)
			p.wait(1500)
		},
	},
	"first-copies": {
		"A seed: its first copies, what it tells the others, a swarm that grows, and one who has nobody else.",
		traceSeed(),
		func(p *player) {
			p.add(0, 50_000)
			p.meet(1, 0x20, Viewer, 1000)
			p.hear(1, &Subscribe{R: "v0", Lanes: AllLanes})
			p.meet(2, 0x30, Viewer, 1000)
			p.hear(2, &Subscribe{R: "v0", Lanes: AllLanes})
			p.add(1, 50_000)
			p.wait(1500)
			p.meet(3, 0x40, Viewer, 20_000)
			p.hear(3, &Subscribe{R: "v0", Lanes: AllLanes})
			p.do(map[string]any{"do": "set_swarm", "size": 100})
			p.hear(2, &Subscribe{R: "v0", Lanes: AllLanes})
			p.meet(4, 0x50, Viewer, 0)
			p.hear(4, &Subscribe{R: "v0", Lanes: AllLanes, Urgent: true})
			p.add(2, 50_000)
		},
	},
}
