package event_test

import (
	"errors"
	"testing"

	"github.com/shoalcast/shoal/event"
)

var receiverReport = event.ReceiverReport{
	Epoch: 1_700_000_000_000, At: 1_700_000_060_000, Protocol: "srt", RTT: 41_250, Bytes: 30_000_000, Packets: 22_800,
	Lost: 230, Retransmitted: 228, Dropped: 2, Undecrypted: 1, Buffered: 65_800, BufferedFor: 120, Latency: 400,
}

func TestAReceiverReportIsWrittenAsItsGoldenFileSays(t *testing.T) {
	got, err := event.EncodeReceiverReport(receiverReport)
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "receiver_v1_srt.golden", append(got, '\n'))
	if back, err := event.DecodeReceiverReport(got); err != nil || back != receiverReport {
		t.Errorf("read back as %+v, %v", back, err)
	}
}

func TestAReceiverReportThatCannotBeIsRefused(t *testing.T) {
	var unknown *event.UnknownFactError
	if _, err := event.DecodeReceiverReport([]byte(`{"v":2,"protocol":"srt"}`)); !errors.As(err, &unknown) {
		t.Errorf("a later version: %v", err)
	}
	for _, s := range []string{``, `[]`, `{"v":1}`, `{"v":1,"protocol":"srt","lost":-1}`, `{"v":1,"protocol":"srt","bytes":"many"}`} {
		if r, err := event.DecodeReceiverReport([]byte(s)); err == nil || errors.As(err, &unknown) {
			t.Errorf("%s: %+v, %v", s, r, err)
		}
	}
}

func FuzzDecodeReceiverReport(f *testing.F) {
	for _, s := range []string{`{"v":1,"protocol":"srt","rtt_us":5}`, `{"v":1,"epoch":-1,"protocol":"srt"}`, `{}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := event.DecodeReceiverReport(b)
		if err != nil {
			return
		}
		again, err := event.EncodeReceiverReport(r)
		if err != nil {
			t.Fatal(err)
		}
		if back, err := event.DecodeReceiverReport(again); err != nil || back != r {
			t.Errorf("%+v is read back as %+v, %v", r, back, err)
		}
	})
}
