// Package obs is how the process is observed: logs with fixed keys and a level that
// changes while it runs, a Prometheus registry, traces that follow a piece from ingest
// to origin, and the build's version. It is the only importer of OpenTelemetry's SDK
// and of Prometheus's HTTP handler; services are handed a logger, a registerer and a
// tracer.
package obs
