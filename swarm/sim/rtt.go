package sim

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Matrix holds the round-trip times between places.
type Matrix struct {
	n     int
	micro []int32 // round trips
}

// Places returns how many places there are.
func (m *Matrix) Places() int { return m.n }

// RTT returns the round-trip time between two places, the same in both directions.
func (m *Matrix) RTT(a, b int) time.Duration {
	return time.Duration(m.micro[a*m.n+b]) * time.Microsecond
}

// maxPlaces bounds a matrix that is read.
const maxPlaces = 4000

// ReadMatrix reads a square matrix of milliseconds, one row a line. What was not
// measured (not above 0) is taken from the other direction, or else from the middle of
// what its row and column have.
func ReadMatrix(r io.Reader) (*Matrix, error) {
	var rows [][]float64
	s := bufio.NewScanner(r)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		fields := strings.Fields(s.Text())
		if len(fields) == 0 {
			continue
		}
		if len(rows) == maxPlaces || len(fields) > maxPlaces {
			return nil, fmt.Errorf("read RTT matrix: more than %d places", maxPlaces)
		}
		row := make([]float64, len(fields))
		for i, f := range fields {
			v, err := strconv.ParseFloat(f, 64)
			if err != nil || math.IsNaN(v) || v > 60_000 {
				return nil, fmt.Errorf("read RTT matrix: line %d has %q where milliseconds should be", len(rows)+1, f)
			}
			row[i] = v
		}
		rows = append(rows, row)
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("read RTT matrix: %w", err)
	}
	if len(rows) < 2 {
		return nil, errors.New("read RTT matrix: fewer than two places")
	}
	for i, row := range rows {
		if len(row) != len(rows) {
			return nil, fmt.Errorf("read RTT matrix: %d lines, but line %d has %d numbers", len(rows), i+1, len(row))
		}
	}
	return fill(rows), nil
}

func fill(rows [][]float64) *Matrix {
	n := len(rows)
	middle := make([]float64, n)
	for i := range rows {
		var known []float64
		for j := range rows {
			if i != j && rows[i][j] > 0 {
				known = append(known, rows[i][j])
			}
			if i != j && rows[j][i] > 0 {
				known = append(known, rows[j][i])
			}
		}
		slices.Sort(known)
		if len(known) > 0 {
			middle[i] = known[len(known)/2]
		}
	}
	m := &Matrix{n: n, micro: make([]int32, n*n)}
	for i := range rows {
		for j := range i {
			ms := (middle[i] + middle[j]) / 2
			switch a, b := rows[i][j], rows[j][i]; {
			case a > 0 && b > 0:
				ms = (a + b) / 2
			case a > 0 || b > 0:
				ms = max(a, b)
			}
			m.micro[i*n+j] = int32(ms * 1000)
			m.micro[j*n+i] = m.micro[i*n+j]
		}
	}
	return m
}

// Generate makes up a matrix like that of the Internet: places gather around a few
// centres on a plane, the way between them is longer than the straight line, and some
// have a slow access. The median is about 80 ms, the tail is long.
func Generate(places int, random uint64) *Matrix {
	r := rand.New(rand.NewPCG(random, 0x7274))
	type place struct{ x, y, access float64 } // ms
	centres := make([]place, 12)
	for i := range centres {
		centres[i] = place{x: r.Float64() * 115, y: r.Float64() * 60}
	}
	all := make([]place, places)
	for i := range all {
		c := centres[min(r.IntN(len(centres)), r.IntN(len(centres)))] // some are larger
		all[i] = place{c.x + r.NormFloat64()*9, c.y + r.NormFloat64()*9, math.Exp(1.3 + 0.9*r.NormFloat64())}
	}
	m := &Matrix{n: places, micro: make([]int32, places*places)}
	for i := range all {
		for j := range i {
			way := math.Hypot(all[i].x-all[j].x, all[i].y-all[j].y)
			ms := way*(1.2+0.5*r.ExpFloat64()) + all[i].access + all[j].access
			m.micro[i*places+j] = int32(min(ms, 3000) * 1000)
			m.micro[j*places+i] = m.micro[i*places+j]
		}
	}
	return m
}

// centre returns the place that is nearest to all others: where a service would stand.
func (m *Matrix) centre() int {
	best, at := int64(math.MaxInt64), 0
	for i := range m.n {
		sum := int64(0)
		for j := range m.n {
			sum += int64(m.micro[i*m.n+j])
		}
		if sum < best {
			best, at = sum, i
		}
	}
	return at
}
