package bus

import (
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/shoalcast/shoal/event"
)

// InProcess lets tests go around the bus.
func (s *Server) InProcess() *server.Server { return s.ns }

// PassUntil is Pass with an end of its own.
func (s *Server) PassUntil(id event.StreamID, t time.Time) (Pass, error) { return s.auth.pass(id, t) }

// Creds are the services' credentials.
func (s *Server) Creds() []byte { return s.auth.creds }

// AdmitToPage runs one connection's gate over what came in parts.
func AdmitToPage(parts [][]byte) error {
	g := newPageGate()
	for _, b := range parts {
		if err := g.admit(b, time.Unix(1_700_000_000, 0)); err != nil {
			return err
		}
	}
	return nil
}
