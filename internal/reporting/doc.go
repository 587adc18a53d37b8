// Package reporting holds what reporters have in common (docs/spec/telemetry.md): names of
// sessions, figures of pieces that came, and reports that wait until they are received.
package reporting
