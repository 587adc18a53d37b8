package fmp4

import (
	"github.com/shoalcast/shoal/ingest/media"
)

// Chunker turns one publish into chunks. It is used by one goroutine at a time and
// holds at most about one piece.
type Chunker struct{ opts Options }

// New returns a Chunker for one epoch.
func New(o Options) *Chunker { return &Chunker{opts: o.withDefaults()} }

// Config describes a track, before its first access unit or when its parameters
// change. An error means that the record is unusable and the track is left as it was.
func (c *Chunker) Config(cfg media.Config) error { return nil }

// Push adds one access unit and returns the chunks it completes, oldest first,
// usually none or one. The Chunker keeps au.Data until its chunk is returned.
// Bad access units are repaired or dropped with a warning: an error means that no
// further chunk can come of this publish.
func (c *Chunker) Push(au media.AccessUnit) ([]Chunk, error) { return nil, nil }

// Flush returns what is left at the publish's end.
func (c *Chunker) Flush() []Chunk { return nil }
