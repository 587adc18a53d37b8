package sim

import (
	"math/bits"

	"github.com/shoalcast/shoal/swarm"
)

// framing is what BitTorrent puts before an extension message: length, type, extension.
const framing = 6

// Kinds of messages, in the order of the protocol.
const (
	helloKind = iota
	headKind
	blockKind
	haveKind
	wantKind
	cancelKind
	denyKind
	getHeadsKind
	subscribeKind
	grantKind
	peersKind
	stateKind
	creditKind
	pingKind
	pongKind
	otherKind
	messageKinds
)

var kindNames = [messageKinds]string{
	"hello", "head", "block", "have", "want", "cancel", "deny", "get heads", "subscribe", "grant", "peers", "state", "credit", "ping", "pong", "other",
}

const reasons = int(swarm.LiedHead) + 1

func kindOf(m swarm.Message) int {
	switch m.(type) {
	case *swarm.Hello:
		return helloKind
	case *swarm.Head:
		return headKind
	case *swarm.Block:
		return blockKind
	case *swarm.Have:
		return haveKind
	case *swarm.Want:
		return wantKind
	case *swarm.Cancel:
		return cancelKind
	case *swarm.Deny:
		return denyKind
	case *swarm.GetHeads:
		return getHeadsKind
	case *swarm.Subscribe:
		return subscribeKind
	case *swarm.Grant:
		return grantKind
	case *swarm.Peers:
		return peersKind
	case *swarm.State:
		return stateKind
	case *swarm.Credit:
		return creditKind
	case *swarm.Ping:
		return pingKind
	case *swarm.Pong:
		return pongKind
	}
	return otherKind
}

// sizeOf returns the length of a message on the wire, framing included, and how much of
// it is a block's data. Tracks are left out: there is one for each epoch and connection.
func sizeOf(m swarm.Message) (size, data int) {
	n := 1
	switch m := m.(type) {
	case *swarm.Hello:
		n += 1 + 20 + len(m.ID) + 1 + 1 + 4
	case *swarm.Head:
		n = m.FrameSize()
	case *swarm.Block:
		n, data = n+keySize(m.Key)+1+len(m.Data), len(m.Data)
	case *swarm.Have:
		if n += keySize(m.Key); m.Count > 1 {
			n += numberSize(uint64(m.Count))
		}
	case *swarm.Want:
		n += keySize(m.Key) + maskSize(&m.Blocks)
	case *swarm.Cancel:
		n += keySize(m.Key) + maskSize(&m.Blocks)
	case *swarm.Deny:
		n += keySize(m.Key) + maskSize(&m.Blocks)
	case *swarm.GetHeads:
		n += keySize(m.Key) + 1
	case *swarm.Subscribe:
		n += 4 + 1 + len(m.R)
	case *swarm.Grant:
		n += 4 + len(m.R)
	case *swarm.Peers:
		for _, h := range m.Hints {
			if n += len(h.ID) + 1 + 1; h.Addr.IsValid() {
				n += len(h.Addr.Addr().AsSlice()) + 2
			}
		}
	case *swarm.State:
		n += len(m.Depth) + len(m.Branch) + 2 + 4 + 4 + len(m.R)
	case *swarm.Credit:
		n += numberSize(m.Limit)
	case *swarm.Ping, *swarm.Pong:
		n += 4
	case *swarm.GetRecords, *swarm.Drain:
	case *swarm.Records:
		for _, e := range m.Envelopes {
			n += 2 + len(e)
		}
	case *swarm.GetInit:
		n += len(m.Root)
	case *swarm.Init:
		n += len(m.Root) + 8 + len(m.Data)
	case *swarm.Signal:
		n += len(m.From) + len(m.To) + len(m.Body)
	case *swarm.Bye:
		n++
	}
	return n + framing, data
}

// keySize is the length of a piece's name: its track and its number.
func keySize(k swarm.Key) int { return 1 + numberSize(k.N) }

// numberSize is the length of a uvarint.
func numberSize(v uint64) int { return max(1, (bits.Len64(v)+6)/7) }

// maskSize is the length of a mask without its trailing zeros.
func maskSize(m *swarm.Mask) int {
	for i := len(m) - 1; i >= 0; i-- {
		if m[i] != 0 {
			return i*8 + (bits.Len64(m[i])+7)/8
		}
	}
	return 0
}
