package store

import (
	"context"
	"fmt"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Recent calls fn with the session, number and visit's day of each report that the bus had from since to until, both included.
func (s *Store) Recent(ctx context.Context, since, until time.Time, fn func(session string, n uint32, day time.Time)) error {
	rows, err := s.conn.Query(ctx, `SELECT session, n, day FROM reports WHERE at >= {from:DateTime64(3)} AND received >= {since:DateTime64(9)} AND received <= {until:DateTime64(9)}`,
		clickhouse.Named("from", since.Add(-time.Hour)), clickhouse.Named("since", since), clickhouse.Named("until", until))
	if err != nil {
		return fmt.Errorf("read which reports came last: %w", explain(err))
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var session string
		var n uint32
		var day time.Time
		if err := rows.Scan(&session, &n, &day); err != nil {
			return fmt.Errorf("read which reports came last: %w", err)
		}
		fn(session, n, day)
	}
	if err := rows.Err(); err != nil {
		return fmt.Errorf("read which reports came last: %w", explain(err))
	}
	return nil
}
