package main

import (
	"context"
	"errors"

	"github.com/shoalcast/shoal/internal/datadir"
	"github.com/shoalcast/shoal/internal/doctor"
)

type doctorCmd struct {
	dataFlags `embed:""`
	HTTP      string `name:"http" default:"127.0.0.1:8080" placeholder:"ADDR" help:"Address that --http of up is to have."`
	RTMP      string `default:":1935" placeholder:"ADDR" help:"Address that --rtmp of up is to have."`
	RTMPS     string `default:":1936" placeholder:"ADDR" help:"Address that --rtmps of up is to have."`
	JSON      bool   `help:"Print as JSON."`
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
