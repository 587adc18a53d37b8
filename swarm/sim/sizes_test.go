package sim

import (
	"net/netip"
	"testing"

	"github.com/shoalcast/shoal/event"
	"github.com/shoalcast/shoal/swarm"
)

func TestTheSimulatorCountsWhatTheCodecWrites(t *testing.T) {
	o := Defaults()
	at := func(n uint64) swarm.Key {
		return swarm.Key{R: event.Source, Position: event.Position{Epoch: epoch, N: n}}
	}
	var messages []swarm.Message
	for _, h := range newStream(&o).heads {
		messages = append(messages, h)
	}
	for _, i := range []int{0, 7, 8, 63, 64, 255} {
		var m swarm.Mask
		m.Set(i)
		messages = append(messages, &swarm.Want{Key: at(9), Blocks: m}, &swarm.Cancel{Key: at(127), Blocks: m}, &swarm.Deny{Key: at(128), Blocks: m})
	}
	messages = append(messages, []swarm.Message{
		&swarm.Block{Key: at(1 << 14), Index: 3, Data: make([]byte, 99)}, &swarm.Have{Key: at(0), Count: 1}, &swarm.Have{Key: at(1<<14 - 1), Count: 150},
		&swarm.GetHeads{Key: at(5), Count: 9}, &swarm.Subscribe{R: event.Source, Lanes: 1}, &swarm.Grant{R: event.Source, Lanes: 1},
		&swarm.Peers{Hints: []swarm.Hint{{}, {Addr: netip.MustParseAddrPort("192.0.2.7:6881")}, {Addr: netip.MustParseAddrPort("[2001:db8::7]:6882")}}},
		&swarm.State{R: event.Source}, &swarm.Credit{Limit: 65536}, &swarm.Ping{}, &swarm.Pong{}, &swarm.Drain{}, &swarm.GetRecords{},
		&swarm.Records{Envelopes: [][]byte{[]byte("{1}"), []byte("{22}")}}, &swarm.GetInit{}, &swarm.Init{Total: 700, Data: make([]byte, 5)},
		&swarm.Signal{Body: make([]byte, 5)}, &swarm.Bye{},
	}...)
	var e swarm.Encoder
	messages = append([]swarm.Message{&swarm.Hello{Version: 1, Stream: streamID}}, messages...)
	for _, m := range messages {
		frames, err := e.Encode(nil, m)
		if err != nil {
			t.Fatal(err)
		}
		if size, _ := sizeOf(m); size != framing+len(frames[len(frames)-1]) {
			t.Errorf("%T has %d bytes, and is counted as %d", m, framing+len(frames[len(frames)-1]), size)
		}
	}
}

func TestSimulatedHeadsAreAsLongAsRealOnes(t *testing.T) {
	o := Defaults()
	o.Bitrate = 1_000_000
	sum, heads := 0, newStream(&o).heads
	for _, h := range heads {
		size, _ := sizeOf(h)
		if most := 300 + 32*len(h.Leaves); size > most {
			t.Errorf("head %d has %d bytes and %d leaves", h.Entry.N, size, len(h.Leaves))
		}
		sum += size
	}
	if mean := sum / len(heads); mean < 180 || mean > 240 {
		t.Errorf("a head of a stream of 1 Mbit/s has %d bytes", mean)
	} else {
		t.Logf("%d bytes", mean)
	}
}
