package main

import (
	"context"
	"errors"
	"os"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/ingest"
	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/doctor"
)

type doctorCmd struct {
	dataFlags      `embed:""`
	renditionFlags `embed:""`

	HTTP       string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address that --http of up is to have."`
	RTMP       string `default:":1935" placeholder:"ADDR" help:"Address that --rtmp of up is to have."`
	SRT        string `name:"srt" default:":8890" placeholder:"ADDR" help:"Address that --srt of up is to have."`
	RTMPS      string `default:":1936" placeholder:"ADDR" help:"Address that --rtmps of up is to have."`
	Torrent    string `name:"torrent" default:":6881" placeholder:"ADDR" help:"Address that --torrent of up is to have."`
	WebRTC     string `name:"webrtc" default:":6882" placeholder:"ADDR" help:"Address that --webrtc of up is to have."`
	TrackerUDP string `name:"tracker-udp" default:":6969" placeholder:"ADDR" help:"Address that --tracker-udp of up is to have."`
	STUN       string `name:"stun" default:":3478" placeholder:"ADDR" help:"Address that --stun of up is to have."`
	ClickHouse string `name:"clickhouse" default:"embedded" placeholder:"DSN" help:"Where --clickhouse of up takes telemetry."`
	JSON       bool   `help:"Print as JSON."`
}

func (c *doctorCmd) Run(ctx context.Context, t terminal) error {
	_, err := datadir.Find(c.Data)
	checks := doctor.Run(ctx, doctor.Options{
		Data:    c.Data,
		Running: err == nil || errors.Is(err, datadir.ErrStarting),
		Ports: []doctor.Port{
			{Flag: "--http", Network: "tcp", Addr: c.HTTP},
			{Flag: "--rtmp", Network: "tcp", Addr: c.RTMP},
			{Flag: "--rtmps", Network: "tcp", Addr: c.RTMPS},
			{Flag: "--srt", Network: "udp", Addr: c.SRT},
			{Flag: "--torrent", Network: "tcp", Addr: c.Torrent},
			{Flag: "--webrtc", Network: "udp", Addr: c.WebRTC},
			{Flag: "--tracker-udp", Network: "udp", Addr: c.TrackerUDP},
			{Flag: "--stun", Network: "udp", Addr: c.STUN},
		},
	})
	checks = append(checks, c.srt(), c.renditions(ctx), c.analytics())
	write := doctor.Write
	if c.JSON {
		write = doctor.WriteJSON
	}
	if err := write(t.out, checks); err != nil {
		return err
	}
	if doctor.Failed(checks) {
		return silent(errors.New("a check failed"))
	}
	return nil
}

// srt says whether SRT can be taken.
func (c *doctorCmd) srt() doctor.Check {
	version, err := ingest.SRTVersion()
	switch {
	case err == nil:
		return doctor.Check{Name: "SRT", What: "libsrt " + version}
	case c.SRT == "":
		return doctor.Check{Name: "SRT", What: "it is off, as --srt says"}
	}
	return doctor.Check{Name: "SRT", Status: doctor.Warn, What: "encoders cannot send SRT, only RTMP", Do: err.Error()}
}

// analytics says whether telemetry comes to a ClickHouse.
func (c *doctorCmd) analytics() doctor.Check {
	check := doctor.Check{Name: "analytics"}
	const kept = "telemetry stays on the bus for a day, and the dashboard is empty"
	switch c.ClickHouse {
	case nowhere:
		check.Status, check.What, check.Do = doctor.Warn, "--clickhouse is none: "+kept, "leave --clickhouse out, or name a server"
	case embedded:
		library, err := chdb.Find(os.Getenv("SHOAL_CHDB"))
		if err != nil {
			check.Status, check.What, check.Do = doctor.Warn, kept, err.Error()
			break
		}
		check.What = "ClickHouse's library at " + library
	default:
		if _, err := store.Parse(c.ClickHouse); err != nil {
			check.Status, check.What, check.Do = doctor.Fail, "--clickhouse cannot be used", err.Error()
			break
		}
		check.What = "a ClickHouse server of yours, which is not asked here"
	}
	return check
}
