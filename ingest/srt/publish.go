package srt

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/shoalcast/shoal/ingest/srt/libsrt"
)

// ErrMissing is the error of New and Pull without the library. It says what to install.
var ErrMissing = libsrt.ErrMissing

// Version is the version of the library, or ErrMissing.
func Version() (string, error) {
	l, err := libsrt.Load()
	if err != nil {
		return "", err
	}
	return l.Version().String(), nil
}

// Request is what a publisher asks for.
type Request struct {
	Name   string // what to publish
	Key    string // publish key as given, "" when there is none; never logged here
	User   string // as given, "" when there is none
	Remote string // the peer's address
	// Program is the program to take of a transport stream with several, 0 where none
	// was named.
	Program uint16
	// Encoder is the version of the peer's SRT, as "SRT 1.5.1"; empty in Check.
	Encoder string
	// Latency is how long what arrives waits for what is lost, as agreed with the peer;
	// 0 in Check.
	Latency time.Duration
}

// Authorizer decides who may publish.
type Authorizer interface {
	// Check decides in the handshake, by what is known here and now: it must not wait for
	// longer than moments, for nothing else that comes to the listener is read meanwhile. An error refuses; the peer reads the
	// code of a *Refusal, and Failed for other errors.
	Check(r Request) error
	// Start is called when the connection stands, and gives what receives it. It may
	// wait: ctx ends with Limits.Setup, the connection or the server.
	Start(ctx context.Context, r Request) (Handler, error)
}

// Handler receives one publish. Its methods are called one at a time. A Write that
// blocks holds back its own connection only, until Limits.Queue is full.
type Handler interface {
	// Write takes one message as it was sent, usually seven packets of MPEG-TS; it does
	// not keep b. An error ends the connection.
	Write(b []byte) error
	// Close is called exactly once, last. A nil reason: the peer ended the publish.
	Close(reason error)
}

// StatsHandler is a Handler that wants to know how its connection does.
type StatsHandler interface {
	Handler
	// Stats is called about once a second.
	Stats(s Stats)
}

// Stats are figures of a connection's receiver.
type Stats = libsrt.Stats

// Code is what a refused peer reads (SRT_REJECT_REASON).
type Code int

// Codes of refusals, from SRT's access control guidelines.
const (
	BadRequest   = Code(libsrt.BadRequest)   // 1400: the stream id cannot be read
	Unauthorized = Code(libsrt.Unauthorized) // 1401: wrong key, or no such stream
	Overload     = Code(libsrt.Overload)     // 1402: no room
	BadMode      = Code(libsrt.BadMode)      // 1405: not a publish
	Conflict     = Code(libsrt.Conflict)     // 1409: somebody publishes already
	Failed       = Code(libsrt.Internal)     // 1500: a fault of the server's own
)

// Refusal is an error with a code for the publisher, who reads nothing else.
type Refusal struct {
	Code   Code   // 0 stands for Unauthorized
	Reason string // what the operator reads
	Err    error  // may be nil
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Reason + ": " + r.Err.Error()
	}
	return r.Reason
}

// Unwrap returns the error behind the refusal.
func (r *Refusal) Unwrap() error { return r.Err }

// codeOf is what the peer is told of an error; 0 of none.
func codeOf(err error) libsrt.Reject {
	var r *Refusal
	switch {
	case err == nil:
		return 0
	case errors.As(err, &r) && r.Code == 0:
		return libsrt.Unauthorized
	case errors.As(err, &r):
		return libsrt.Reject(r.Code)
	case errors.Is(err, errMode):
		return libsrt.BadMode
	case errors.Is(err, errStreamID), errors.Is(err, errProgram):
		return libsrt.BadRequest
	}
	return libsrt.Internal
}

// requestOf reads what a handshake asks for.
func requestOf(peer netip.AddrPort, streamID string) (Request, error) {
	id, err := ParseStreamID(streamID)
	if err != nil {
		return Request{}, err
	}
	return Request{Name: id.Name, Key: id.Key, User: id.User, Program: id.Program, Remote: peer.String()}, nil
}
