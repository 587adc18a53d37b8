package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
	"time"

	"github.com/ClickHouse/clickhouse-go/v2"
	"github.com/ClickHouse/clickhouse-go/v2/lib/driver"
)

// Options says where ClickHouse is. The zero value of what has a default means it.
type Options struct {
	// DSN is where it is and as whom: clickhouse://user:password@host:9000/database (native), or http:// or https://
	// with its HTTP port; ?secure=true has TLS on the native one.
	DSN string
	// Database is used where the DSN names none. Default shoal.
	Database string
	// Connections bounds those open at once. Default 8.
	Connections int
	Log         *slog.Logger // nil discards
}

// Store is one ClickHouse server. It is safe for concurrent use.
type Store struct {
	conn     driver.Conn
	opts     *clickhouse.Options
	database string
	log      *slog.Logger
}

const (
	dialTimeout = 5 * time.Second
	readTimeout = 5 * time.Minute // an insert may wait for merges
)

// Parse reads a DSN, without asking anybody. Its error names no password.
func Parse(dsn string) (*clickhouse.Options, error) {
	u, err := url.Parse(dsn)
	if err != nil {
		return nil, errors.New("the address of ClickHouse is no URL: write clickhouse://user:password@host:9000/database, or http://host:8123/database")
	}
	switch u.Scheme {
	case "clickhouse", "tcp", "http", "https":
	default:
		return nil, fmt.Errorf("the address of ClickHouse begins with %q: it must be clickhouse, http or https", u.Scheme)
	}
	if u.Host == "" {
		return nil, errors.New("the address of ClickHouse has no host")
	}
	o, err := clickhouse.ParseDSN(dsn)
	if err != nil {
		return nil, errors.New(strings.ReplaceAll(fmt.Sprintf("read the address of ClickHouse: %v", err), password(u), "…"))
	}
	return o, nil
}

func password(u *url.URL) string {
	if p, ok := u.User.Password(); ok && p != "" {
		return p
	}
	return "\x00"
}

// Open prepares a store; nothing is connected to before it is asked something.
func Open(o Options) (*Store, error) {
	opts, err := Parse(o.DSN)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Database == "" {
		o.Database = "shoal"
	}
	if o.Connections == 0 {
		o.Connections = 8
	}
	if opts.Auth.Database == "" || opts.Auth.Database == "default" {
		opts.Auth.Database = o.Database
	}
	opts.DialTimeout, opts.ReadTimeout = dialTimeout, readTimeout
	opts.MaxOpenConns, opts.MaxIdleConns = o.Connections, o.Connections
	opts.ClientInfo.Products = append(opts.ClientInfo.Products, struct{ Name, Version string }{"shoal", ""})
	s := &Store{opts: opts, database: opts.Auth.Database, log: o.Log}
	if s.conn, err = clickhouse.Open(opts); err != nil {
		return nil, fmt.Errorf("prepare to use ClickHouse: %w", err)
	}
	return s, nil
}

// Close ends its connections.
func (s *Store) Close() error { return s.conn.Close() }

// Ping reports whether it answers.
func (s *Store) Ping(ctx context.Context) error { return explain(s.conn.Ping(ctx)) }

// CreateDatabase makes the database where there is none.
func (s *Store) CreateDatabase(ctx context.Context) error {
	opts := *s.opts
	opts.Auth.Database = "default"
	c, err := clickhouse.Open(&opts)
	if err != nil {
		return fmt.Errorf("prepare to use ClickHouse: %w", err)
	}
	defer func() { _ = c.Close() }()
	if err := c.Exec(ctx, "CREATE DATABASE IF NOT EXISTS "+quoted(s.database)); err != nil {
		return fmt.Errorf("make the database %s: %w", s.database, explain(err))
	}
	return nil
}

// quoted writes a name for SQL.
func quoted(name string) string {
	return "`" + strings.NewReplacer("\\", "\\\\", "`", "\\`").Replace(name) + "`"
}
