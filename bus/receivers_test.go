package bus_test

import (
	"context"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

func TestReceiverReportsComeToWhoFollowsThemAndNothingElseDoes(t *testing.T) {
	server, b := bustest.StartServer(t)
	type report struct {
		id event.StreamID
		event.ReceiverReport
	}
	got := make(chan report, 64)
	followed(t, func(ctx context.Context) error {
		return b.FollowReceiverReports(ctx, func(id event.StreamID, r event.ReceiverReport) { got <- report{id, r} })
	})
	want := event.ReceiverReport{Epoch: 5, At: 1_700_000_000_000, Protocol: "srt", RTT: 40_000, Bytes: 1_000_000}
	strangers := rawClient(t, server)
	other := bustest.Connect(t, server, "ingest")
	// It is not kept: what was said before somebody follows is not heard.
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for range 1000 {
		check(t, strangers.Publish("shoal.receiver."+string(streamA), []byte(`{"v":1,"lost":-1}`)))
		check(t, strangers.Publish("shoal.receiver.nobody", []byte(`{"v":1,"protocol":"srt"}`)))
		check(t, other.PublishReceiverReport(streamA, want))
		select {
		case r := <-got:
			if r != (report{streamA, want}) {
				t.Fatalf("got %+v", r)
			}
			return
		case <-tick.C:
		}
	}
	t.Fatal("no report came")
}
