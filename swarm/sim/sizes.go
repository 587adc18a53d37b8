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

// key is the length of a piece's name: its rendition's number, its epoch and its own.
const key = 1 + 6 + 3

// sizeOf returns the length of a message on the wire, framing included, and how much of
// it is a block's data.
func sizeOf(m swarm.Message) (size, data int) {
	n := 1
	switch m := m.(type) {
	case *swarm.Hello:
		n += 1 + 32 + 16 + 1 + 1 + 4
	case *swarm.Head:
		n += 2 + len(m.Payload) + len(m.Sig) + len(m.KeyID) + 2 + 32*len(m.Leaves)
	case *swarm.Block:
		n, data = n+key+1+len(m.Data), len(m.Data)
	case *swarm.Have:
		n += key + 1
	case *swarm.Want:
		n += key + maskSize(&m.Blocks)
	case *swarm.Cancel:
		n += key + maskSize(&m.Blocks)
	case *swarm.Deny:
		n += key + maskSize(&m.Blocks)
	case *swarm.GetHeads:
		n += key + 1
	case *swarm.Subscribe:
		n += 1 + 2 + 1
	case *swarm.Grant:
		n += 1 + 2 + 1
	case *swarm.Peers:
		n += 1 + len(m.Hints)*(16+1+6+1)
	case *swarm.State:
		n += 1 + len(m.Depth) + len(m.Branch) + 2 + 4 + 4
	case *swarm.Credit:
		n += 5
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
		n += len(m.From) + len(m.To) + 2 + len(m.Body)
	case *swarm.Bye:
		n++
	}
	return n + framing, data
}

// maskSize is the length of a mask without its trailing zeros.
func maskSize(m *swarm.Mask) int {
	for i := len(m) - 1; i >= 0; i-- {
		if m[i] != 0 {
			return 1 + i*8 + (bits.Len64(m[i])+7)/8
		}
	}
	return 1
}
