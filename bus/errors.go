package bus

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// AnySeq as an expected sequence appends whatever the subject's last one is.
const AnySeq uint64 = math.MaxUint64

var (
	// ErrConflict says that another writer appended first: read again, then decide again.
	ErrConflict = errors.New("another writer appended first")
	// ErrNoSpace says that the bus has no room left on disk.
	ErrNoSpace = errors.New("the bus has no disk space left: free some, or move the data directory (--data) to a larger disk")
	// ErrCredentials says that the server does not accept who we are.
	ErrCredentials = errors.New("the NATS server does not accept these credentials: check --nats-creds")
	// ErrUnreachable says that the server did not answer in time.
	ErrUnreachable = errors.New("the NATS server does not answer")
	// ErrClosed says that the bus was closed.
	ErrClosed = errors.New("the bus is closed")
	// ErrStop returned by a handler, wrapped or bare, ends its follow at once with
	// that error, without retries and without giving the message up to DEAD.
	ErrStop = errors.New("stop following")
	// ErrGiveUp returned by a handler, wrapped or bare, gives the message up to DEAD at
	// once: no retry will make it any better.
	ErrGiveUp = errors.New("no retry can help")
)

// Codes of JetStream's API errors that have a meaning of their own here; see the
// server's errors.json.
const (
	codeAccountResources  jetstream.ErrorCode = 10002
	codeInsufficient      jetstream.ErrorCode = 10023
	codeStorageResources  jetstream.ErrorCode = 10047
	codeWrongLastSeq      jetstream.ErrorCode = 10071
	codeStoreFailed       jetstream.ErrorCode = 10077
	codeWrongLastSeqConst jetstream.ErrorCode = 10164
)

// explain puts the sentence that a person needs in front of what the library says.
func explain(err error) error {
	if err == nil {
		return nil
	}
	var api *jetstream.APIError
	if errors.As(err, &api) {
		switch api.ErrorCode {
		case codeWrongLastSeq, codeWrongLastSeqConst:
			return fmt.Errorf("%w (%w)", ErrConflict, err)
		case codeAccountResources, codeInsufficient, codeStorageResources:
			return fmt.Errorf("%w (%w)", ErrNoSpace, err)
		case codeStoreFailed:
			if strings.Contains(api.Description, "no space") || strings.Contains(api.Description, "maximum bytes") {
				return fmt.Errorf("%w (%w)", ErrNoSpace, err)
			}
		}
		if strings.Contains(api.Description, "API level") {
			return fmt.Errorf("this bus was written by a newer Shoal; use that version or a later one (%w)", err)
		}
		return err
	}
	switch {
	case errors.Is(err, nats.ErrAuthorization), errors.Is(err, nats.ErrAuthExpired), errors.Is(err, nats.ErrAuthRevoked):
		return fmt.Errorf("%w (%w)", ErrCredentials, err)
	case errors.Is(err, nats.ErrConnectionClosed):
		return fmt.Errorf("%w (%w)", ErrClosed, err)
	case unanswered(err), errors.Is(err, nats.ErrNoServers):
		return fmt.Errorf("%w (%w)", ErrUnreachable, err)
	}
	return err
}

// unanswered reports whether err leaves open if the server took what was sent, or
// says that it was not there to take it: trying again may help.
func unanswered(err error) bool {
	for _, e := range []error{
		nats.ErrTimeout, nats.ErrDisconnected, nats.ErrNoResponders, nats.ErrReconnectBufExceeded,
		nats.ErrConnectionReconnecting, jetstream.ErrNoStreamResponse, jetstream.ErrAsyncPublishTimeout,
		context.DeadlineExceeded, io.EOF, io.ErrClosedPipe,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return errors.As(err, new(net.Error)) // a write may be the first to notice
}
