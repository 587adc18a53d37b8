package srt

import (
	"errors"
	"fmt"
)

// fault is why a connection ends: its cause for metrics, and the error for the log and
// the Handler, nil when the peer ended the publish.
type fault struct {
	cause string
	err   error
}

var errShutdown = errors.New("the server is shutting down")

var faultStopped = fault{CauseStopped, errShutdown}

func faultf(cause, format string, args ...any) fault {
	return fault{cause, fmt.Errorf(format, args...)}
}
