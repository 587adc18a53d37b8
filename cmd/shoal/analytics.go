package main

import (
	"github.com/shoalcast/shoal/analytics/collect"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/seeder"
)

// telemetryFlags say whether players and seeds report.
type telemetryFlags struct {
	Telemetry bool `default:"true" help:"Have players tell how they play and where their bytes come from, without addresses or names; --telemetry=false turns that off for all."`
}

// collect takes reports over HTTP, of the streams that the origin in this process has.
func (n *node) collect(t telemetryFlags, origin *seeder.Service) {
	if !t.Telemetry {
		return
	}
	n.mux.Handle("/api/v1/telemetry", collect.New(collect.Options{
		Bus: n.bus.As("collector"), Known: origin.Has, Reg: n.reg, Log: n.log.With(obs.KeyService, "collector"),
	}))
}
