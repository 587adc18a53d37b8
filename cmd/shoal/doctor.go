package main

import (
	"context"
	"errors"

	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/doctor"
)

type doctorCmd struct {
	dataFlags  `embed:""`
	HTTP       string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address that --http of up is to have."`
	RTMP       string `default:":1935" placeholder:"ADDR" help:"Address that --rtmp of up is to have."`
	RTMPS      string `default:":1936" placeholder:"ADDR" help:"Address that --rtmps of up is to have."`
	Torrent    string `name:"torrent" default:":6881" placeholder:"ADDR" help:"Address that --torrent of up is to have."`
	WebRTC     string `name:"webrtc" default:":6882" placeholder:"ADDR" help:"Address that --webrtc of up is to have."`
	TrackerUDP string `name:"tracker-udp" default:":6969" placeholder:"ADDR" help:"Address that --tracker-udp of up is to have."`
	STUN       string `name:"stun" default:":3478" placeholder:"ADDR" help:"Address that --stun of up is to have."`
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
			{Flag: "--torrent", Network: "tcp", Addr: c.Torrent},
			{Flag: "--webrtc", Network: "udp", Addr: c.WebRTC},
			{Flag: "--tracker-udp", Network: "udp", Addr: c.TrackerUDP},
			{Flag: "--stun", Network: "udp", Addr: c.STUN},
		},
	})
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
