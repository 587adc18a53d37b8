package bus

import (
	"errors"
	"math"
)

// AnySeq as an expected sequence appends whatever the subject's last one is.
const AnySeq uint64 = math.MaxUint64

var (
	// ErrConflict says that another writer appended first: read again, then decide again.
	ErrConflict = errors.New("another writer appended first")
	// ErrNoSpace says that the bus has no room left on disk.
	ErrNoSpace = errors.New("the bus has no disk space left: free some, or give it a larger disk with --data")
	// ErrCredentials says that the server does not accept who we are.
	ErrCredentials = errors.New("the NATS server does not accept these credentials: check --nats-creds")
	// ErrUnreachable says that the server did not answer in time.
	ErrUnreachable = errors.New("the NATS server does not answer")
	// ErrStop, wrapped or bare, returned by a handler ends its follow at once with
	// that error, without retries and without giving the message up to DEAD.
	ErrStop = errors.New("stop following")
)
