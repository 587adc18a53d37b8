package store

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Format asks a question and returns the answer as ClickHouse writes it in one of its formats. It must be closed.
func (s *Store) Format(ctx context.Context, format, question string) (io.ReadCloser, error) {
	type formatter interface {
		QueryFormat(ctx context.Context, format, query string, args ...any) (io.ReadCloser, error)
	}
	f, ok := s.conn.(formatter)
	if !ok || s.opts.Protocol != clickhouse.HTTP {
		return nil, errors.New("answers are written by ClickHouse's HTTP interface: name that address, such as http://host:8123/shoal")
	}
	r, err := f.QueryFormat(ctx, format, question)
	if err != nil {
		return nil, fmt.Errorf("ask ClickHouse: %w", explain(err))
	}
	return r, nil
}
