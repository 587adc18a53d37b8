package e2e

import (
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// encoders returns the ffmpegs that an instance has started.
func (i *instance) encoders() []int {
	i.t.Helper()
	var out []int
	for _, pid := range children(i.t, i.cmd.Process.Pid) {
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)) // it may have ended
		if strings.TrimSpace(string(name)) == "ffmpeg" {
			out = append(out, pid)
		}
	}
	return out
}

func TestALadderOfRenditionsIsWatchedAndVerified(t *testing.T) {
	t.Parallel()
	i := up(t, "--renditions", "720p,120p,90p@100kbit")
	s := i.addStream("concert")
	camera := publish(t, s)
	i.live("concert")
	offered := func(want ...string) bool {
		_, b, _ := i.get("/live/concert/index.m3u8")
		for _, w := range want {
			if !strings.Contains(string(b), w) {
				return false
			}
		}
		return true
	}
	waitFor(t, 20*time.Second, "a ladder of three", func() bool {
		return offered("RESOLUTION=320x180", "RESOLUTION=214x120", "RESOLUTION=160x90", "v2/index.m3u8", "v3/index.m3u8")
	})
	if offered("1280x720") {
		t.Error("180 lines were made 720")
	}

	// The source plays on, whatever becomes of the encoder of the others.
	source := i.view(s.Watch)
	waitFor(t, 15*time.Second, "the source to be watched", func() bool { return source.now().PiecesVerified > 5 })
	stalls := *source.now().Stalls
	if n := len(i.encoders()); n != 1 {
		t.Fatalf("%d encoders run for one stream", n)
	}
	if err := syscall.Kill(i.encoders()[0], syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, 15*time.Second, "another encoder, whose pieces are as new as the source's", func() bool {
		m := i.manifest("concert")
		made := m.entriesOf(t, "v3")
		if len(i.encoders()) != 1 || len(made) == 0 {
			return false
		}
		last := made[len(made)-1]
		return !last.Gap && last.N+2 >= m.last(t).N
	})

	sum, file := watch(t, s.Watch, "--rendition", "v3", "--seconds", "4")
	decodes(t, file)
	if got := probe(t, file); !strings.Contains(got, "h264,160,90") || !strings.Contains(got, "aac,48000,1") {
		t.Errorf("what was watched is %s", got)
	}
	// Its encoder comes last on this machine, which has much to do: once it may be late.
	if sum.PiecesRejected != 0 || *sum.BlocksRejected != 0 || *sum.Stalls > 1 {
		t.Errorf("%d pieces and %d blocks were rejected, and it stalled %d times", sum.PiecesRejected, *sum.BlocksRejected, *sum.Stalls)
	}
	if now := source.now(); *now.Stalls != stalls || now.PiecesRejected != 0 {
		t.Errorf("the source stalled %d times, %d of its pieces were rejected", *now.Stalls-stalls, now.PiecesRejected)
	}
	camera.kill()
	waitFor(t, 15*time.Second, "the encoder to end with its stream", func() bool { return len(i.encoders()) == 0 })
	if strings.Contains(i.log.String(), "failed too often") {
		t.Error("the log says that renditions were given up")
	}
}
