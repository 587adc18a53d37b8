// Package store is ClickHouse as analytics uses it: where it is, its schema, and what is written to
// and read from it. It is the only importer of clickhouse-go and goose.
package store
