package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// writing are the settings of every insert of reports: it is done when it is on disk, views included, and one with a token
// that was seen before does nothing, in the table and in each view's.
var writing = clickhouse.Settings{
	"async_insert":       0,
	"insert_deduplicate": 1,
	"deduplicate_blocks_in_dependent_materialized_views": 1,
	"max_partitions_per_insert_block":                    0,
}

// Insert writes rows as one block. A token names them: what was written under it before is not written again, so that an
// insert whose end nobody knows is repeated with the same rows and the same token.
func (s *Store) Insert(ctx context.Context, rows *Rows, token string) error {
	if rows.Len() == 0 {
		return nil
	}
	settings := clickhouse.Settings{"insert_deduplication_token": token}
	for k, v := range writing {
		settings[k] = v
	}
	columns := rows.columns()
	names := make([]string, len(columns))
	for i, c := range columns {
		names[i] = c.name
	}
	batch, err := s.conn.PrepareBatch(clickhouse.Context(ctx, clickhouse.WithSettings(settings)), "INSERT INTO reports ("+strings.Join(names, ", ")+")")
	if err != nil {
		return fmt.Errorf("prepare to insert reports: %w", explain(err))
	}
	defer func() { _ = batch.Close() }() // of what was sent
	for i, c := range columns {
		if err := batch.Column(i).Append(c.values); err != nil {
			return fmt.Errorf("fill column %s: %w", c.name, err)
		}
	}
	if err := batch.Send(); err != nil {
		return fmt.Errorf("insert %d reports: %w", rows.Len(), explain(err))
	}
	return nil
}
