package store

import (
	"context"
	"fmt"
	"math"
	"reflect"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
)

// Bounds of one Query.
const (
	// MaxRows is the most rows that it reads.
	MaxRows = 10_000
	// MaxTime is how long it may take, the wait for its turn included.
	MaxTime = 10 * time.Second
)

// Query reads what a question answers, as values that JSON has: numbers, text, yes and no, lists of these; times are text
// (RFC 3339, UTC), and what is no number or not there is nil. Values come into the question by params alone, which it names
// as {name:Type}. Errors that are ErrSlow, ErrBusy, ErrUnready or ErrAway say what to do.
func (s *Store) Query(ctx context.Context, sql string, params map[string]string) (columns []string, rows [][]any, err error) {
	// A deadline would have the client choose max_execution_time by itself, and a longer one.
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer time.AfterFunc(MaxTime, func() { cancel(ErrSlow) }).Stop()
	ctx = clickhouse.Context(ctx, clickhouse.WithSettings(clickhouse.Settings{"max_execution_time": int(MaxTime / time.Second), "max_result_rows": MaxRows}))
	args := make([]any, 0, len(params))
	for name, value := range params {
		args = append(args, clickhouse.Named(name, value))
	}
	answer, err := s.conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, nil, fmt.Errorf("ask ClickHouse: %w", unanswered(ctx, err))
	}
	defer func() { _ = answer.Close() }()
	types := answer.ColumnTypes()
	into := make([]any, len(types))
	for answer.Next() {
		if len(rows) == MaxRows {
			return nil, nil, fmt.Errorf("read an answer of more than %d rows: %w", MaxRows, ErrSlow)
		}
		for i, t := range types {
			into[i] = reflect.New(t.ScanType()).Interface()
		}
		if err := answer.Scan(into...); err != nil {
			return nil, nil, fmt.Errorf("read a row of an answer: %w", err)
		}
		row := make([]any, len(types))
		for i := range into {
			row[i] = plain(reflect.ValueOf(into[i]).Elem())
		}
		rows = append(rows, row)
	}
	if err := answer.Err(); err != nil {
		return nil, nil, fmt.Errorf("read an answer: %w", unanswered(ctx, err))
	}
	return answer.Columns(), rows, nil
}

// exact is the greatest integer up to which JSON's readers have all of them.
const exact = 1 << 53

// plain returns a value as JSON has it.
func plain(v reflect.Value) any {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Float32, reflect.Float64:
		if f := v.Float(); !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
		return nil
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		if n := v.Int(); n >= -exact && n <= exact {
			return n
		}
		return float64(v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		if n := v.Uint(); n <= exact {
			return n
		}
		return float64(v.Uint())
	case reflect.Bool:
		return v.Bool()
	case reflect.String:
		return v.String()
	case reflect.Slice:
		list := make([]any, v.Len())
		for i := range list {
			list[i] = plain(v.Index(i))
		}
		return list
	default:
	}
	if t, ok := v.Interface().(time.Time); ok {
		return t.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v.Interface())
}
