package reporting

import (
	"crypto/rand"
	"math/big"
	"strings"
	"time"
)

// Every is how much time a report tells of.
const Every = 5 * time.Second

// NewSession makes the name of one visit: 26 random characters, kept nowhere.
func NewSession() string { return strings.ToLower(rand.Text()) }

// Jitter is a random part of Every, after which the first report is due: reporters are not
// to report in step.
func Jitter() time.Duration {
	n, err := rand.Int(rand.Reader, big.NewInt(int64(Every)))
	if err != nil { // never: crypto/rand
		return 0
	}
	return time.Duration(n.Int64())
}
