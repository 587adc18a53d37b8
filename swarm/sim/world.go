package sim

import (
	"cmp"
	"context"
	"math"
	"math/rand/v2"
	"slices"
	"sync"
	"time"
)

const (
	// shardCount is how many parts the world is cut into. What happens does not depend
	// on how many processors work on them.
	shardCount = 8
	// window is the least time that anything takes from one peer to another: so long,
	// parts need not know of each other.
	window = time.Millisecond

	originRTT    = 40 * time.Millisecond
	trackerRTT   = 40 * time.Millisecond
	handed       = 40 // peers that the tracker names
	generated    = 400
	crowdArrives = 5 * time.Second // the second in which a flash crowd comes
)

// world is one run of one scheme.
type world struct {
	o      Options
	scheme Scheme
	stream *stream
	rtt    *Matrix
	end    time.Duration
	random *rand.Rand
	shards [shardCount]*shard
	parity int

	// These change between windows only.
	peers   []*peer
	alive   []int32 // viewers
	seeds   []int32
	arrives []time.Duration // viewers to come, last first
	scale   float64         // of uplinks
	churned float64         // viewers that are to leave, not yet gone
	events  []happening
}

// happening is something that befalls the world at a time.
type happening struct {
	at time.Duration
	do func(now time.Duration)
}

func newWorld(o Options, scheme Scheme) *world {
	w := &world{o: o, scheme: scheme, rtt: o.RTT, end: o.end(), random: rand.New(rand.NewPCG(o.Random, 0x776f))}
	if w.rtt == nil {
		w.rtt = Generate(generated, o.Random)
	}
	w.stream = newStream(&o)
	for i := range w.shards {
		w.shards[i] = newShard(w, i)
	}
	for range o.Seeds {
		w.addSeed()
	}
	w.plan()
	return w
}

// plan draws who comes when, and what goes wrong.
func (w *world) plan() {
	o := &w.o
	w.arrives = make([]time.Duration, o.Peers)
	for i := range w.arrives {
		w.arrives[i] = time.Duration(w.random.Float64() * float64(o.Ramp))
		if o.Flash {
			w.arrives[i] = min(crowdArrives, o.Ramp) + time.Duration(w.random.Float64()*float64(time.Second))
		}
	}
	slices.SortFunc(w.arrives, func(a, b time.Duration) int { return cmp.Compare(b, a) })
	// The mean of what is drawn is made to be exactly what was asked for: in a small
	// swarm one large uplink would change the case.
	sum := 0.0
	for i := range o.Peers {
		sum += w.draw(i)
	}
	if sum > 0 {
		w.scale = o.Uplink * float64(o.Bitrate) * float64(o.Peers) / sum
	}
	if o.KillBest > 0 {
		w.events = append(w.events, happening{o.KillBestAt, w.killBest})
	}
	if o.KillSeeds > 0 {
		w.events = append(w.events, happening{o.KillSeedsAt, w.killSeeds})
	}
	if o.Cut > 0 {
		w.events = append(w.events, happening{o.CutAt, w.cut})
	}
	slices.SortStableFunc(w.events, func(a, b happening) int { return cmp.Compare(a.at, b.at) })
}

// draw returns viewer i's uplink before it is scaled: 0 for free riders. Viewers after
// the first o.Peers have the uplinks of those that they replace, more or less.
func (w *world) draw(i int) float64 {
	i %= w.o.Peers
	r := rand.New(rand.NewPCG(w.o.Random^0x7570, uint64(i)))
	if r.Float64() < w.o.FreeRiders {
		return 0
	}
	return math.Exp(w.o.Spread * min(max(r.NormFloat64(), -3), 3))
}

// run is the whole of it.
func (w *world) run(ctx context.Context) error {
	workers := min(max(w.o.Workers, 1), shardCount)
	if w.o.Peers < 200 {
		workers = 1 // to meet would cost more than to work
	}
	team := newTeam(workers, func(i int) {
		for k := i; k < shardCount; k += workers {
			w.shards[k].run()
		}
	})
	defer team.close()
	for at := time.Duration(0); at < w.end; at += window {
		if at%time.Second == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			if w.o.Progress != nil {
				w.o.Progress(at, w.end)
			}
		}
		w.happen(at)
		for _, s := range w.shards {
			s.from, s.parity = at, w.parity
		}
		team.work()
		w.parity ^= 1
	}
	for _, s := range w.shards {
		s.finish()
	}
	return nil
}

// happen does what is nobody's alone: arrivals, departures, faults, the tracker.
func (w *world) happen(now time.Duration) {
	for n := len(w.arrives); n > 0 && w.arrives[n-1] <= now; n-- {
		w.arrives = w.arrives[:n-1]
		w.addViewer(now)
	}
	if now >= w.o.Ramp {
		for w.churned += w.o.Churn * float64(w.o.Peers) * window.Minutes(); w.churned >= 1; w.churned-- {
			if len(w.alive) > 0 {
				w.kill(now, w.alive[w.random.IntN(len(w.alive))])
			}
			w.addViewer(now)
		}
	}
	for len(w.events) > 0 && w.events[0].at <= now {
		w.events[0].do(now)
		w.events = w.events[1:]
	}
	for _, s := range w.shards {
		for _, id := range s.asking {
			w.answer(now, w.peers[id])
		}
		s.asking = s.asking[:0]
	}
}

// answer is the tracker's: seeds and random viewers, all of them alive a moment ago.
func (w *world) answer(now time.Duration, p *peer) {
	if p.dead || p.down(now) {
		return
	}
	p.named = p.named[:0]
	if len(w.seeds) > 0 {
		p.named = append(p.named, w.seeds[w.random.IntN(len(w.seeds))])
	}
	for range min(handed, len(w.alive)) {
		if id := w.alive[w.random.IntN(len(w.alive))]; id != p.id && !slices.Contains(p.named, id) {
			p.named = append(p.named, id)
		}
	}
	p.shard.queue.put(ticks(now+trackerRTT), item{kind: candidate, peer: p.id})
}

func (w *world) addSeed() {
	p := w.newPeer(0)
	p.role, p.place, p.access = seedRole, w.rtt.centre(), 500*time.Microsecond
	p.up, p.downlink = perByte(float64(w.o.SeedUp)), perByte(float64(w.o.SeedUp))
	p.upRate = float64(w.o.SeedUp)
	w.seeds = append(w.seeds, p.id)
	p.shard.queue.put(0, item{kind: joined, peer: p.id})
}

func (w *world) addViewer(now time.Duration) {
	p := w.newPeer(now)
	w.alive = append(w.alive, p.id)
	p.shard.queue.put(ticks(now), item{kind: joined, peer: p.id})
}

func (w *world) newPeer(now time.Duration) *peer {
	id := int32(len(w.peers))
	s := w.shards[id%shardCount]
	p := newPeer(w, s, id, now)
	w.peers = append(w.peers, p)
	return p
}

// kill ends a peer, without any farewell of its own.
func (w *world) kill(now time.Duration, id int32) {
	p := w.peers[id]
	if p.dead {
		return
	}
	p.dead, p.died = true, now
	if i := slices.Index(w.alive, id); i >= 0 {
		w.alive = slices.Delete(w.alive, i, i+1)
	}
	if i := slices.Index(w.seeds, id); i >= 0 {
		w.seeds = slices.Delete(w.seeds, i, i+1)
	}
	silent := uint32(0)
	if w.random.Float64() < w.o.Vanish {
		silent = 1
	}
	p.shard.queue.put(ticks(now), item{kind: dying, peer: id, a: silent})
}

func (w *world) killBest(now time.Duration) {
	best := slices.Clone(w.alive)
	slices.SortStableFunc(best, func(a, b int32) int { return cmp.Compare(w.peers[b].upRate, w.peers[a].upRate) })
	for _, id := range best[:min(w.o.KillBest, len(best))] {
		w.kill(now, id)
	}
}

func (w *world) killSeeds(now time.Duration) {
	for range min(w.o.KillSeeds, len(w.seeds)) {
		w.kill(now, w.seeds[0])
	}
}

// cut takes some viewers' network away; what is under way comes when it is back.
func (w *world) cut(now time.Duration) {
	for _, id := range w.alive {
		if w.random.Float64() < w.o.Cut {
			w.peers[id].cutFrom, w.peers[id].cutTo = now, now+w.o.CutFor
		}
	}
}

// reachable reports whether two peers can connect at all.
func (w *world) reachable(a, b *peer) bool {
	if a.role == seedRole || b.role == seedRole {
		return true
	}
	x, y := uint64(min(a.id, b.id)), uint64(max(a.id, b.id))
	return float64(mix(x<<32|y^w.o.Random*0x9e3779b97f4a7c15)>>11)/(1<<53) >= w.o.Unreachable
}

// mix spreads the bits of x (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// oneWay is the propagation time between two peers.
func (w *world) oneWay(a, b *peer) time.Duration {
	return max(window, w.rtt.RTT(a.place, b.place)/2+a.access+b.access)
}

// team is some goroutines that do one round of work together, again and again.
type team struct {
	do    func(i int)
	start []chan struct{}
	round sync.WaitGroup
}

func newTeam(n int, do func(i int)) *team {
	t := &team{do: do}
	for i := 1; i < n; i++ {
		start := make(chan struct{})
		t.start = append(t.start, start)
		go func() {
			for range start {
				do(i)
				t.round.Done()
			}
		}()
	}
	return t
}

// work does one round; the caller takes part.
func (t *team) work() {
	t.round.Add(len(t.start))
	for _, c := range t.start {
		c <- struct{}{}
	}
	t.do(0)
	t.round.Wait()
}

func (t *team) close() {
	for _, c := range t.start {
		close(c)
	}
}
