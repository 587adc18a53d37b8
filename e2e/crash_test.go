package e2e

import (
	"errors"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoalcast/shoal/event"
)

// kills is how often the kill test kills; soak runs ask for 20.
var kills = flag.Int("kills", 3, "how often shoal is killed at a random moment")

func TestKilledAtRandomMomentsTheChainVerifiesAndWatchResumes(t *testing.T) {
	i := up(t)
	s := i.addStream("concert")
	stop := encoder(t, s)
	i.live("concert")
	file := filepath.Join(t.TempDir(), "out.mp4")
	watcher := background(t, binary, "watch", s.Watch, "--out", file, "--pins", filepath.Join(t.TempDir(), "p"))

	shown := pieces{}
	for k := range *kills {
		pause := time.Duration(500+rand.IntN(1500)) * time.Millisecond
		<-time.After(pause)
		before := shown.note(t, i.manifest("concert")).Epoch
		i.kill()
		written := size(t, file)
		i.start()
		waitFor(t, 30*time.Second, "the publisher to be back", func() bool { return i.manifest("concert").lastEpoch(t) > before })
		waitFor(t, 30*time.Second, "watch to resume", func() bool { return size(t, file) > written })
		t.Logf("kill %d after %s: resumed", k+1, pause)
	}
	shown.note(t, i.manifest("concert"))
	stop()
	select {
	case <-watcher.done:
		t.Errorf("watch gave up: %s", watcher.log)
	default:
	}
	i.stop()
	shown.requireIn(t, verifyChain(t, i.data, event.StreamID(s.ID)))
}

func size(t *testing.T, file string) int64 {
	t.Helper()
	info, err := os.Stat(file)
	if errors.Is(err, os.ErrNotExist) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}
