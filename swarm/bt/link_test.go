package bt_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/shoalcast/shoal/swarm/bt"
	"github.com/shoalcast/shoal/swarm/live"
)

var _ live.Link = (*bt.Link)(nil)

func TestFramesArriveWholeAndInOrder(t *testing.T) {
	a, b := join(t, nil), join(t, nil)
	sa, sb := pair(t, a, b)
	var want [][]byte
	for i := range 100 {
		f := bytes.Repeat([]byte{byte(i)}, 1+i*600)
		want = append(want, f)
		check(t, sa.link.Send(bytes.Clone(f)))
		check(t, sb.link.Send(bytes.Clone(f)))
		b.until("a frame", func() bool { return len(sb.frames) > i })
		a.until("a frame", func() bool { return len(sa.frames) > i })
	}
	for i, f := range want {
		if !bytes.Equal(f, sa.frames[i]) || !bytes.Equal(f, sb.frames[i]) {
			t.Fatalf("frame %d is another one", i)
		}
	}
	if sa.link.Addr() != b.addr() || sb.link.Addr() != a.addr() || !sa.outbound || sb.outbound {
		t.Errorf("%v and %v, want %v and %v", sa.link.Addr(), sb.link.Addr(), b.addr(), a.addr())
	}
}

func TestAFrameLongerThanClientsReceiveIsRefusedBeforeItIsSent(t *testing.T) {
	a, b := join(t, nil), join(t, nil)
	sa, sb := pair(t, a, b)
	if err := sa.link.Send(make([]byte, bt.MaxPayload+1)); !errors.Is(err, bt.ErrTooLong) {
		t.Errorf("65,535 bytes: %v", err)
	}
	check(t, sa.link.Send(make([]byte, bt.MaxPayload)))
	b.until("the longest frame", func() bool { return sb.bytes == bt.MaxPayload })
}
