package transcoder

import "runtime"

// Limits bound what encoders take from everything else on the machine.
type Limits struct {
	// Cores is how many processor cores all encoders together may use: by default all but
	// one, and the only one where there is no other.
	Cores int
}

// niceness lets whatever else wants the processor go first: the source's pieces never wait
// for a rendition's.
const niceness = 10

func (l Limits) cores() int {
	most := runtime.NumCPU()
	if l.Cores > 0 {
		return min(l.Cores, most)
	}
	return max(1, most-1)
}

// threads is how many an encoder's step has: slices of one picture that are made at once.
func (l Limits) threads() int { return min(l.cores(), 4) }
