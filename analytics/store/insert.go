package store

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/ClickHouse/ch-go/proto"
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
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(settings))
	columns := rows.columns()
	insert := "INSERT INTO reports " + columns.Columns()
	var err error
	if s.opts.Protocol == clickhouse.HTTP {
		err = s.insertBlock(ctx, insert, rows.Len(), columns)
	} else {
		err = s.insertBatch(ctx, insert, columns)
	}
	if err != nil {
		return fmt.Errorf("insert %d reports: %w", rows.Len(), explain(err))
	}
	return nil
}

// insertBlock sends the columns as they lie in memory.
func (s *Store) insertBlock(ctx context.Context, insert string, rows int, columns proto.Input) error {
	body, to := io.Pipe()
	var writing sync.WaitGroup
	writing.Go(func() {
		w := proto.NewWriter(to, new(proto.Buffer))
		err := (proto.Block{Columns: len(columns), Rows: rows}).WriteBlock(w, 0, columns)
		if err == nil {
			_, err = w.Flush()
		}
		_ = to.CloseWithError(err)
	})
	err := s.conn.InsertFormat(ctx, "Native", insert, body)
	_ = body.Close()
	writing.Wait() // then the rows may change
	return err
}

// insertBatch is for the native protocol, which takes no block that is made already.
func (s *Store) insertBatch(ctx context.Context, insert string, columns proto.Input) error {
	batch, err := s.conn.PrepareBatch(ctx, insert)
	if err != nil {
		return err
	}
	defer func() { _ = batch.Close() }() // of what was sent
	for i, c := range columns {
		if err := batch.Column(i).Append(values(c.Data)); err != nil {
			return fmt.Errorf("fill column %s: %w", c.Name, err)
		}
	}
	return batch.Send()
}
