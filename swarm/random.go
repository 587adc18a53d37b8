package swarm

import "time"

// random is a xorshift32 generator (Marsaglia 2003): small, and the same in every
// language, so that traces of the scheduler can be compared.
type random uint32

func newRandom(seed uint32) random {
	if seed == 0 {
		seed = 2463534242
	}
	return random(seed)
}

func (r *random) next() uint32 {
	x := uint32(*r)
	x ^= x << 13
	x ^= x >> 17
	x ^= x << 5
	*r = random(x)
	return x
}

// below returns a number from 0 to n-1.
func (r *random) below(n int) int { return int(uint64(r.next()) * uint64(n) >> 32) }

// spread returns a time from 0 to d, in milliseconds.
func (r *random) spread(d time.Duration) time.Duration {
	return time.Duration(r.below(int(d/time.Millisecond)+1)) * time.Millisecond
}
