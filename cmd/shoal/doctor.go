package main

import "context"

type doctorCmd struct {
	dataFlags `embed:""`
}

func (c *doctorCmd) Run(_ context.Context, _ terminal) error { return nil }
