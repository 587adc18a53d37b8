package rtmp

import (
	"context"
	"net/url"
	"strings"

	"github.com/shoalcast/shoal/ingest/media"
)

// Request is what a publisher asks for.
type Request struct {
	App    string // application, without its query; any is accepted
	Name   string // what to publish, without its query
	Key    string // publish key as given, "" when there is none; never logged here
	Remote string // the peer's address
	// Encoder is how the sending program names itself (flashVer); may be empty.
	Encoder string
}

// Authorizer decides whether a request may publish, and gives what receives it. Its
// context ends with the setup time of Limits and with the server. When it returns a
// *Refusal the publisher is told its Reason; other errors are logged, and the
// publisher is told that the server failed.
type Authorizer func(ctx context.Context, r Request) (Sink, error)

// Sink receives one publish. Its methods are called from one goroutine, one at a time.
// A Push that blocks holds back the publisher; a method that returns an error ends
// the publish, and a *Refusal's Reason is what the publisher reads.
type Sink interface {
	// Config gives a track's configuration before its first access unit, and again
	// when it changes; repetitions of the same record are left out.
	Config(media.Config) error
	// Push gives the next access unit. The sink owns its Data from here on.
	Push(media.AccessUnit) error
	// Close is called exactly once, last. A nil reason: the publisher ended the publish.
	Close(reason error)
}

// MetadataSink is a Sink that wants to know what the encoder says of itself.
type MetadataSink interface {
	Sink
	// Metadata is called when onMetaData arrives, possibly never or repeatedly.
	Metadata(Metadata)
}

// Metadata is what encoders say in onMetaData. Fields that are not said are zero;
// none may be relied on.
type Metadata struct {
	Encoder       string
	Width, Height int
	FrameRate     float64 // frames per second
	VideoKbps     float64 // kilobits per second
	AudioKbps     float64 // kilobits per second
}

// Refusal is an error with a sentence for the publisher.
type Refusal struct {
	Reason string // what the person reads
	Err    error  // what the operator reads, may be nil
}

func (r *Refusal) Error() string {
	if r.Err != nil {
		return r.Reason + ": " + r.Err.Error()
	}
	return r.Reason
}

// Unwrap returns the error behind the refusal.
func (r *Refusal) Unwrap() error { return r.Err }

// maxName bounds the publish name with its query, in bytes.
const maxName = 1024

// parseName splits "name?key=KEY". The key may stand in the query of the name, the
// app or tcUrl, in this order.
func parseName(name, app, tcURL string) (appName, streamName, key string) {
	streamName, query, _ := strings.Cut(name, "?")
	appName, appQuery, _ := strings.Cut(app, "?")
	_, urlQuery, _ := strings.Cut(tcURL, "?")
	for _, q := range []string{query, appQuery, urlQuery} {
		if key = keyOf(q); key != "" {
			break
		}
	}
	return strings.Trim(appName, "/"), strings.Trim(streamName, "/"), key
}

func keyOf(query string) string {
	for part := range strings.SplitSeq(query, "&") {
		v, ok := strings.CutPrefix(part, "key=")
		if !ok {
			continue
		}
		if u, err := url.QueryUnescape(v); err == nil {
			return u
		}
		return v
	}
	return ""
}
