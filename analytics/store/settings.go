package store

import (
	"context"
	"fmt"
	"regexp"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"

	"github.com/shoalcast/shoal/event"
)

// SetPrice has money be counted at a price for 10⁹ bytes of egress.
func (s *Store) SetPrice(ctx context.Context, price float64) error {
	if err := s.conn.Exec(ctx, `INSERT INTO settings (name, value, set_at) VALUES ('egress_price_per_gb', {price:Float64}, now64(3))`, clickhouse.Named("price", price)); err != nil {
		return fmt.Errorf("set the price of egress: %w", explain(err))
	}
	return nil
}

// NameStream notes what a stream is called.
func (s *Store) NameStream(ctx context.Context, id event.StreamID, name event.StreamName) error {
	if err := s.conn.Exec(ctx, `INSERT INTO streams (stream, name, known) VALUES ({id:String}, {name:String}, now64(3))`, clickhouse.Named("id", string(id)), clickhouse.Named("name", string(name))); err != nil {
		return fmt.Errorf("note the name of stream %s: %w", name, explain(err))
	}
	return nil
}

// kept are the tables with a time by which they go of age, and how much longer than reports they are kept.
var kept = []struct {
	table, at string
	times     int
}{
	{"reports", "toDateTime(at)", 1},
	{"sessions", "day", 1},
	{"rollup_10s", "t", 1},
	{"servers_1m", "t", 4},
	{"rollup_1m", "t", 12},
	{"rollup_10m", "t", 12},
	{"rollup_1h", "t", 12},
}

var ttlNow = regexp.MustCompile(`TTL .*? \+ toIntervalSecond\((\d+)\)`)

// Retain keeps reports for as long as it says, and sums of minutes and of longer times twelve times that.
func (s *Store) Retain(ctx context.Context, reports time.Duration) error {
	for _, k := range kept {
		want := int64(reports/time.Second) * int64(k.times)
		var made string
		if err := s.conn.QueryRow(ctx, `SELECT create_table_query FROM system.tables WHERE database = currentDatabase() AND name = {name:String}`, clickhouse.Named("name", k.table)).Scan(&made); err != nil {
			return fmt.Errorf("look at how long %s is kept: %w", k.table, explain(err))
		}
		if m := ttlNow.FindStringSubmatch(made); m != nil && m[1] == fmt.Sprint(want) {
			continue
		}
		// What is there goes at its next merge: rewriting it all at once would hold inserts up.
		if err := s.conn.Exec(ctx, fmt.Sprintf(`ALTER TABLE %s MODIFY TTL %s + toIntervalSecond(%d) SETTINGS materialize_ttl_after_modify = 0`, k.table, k.at, want)); err != nil {
			return fmt.Errorf("set how long %s is kept: %w", k.table, explain(err))
		}
	}
	return nil
}
