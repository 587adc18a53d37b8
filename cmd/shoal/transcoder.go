package main

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shoalcast/shoal/internal/doctor"
	"github.com/shoalcast/shoal/internal/ffmpeg"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
	"github.com/shoalcast/shoal/transcoder"
)

// renditionFlags say which smaller renditions are made of streams.
type renditionFlags struct {
	Renditions     string `default:"off" placeholder:"LADDER" help:"Smaller renditions to make of every live stream with ffmpeg: off, on (720p,480p,360p) or steps such as 720p@2.5Mbit,360p. Nothing is made larger than it came."`
	RenditionCores int    `name:"rendition-cores" default:"0" placeholder:"N" help:"Most processor cores that making renditions may take (default: all but one)."`
}

func (f renditionFlags) check() error {
	_, err := f.ladder()
	if f.RenditionCores < 0 || f.RenditionCores > 1024 {
		return first(err, fmt.Errorf("--rendition-cores %d must be 0 to 1024", f.RenditionCores))
	}
	return err
}

func (f renditionFlags) ladder() (transcoder.Ladder, error) {
	l, err := transcoder.ParseLadder(f.Renditions)
	if err != nil {
		return nil, fmt.Errorf("--renditions: %w", err)
	}
	return l, nil
}

func (f renditionFlags) limits() transcoder.Limits { return transcoder.Limits{Cores: f.RenditionCores} }

// addTranscoder adds the making of renditions, if any are wanted.
func (n *node) addTranscoder(f renditionFlags) error {
	ladder, err := f.ladder()
	if err != nil {
		return refused(err)
	}
	if len(ladder) == 0 {
		return nil
	}
	log := n.log.With(obs.KeyService, "transcoder")
	if _, err := ffmpeg.Find(); err != nil {
		log.Warn("no renditions are made", obs.KeyError, err)
	}
	instance, err := n.instance()
	if err != nil {
		return refused(err)
	}
	s := transcoder.New(transcoder.Options{
		Bus: n.bus, Instance: instance, Ladder: ladder, Limits: f.limits(), Log: log, Metrics: transcoder.NewMetrics(n.reg),
	})
	n.ready.add("transcoder", closed(s.Ready()))
	n.group.Add(proc.Service, "transcoder", s.Run)
	return nil
}

// renditions says what making them takes.
func (c *doctorCmd) renditions(ctx context.Context) doctor.Check {
	check := doctor.Check{Name: "renditions"}
	ladder, err := c.ladder()
	if err != nil {
		check.Status, check.What, check.Do = doctor.Fail, "--renditions cannot be read", err.Error()
		return check
	}
	off := len(ladder) == 0
	if off {
		ladder, _ = transcoder.ParseLadder("on")
	}
	cores, err := transcoder.Cost(ctx, ladder, c.limits())
	switch {
	case errors.Is(err, ffmpeg.ErrMissing) && off:
		check.What = "off, as --renditions says"
		return check
	case err != nil:
		check.Status, check.What, check.Do = doctor.Warn, "no renditions can be made", err.Error()
		return check
	}
	check.What = fmt.Sprintf("%s take %.1f of %d processor cores for each stream of 1080p at 30 pictures a second", ladder, cores, runtime.NumCPU())
	switch {
	case off:
		check.What = "off; " + check.What
	case cores > float64(runtime.NumCPU()):
		check.Status, check.Do = doctor.Warn, "that is more than there is: name fewer or smaller steps in --renditions, or they will have holes"
	}
	return check
}
