package store

import (
	"context"
	"fmt"
	"strings"
)

// Line answers a question with one row, as words.
func (s *Store) Line(ctx context.Context, question string) (string, error) {
	rows, err := s.conn.Query(ctx, "SELECT arrayStringConcat(arrayMap(x -> toString(x), [tuple(*)]), ' ') FROM ("+question+")")
	if err != nil {
		return "", explain(err)
	}
	defer func() { _ = rows.Close() }()
	var out []string
	for rows.Next() {
		var line string
		if err := rows.Scan(&line); err != nil {
			return "", fmt.Errorf("read a line: %w", err)
		}
		out = append(out, strings.NewReplacer(",", " ", "(", "", ")", "", "'", "").Replace(line))
	}
	return strings.Join(out, "\n"), rows.Err()
}

// InsertBatch is how rows go over the native protocol, which no embedded engine speaks; over HTTP it does the same.
func (s *Store) InsertBatch(ctx context.Context, rows *Rows) error {
	columns := rows.columns()
	return s.insertBatch(ctx, "INSERT INTO reports "+columns.Columns(), columns)
}
