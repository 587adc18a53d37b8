package store

import (
	"context"
	"fmt"
)

// Ask scans the one row that a question has.
func (s *Store) Ask(ctx context.Context, question string, into ...any) error {
	if err := s.conn.QueryRow(ctx, question).Scan(into...); err != nil {
		return fmt.Errorf("ask ClickHouse: %w", explain(err))
	}
	return nil
}

// Do carries out a statement that has no answer.
func (s *Store) Do(ctx context.Context, statement string) error {
	if err := s.conn.Exec(ctx, statement); err != nil {
		return fmt.Errorf("tell ClickHouse: %w", explain(err))
	}
	return nil
}
