package store

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/pressly/goose/v3"
)

//go:embed schema/*.sql
var schema embed.FS

// Migrate brings the schema to this build's. One at a time may do it: see analytics.Lease. A schema that is newer is ErrNewer,
// and left alone.
func (s *Store) Migrate(ctx context.Context) error {
	return s.migrations(func(p *goose.Provider) error {
		have, want, err := p.GetVersions(ctx)
		if err != nil {
			return fmt.Errorf("look at the schema's version: %w", explain(err))
		}
		if have > want {
			return fmt.Errorf("version %d, where this build knows %d: %w", have, want, ErrNewer)
		}
		done, err := p.Up(ctx)
		if err != nil {
			return fmt.Errorf("bring the schema from version %d to %d: %w", have, want, explain(err))
		}
		for _, m := range done {
			s.log.Info("the schema in ClickHouse was brought forward", "migration", m.Source.Path, "took", m.Duration)
		}
		return nil
	})
}

// Unmigrate takes all of the schema back, with what is in it.
func (s *Store) Unmigrate(ctx context.Context) error {
	return s.migrations(func(p *goose.Provider) error {
		if _, err := p.DownTo(ctx, 0); err != nil {
			return fmt.Errorf("take the schema back: %w", explain(err))
		}
		return nil
	})
}

func (s *Store) migrations(do func(*goose.Provider) error) error {
	files, err := fs.Sub(schema, "schema")
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	db := clickhouse.OpenDB(s.opts)
	defer func() { _ = db.Close() }()
	p, err := goose.NewProvider(goose.DialectClickHouse, db, files, goose.WithTableName("schema_version"))
	if err != nil {
		return fmt.Errorf("read the schema: %w", err)
	}
	return do(p)
}
