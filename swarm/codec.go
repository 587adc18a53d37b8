package swarm

import (
	"encoding/base32"
	"errors"
	"fmt"

	"github.com/shoalcast/shoal/event"
)

// ErrMessage is the class of all errors of Encoder and Decoder: what is no message, or
// one that cannot be. Whoever sent such bytes is at fault.
var ErrMessage = errors.New("malformed swarm message")

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: "+format, append([]any{ErrMessage}, args...)...)
}

// A frame begins with its kind.
const (
	kindTrack byte = iota
	kindHello
	kindHead
	kindBlock
	kindHave
	kindWant
	kindCancel
	kindDeny
	kindGetHeads
	kindSubscribe
	kindGrant
	kindPeers
	kindState
	kindCredit
	kindPing
	kindPong
	kindDrain
	kindGetRecords
	kindRecords
	kindGetInit
	kindInit
	kindSignal
	kindBye
)

const (
	trackIDs   = 64  // tracks that a sender may have declared at a time
	maxRecords = 128 // envelopes of one Records
	helloSize  = 1 + 20 + 16 + 1 + 1 + 4

	helloLeaf       = 1
	subscribeUrgent = 1
)

// trackKey is what a track stands for: an epoch of a rendition.
type trackKey struct {
	r     event.Rendition
	epoch event.Epoch
}

// streamCoding writes a stream's id as the 20 bytes that it is made of.
var streamCoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)
