package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/shoalcast/shoal/internal/nattest"
)

// concert is a live stream on a server that homes reach, with `shoal up` as anybody
// would start it there.
func concert(t *testing.T) (*nattest.Internet, stream) {
	t.Helper()
	net := nattest.New(t)
	i := &instance{t: t, data: filepath.Join(t.TempDir(), "data"), host: net.Server}
	i.start()
	t.Cleanup(i.kill)
	s := i.addStream("concert")
	run(t, net.Server.Command("ffmpeg", camera(s)...))
	waitFor(t, 20*time.Second, "the concert to be live", func() bool {
		return net.Server.Command("curl", "-sf", i.at.HTTP+"/live/concert/v0/index.m3u8").Run() == nil
	})
	return net, s
}

func TestViewersBehindNATsMeetAndFeedEachOther(t *testing.T) {
	t.Parallel()
	net, s := concert(t)
	viewers := []*viewer{
		viewing(t, net.Home(nattest.Steady).Command, s.Watch),
		viewing(t, net.Home(nattest.Steady).Command, s.Watch),
	}
	waitFor(t, 70*time.Second, "one of them to take something from the other", func() bool {
		var given int64
		for _, v := range viewers {
			v.runs()
			given += v.now().Bytes["peer"]
		}
		return given > 0
	})
	for _, v := range viewers {
		v.plays(10, "once they had met")
	}
	for _, v := range viewers {
		v.leave().requireAllTrue(t)
		decodes(t, v.file)
	}
}

func TestViewersWhoseNATsKeepThemApartPlayFromTheSeedAndLeaveEachOtherAlone(t *testing.T) {
	t.Parallel()
	net, s := concert(t)
	var viewers []*viewer
	var logs []string
	for range 2 {
		log := filepath.Join(t.TempDir(), "log")
		viewers = append(viewers, viewing(t, net.Home(nattest.Symmetric).Command, s.Watch, "--log-level", "debug", "--log-file", log))
		logs = append(logs, log)
	}
	waitFor(t, 70*time.Second, "one of them to leave the other alone", func() bool {
		viewers[0].runs()
		viewers[1].runs()
		return slices.ContainsFunc(logs, func(log string) bool {
			said, _ := os.ReadFile(log) // it may not be there yet
			return bytes.Contains(said, []byte("was tried in vain and is left alone"))
		})
	})
	for _, v := range viewers {
		p := v.leave()
		p.requireAllTrue(t)
		if *p.Stalls != 0 || p.Bytes["peer"] != 0 || p.Bytes["seed"] == 0 {
			t.Errorf("%d stalls, and the bytes are %v", *p.Stalls, p.Bytes)
		}
		decodes(t, v.file)
	}
}
