package bus

import (
	"context"
	"log/slog"
)

// Options says which server to use and as whom: either Server or URL.
type Options struct {
	Server *Server // embedded, in this process
	URL    string  // of an outside server
	Creds  string  // path of a credentials file for URL
	// Name tells consumers apart, in DEAD subjects and in the server's lists: a
	// service's name such as "packager", of a-z, 0-9 and '-'.
	Name string
	Log  *slog.Logger // nil discards
}

// Bus is one connection to the server. It is safe for concurrent use and outlives
// restarts of the server.
type Bus struct{}

// Connect connects to the server that opts names. Wrong credentials are
// ErrCredentials, no answer within ctx or 10 s is ErrUnreachable.
func Connect(ctx context.Context, opts Options) (*Bus, error) { return nil, nil }

// Close ends every follow, waits up to 2 s for what was published to leave, and
// closes the connection.
func (b *Bus) Close() {}
