package bus

import "github.com/nats-io/nats-server/v2/server"

// InProcess lets tests go around the bus.
func (s *Server) InProcess() *server.Server { return s.ns }
