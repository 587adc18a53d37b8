package rtmp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/shoalcast/shoal/ingest/rtmp/amf"
	"github.com/shoalcast/shoal/ingest/rtmp/chunk"
	"github.com/shoalcast/shoal/ingest/rtmp/flv"
)

// fault is why a connection ends: its cause for metrics, what the publisher reads
// (empty: nothing), and the error for the log.
type fault struct {
	cause string
	say   string
	err   error
}

func (f *fault) Error() string { return f.err.Error() }
func (f *fault) Unwrap() error { return f.err }

// serverFailed is read by a publisher when the reason is none of its business.
const serverFailed = "The server could not take this stream because of a fault of its own; its log says more"

// refused makes a fault of an error of an Authorizer or a Sink.
func refused(cause, action string, err error) *fault {
	f := &fault{cause: cause, say: serverFailed, err: fmt.Errorf("%s: %w", action, err)}
	var r *Refusal
	if errors.As(err, &r) {
		f.say = r.Reason
	}
	return f
}

func protocol(format string, args ...any) *fault {
	err := fmt.Errorf(format, args...)
	return &fault{cause: CauseProtocol, say: err.Error(), err: err}
}

// faultOf sorts an error that ended a connection; nil when it is no fault: the peer
// closed while it did not publish, or the server shuts down.
func faultOf(err error, publishing bool) *fault {
	var f *fault
	switch {
	case errors.As(err, &f):
		return f
	case errors.Is(err, errShutdown), errors.Is(err, context.Canceled):
		return &fault{say: errShutdown.Reason, err: err}
	case err == nil, errors.Is(err, io.EOF) && !publishing:
		return nil
	case errors.Is(err, errMadeWay):
		return &fault{cause: CauseFull, err: err}
	case errors.Is(err, errTimeout):
		return &fault{cause: CauseTimeout, say: err.Error(), err: err}
	case errors.Is(err, flv.ErrCodec), errors.Is(err, flv.ErrShort), errors.Is(err, flv.ErrForm):
		return &fault{cause: CauseMedia, say: err.Error(), err: err}
	case isProtocol(err):
		return &fault{cause: CauseProtocol, say: err.Error(), err: err}
	case errors.Is(err, io.EOF):
		err = errors.New("the publisher closed the connection without ending the publish")
	case errors.Is(err, io.ErrUnexpectedEOF):
		err = errors.New("the connection ended in the middle of a message")
	}
	return &fault{cause: CauseLost, err: err}
}

func isProtocol(err error) bool {
	for _, e := range []error{
		errNotRTMP, chunk.ErrChunkSize, chunk.ErrHeader, chunk.ErrStreams, chunk.ErrTooLarge,
		amf.ErrDepth, amf.ErrMarker, amf.ErrShort, amf.ErrValues,
	} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// quiet reports whether a connection that never published may end without a warning:
// port scanners and health checks do that all day.
func quiet(err error) bool {
	var ne net.Error
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.As(err, &ne)
}
