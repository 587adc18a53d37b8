// Package collect takes reports over HTTP, from devices that have no NATS, and hands
// them to the bus as they are. See docs/spec/telemetry.md.
package collect
