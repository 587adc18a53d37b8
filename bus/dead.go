package bus

import (
	"context"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	reasonHandler   = "its handler failed until the limit of retries"
	reasonMalformed = "it could not be read"
	reasonHopeless  = "no retry could help"
	maxDeadError    = 1 << 10 // bytes of an error's text kept
)

// giveUp records in DEAD that consumer is done with m, and logs it. When even that
// fails, the log is all that remains: the follow must go on.
func (b *Bus) giveUp(ctx context.Context, consumer string, m jetstream.Msg, seq uint64, reason string, first error) {
	text := first.Error()
	if len(text) > maxDeadError {
		text = text[:maxDeadError]
	}
	h := nats.Header{}
	for k, v := range m.Headers() {
		switch k {
		case jetstream.MsgIDHeader, jetstream.ExpectedLastSubjSeqHeader, jetstream.MsgTTLHeader:
			// They speak of the stream it came from.
		default:
			h[k] = v
		}
	}
	h.Set(headerDeadReason, reason)
	h.Set(headerDeadError, oneLine(text))
	h.Set(headerDeadSubject, m.Subject())
	h.Set(headerDeadSeq, strconv.FormatUint(seq, 10))
	dead := &nats.Msg{Subject: deadSubject(consumer), Header: h, Data: m.Data()}
	// The same message given up on again, after a restart, is not recorded again.
	id := consumer + " " + m.Subject() + " " + strconv.FormatUint(seq, 10)
	_, err := b.append(ctx, dead, AnySeq, id)
	log := b.log.With("consumer", consumer, "subject", m.Subject(), "seq", seq, "reason", reason, "error", first)
	if err != nil {
		log.Error("gave up on a message and could not keep it", "dead_error", err)
		return
	}
	log.Error("gave up on a message", "kept", dead.Subject)
}

// oneLine makes s fit for a header.
func oneLine(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c < ' ' || c == 0x7f {
			b[i] = ' '
		}
	}
	return string(b)
}
