package bus

import (
	"context"
	"log/slog"
)

// ServerOptions configures an embedded server.
type ServerOptions struct {
	// Dir holds all of its state: <Dir>/auth (keys, 0600) and <Dir>/jetstream.
	Dir string
	// Listen is the host:port of a TCP port for outside services; empty opens none.
	Listen string
	// Log gets the server's warnings and errors; nil discards them.
	Log *slog.Logger
	// MaxStore bounds what JetStream keeps on disk, in bytes; 0 means what the disk
	// has, less a reserve.
	MaxStore int64
}

// Server is a NATS server with JetStream inside this process, in operator mode.
type Server struct{}

// StartServer starts a server on opts.Dir and returns when it takes connections.
// Its keys are made at the first start and used again afterwards.
func StartServer(ctx context.Context, opts ServerOptions) (*Server, error) { return nil, nil }

// Shutdown stops the server and waits until its files are closed.
func (s *Server) Shutdown() {}

// ClientURL is where outside clients connect, empty without a TCP port.
func (s *Server) ClientURL() string { return "" }

// CredsFile is the path of the credentials that services use with ClientURL.
func (s *Server) CredsFile() string { return "" }
