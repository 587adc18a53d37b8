package ingest

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/ingest/srt/libsrt"
	"github.com/shoalcast/shoal/internal/rtmptest"
)

// srtCall is a publisher over SRT in this process.
type srtCall struct {
	lib *libsrt.Library
	u   libsrt.Socket
}

func callSRT(t *testing.T, addr, streamID string) *srtCall {
	t.Helper()
	lib, err := libsrt.Load()
	if err != nil {
		t.Fatal(err)
	}
	u, err := lib.Socket()
	if err != nil {
		t.Fatal(err)
	}
	c := &srtCall{lib, u}
	t.Cleanup(c.close)
	if err := lib.SetText(u, libsrt.OptStreamID, streamID); err != nil {
		t.Fatal(err)
	}
	if err := lib.Connect(u, netip.MustParseAddrPort(addr)); err != nil {
		t.Fatal(err)
	}
	return c
}

// refused is the code that the listener gave; 0 for none.
func (c *srtCall) refused() libsrt.Reject { return c.lib.RejectReason(c.u) }

func (c *srtCall) connected() bool { return c.lib.State(c.u) == libsrt.StateConnected }

// over reports whether the listener has ended the connection. That of one which is just
// being connected looks the same for a moment.
func (c *srtCall) over() bool { return c.lib.State(c.u) > libsrt.StateConnected }

func (c *srtCall) close() { c.lib.Close(c.u) }

func TestOfTwoPublishersAtTheSameMomentOverRTMPAndSRTOnePlays(t *testing.T) {
	b := bustest.Start(t)
	addStream(t, b)
	w := openBoth(t, b)
	rounds := 30
	if os.Getenv("SHOAL_SOAK") != "" {
		rounds = 500
	}
	bySRT, byRTMP, inHandshake := 0, 0, 0
	for i := range rounds {
		before := state(t, b).LastEpoch
		// Who comes first varies, by less than a handshake takes.
		type dialled struct {
			c   *rtmptest.Client
			err error
		}
		rtmp := make(chan dialled, 1)
		time.AfterFunc(time.Duration(i%10)*time.Millisecond, func() {
			c, err := rtmptest.Dial(t.Context(), "rtmp://"+w.rtmp+"/live/live?key="+testKey, rtmptest.Options{})
			rtmp <- dialled{c, err}
		})
		call := callSRT(t, w.srt, "#!::r=live,m=publish,s="+testKey)
		r := <-rtmp
		if r.err == nil {
			byRTMP++
			until(t, "SRT is refused, or its connection ended", func() bool { return call.refused() != 0 || call.over() })
			if code := call.refused(); code == libsrt.Conflict {
				inHandshake++
			} else if code != 0 {
				t.Errorf("SRT was refused with %d", code)
			}
		} else {
			bySRT++
			var status *rtmptest.StatusError
			if !errors.As(r.err, &status) || !strings.Contains(status.Description, "already has a publisher") {
				t.Errorf("RTMP was refused with %v", r.err)
			}
			until(t, "SRT is connected", call.connected)
		}
		// Who came second is refused while the first still claims its epoch.
		s := state(t, b)
		until(t, "somebody to play", func() bool {
			s = state(t, b)
			return s.Live() && s.LastEpoch > before
		})
		// The winner goes, and the name is free.
		if r.err == nil {
			_ = r.c.Close()
		}
		call.close()
		until(t, "the name is free", func() bool {
			w.mu.Lock()
			defer w.mu.Unlock()
			return len(w.publishing) == 0
		})
		if after := state(t, b); !after.Ended || after.LastEpoch != s.LastEpoch {
			t.Errorf("round %d: epoch %d, which is to have ended, became %+v", i, s.LastEpoch, after)
		}
	}
	t.Logf("RTMP won %d times, SRT %d; SRT read why in its handshake %d times", byRTMP, bySRT, inHandshake)
	if byRTMP == 0 || bySRT == 0 {
		t.Error("that was no race: the same one won each time")
	}
	if n := strings.Count(w.log.String(), "already has a publisher"); n < rounds {
		t.Errorf("the log says of %d in %d why they were refused", n, rounds)
	}
}
