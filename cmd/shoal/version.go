package main

import (
	"fmt"

	"github.com/shoalcast/shoal/internal/obs"
)

type versionCmd struct {
	JSON bool `help:"Print as JSON."`
}

func (c *versionCmd) Run(t terminal) error {
	build := obs.BuildInfo()
	if c.JSON {
		return printJSON(t.out, build)
	}
	_, err := fmt.Fprintln(t.out, build)
	return err
}
