package chdb

import (
	"context"
	"log/slog"
	"path/filepath"
	"testing"
)

// BenchmarkStart measures from nothing to the first answer.
func BenchmarkStart(b *testing.B) {
	for b.Loop() {
		_, stop := launch(b, EngineOptions{Path: filepath.Join(b.TempDir(), "clickhouse"), Log: slog.New(slog.DiscardHandler)})
		if err := stop(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkStatement measures the least that a statement costs.
func BenchmarkStatement(b *testing.B) {
	c := client(b, engine(b), Owner, "default")
	for b.Loop() {
		if err := c.Ping(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkInsert measures batches of 10,000 rows into a table with a view.
func BenchmarkInsert(b *testing.B) {
	e, _ := own(b)
	c := client(b, e, Owner, "default")
	for _, sql := range []string{
		"CREATE DATABASE s",
		"CREATE TABLE s.rows (" + rowColumns + ") ENGINE = MergeTree ORDER BY Seq",
		"CREATE TABLE s.sums (Country LowCardinality(String), n UInt64) ENGINE = SummingMergeTree ORDER BY Country",
		"CREATE MATERIALIZED VIEW s.view TO s.sums AS SELECT Country, count() AS n FROM s.rows GROUP BY Country",
	} {
		if err := c.Exec(b.Context(), sql); err != nil {
			b.Fatal(err)
		}
	}
	rows := makeRows(10_000)
	for b.Loop() {
		if err := insertRows(context.Background(), c, "s.rows", rows); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.N*len(rows))/b.Elapsed().Seconds(), "rows/s")
	b.ReportMetric(e.watch.resident()/(1<<20), "MiB-RSS")
}
