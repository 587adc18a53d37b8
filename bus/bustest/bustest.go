// Package bustest gives tests a real bus: an embedded server on a temporary
// directory, provisioned, gone at the test's end.
package bustest

import (
	"testing"

	"github.com/shoalcast/shoal/bus"
)

// Start returns a bus of its own for t.
func Start(t testing.TB) *bus.Bus {
	t.Helper()
	_, b := StartServer(t)
	return b
}

// StartServer returns a server of its own for t, and a bus on it, for tests that
// connect more than one service.
func StartServer(t testing.TB) (*bus.Server, *bus.Bus) {
	t.Helper()
	s, err := bus.StartServer(t.Context(), bus.ServerOptions{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Shutdown)
	b := Connect(t, s, "test")
	if err := b.Provision(t.Context(), bus.Limits{}); err != nil {
		t.Fatal(err)
	}
	return s, b
}

// Connect returns another service's bus on s, closed at the test's end.
func Connect(t testing.TB, s *bus.Server, name string) *bus.Bus {
	t.Helper()
	b, err := bus.Connect(t.Context(), bus.Options{Server: s, Name: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.Close)
	return b
}
