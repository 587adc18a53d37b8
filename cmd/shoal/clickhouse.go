package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/internal/obs"
	"github.com/shoalcast/shoal/internal/proc"
)

// clickhouseFlags say where telemetry goes, and for how long.
type clickhouseFlags struct {
	ClickHouse         string        `name:"clickhouse" default:"embedded" placeholder:"DSN" help:"Where telemetry goes: embedded (a ClickHouse of our own in --data), none (it stays on the bus for a day), or a server, such as clickhouse://user:password@host:9000/shoal?secure=true or https://user:password@host:8443/shoal; a password is better given as SHOAL_CLICKHOUSE."`
	ClickHouseMemory   string        `name:"clickhouse-memory" placeholder:"BYTES" help:"Most memory of the embedded ClickHouse (default: a quarter of the machine's, 2GB at most)."`
	AnalyticsRetention time.Duration `name:"analytics-retention" default:"720h" help:"How long single reports are kept, at least 1h; sums of minutes are kept twelve times as long."`
	EgressPrice        float64       `name:"egress-price" default:"0" placeholder:"MONEY" help:"Price of a GB (10⁹ bytes) of egress, in whatever money: what peers deliver is counted as saved at it."`
}

const (
	embedded  = "embedded"
	nowhere   = "none"
	leastKept = time.Hour
	mostKept  = 5 * 365 * 24 * time.Hour
)

func (f clickhouseFlags) check() error {
	if f.EgressPrice < 0 {
		return errors.New("--egress-price is less than nothing: name what a GB costs, or leave it out")
	}
	if _, err := f.memory(); err != nil {
		return err
	}
	if f.ClickHouse != embedded && f.ClickHouse != nowhere {
		if _, err := store.Parse(f.ClickHouse); err != nil {
			return fmt.Errorf("--clickhouse: %w", err)
		}
	}
	return between("--analytics-retention", f.AnalyticsRetention, leastKept, mostKept)
}

func (f clickhouseFlags) memory() (int64, error) {
	if f.ClickHouseMemory == "" {
		return 0, nil
	}
	n, err := parseBytes("--clickhouse-memory", f.ClickHouseMemory)
	return int64(n), err
}

// addAnalytics takes telemetry to ClickHouse, and returns who reads it and whether there is something to read. Where it is off,
// everything else runs, status says why, and reader is nil.
func (n *node) addAnalytics(f clickhouseFlags) (reader *store.Store, status func() (bool, string), err error) {
	log := n.log.With(obs.KeyService, "analytics")
	owner, readers, why, err := n.clickhouse(f)
	if err != nil {
		return nil, nil, err
	}
	if why != "" {
		log.Warn("analytics is off; telemetry is kept on the bus for a day", "reason", why)
		return nil, func() (bool, string) { return false, why }, nil
	}
	writer, err := store.Open(store.Options{DSN: owner, Connections: 4, Log: log})
	if err != nil {
		return nil, nil, refused(err)
	}
	reader, err = store.Open(store.Options{DSN: readers, Log: log})
	if err != nil {
		return nil, nil, refused(err)
	}
	n.closers = append(n.closers, func() { _ = reader.Close() }, func() { _ = writer.Close() })
	instance, err := n.instance()
	if err != nil {
		return nil, nil, refused(err)
	}
	s := analytics.New(analytics.Options{
		Bus: n.bus.As("analytics"), Store: writer, Log: log, Reg: n.reg,
		Instance: string(instance), Retention: f.AnalyticsRetention, Price: f.EgressPrice,
	})
	n.group.Add(proc.Service, "analytics", s.Run)
	n.running.ClickHouse = readers
	return reader, func() (bool, string) {
		select {
		case <-s.Ready():
			return true, ""
		default:
			return false, "ClickHouse is not ready yet: what is reported meanwhile waits on the bus"
		}
	}, nil
}

// clickhouse returns where ClickHouse is for who writes and for who reads, or why there is none.
func (n *node) clickhouse(f clickhouseFlags) (owner, reader, why string, err error) {
	switch f.ClickHouse {
	case nowhere:
		return "", "", "--clickhouse is none", nil
	case embedded:
	default:
		return f.ClickHouse, f.ClickHouse, "", nil
	}
	library, err := chdb.Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		return "", "", err.Error(), nil //nolint:nilerr // that it is off is no failure
	}
	memory, err := f.memory()
	if err != nil {
		return "", "", "", refused(err)
	}
	log := n.log.With(obs.KeyService, "clickhouse")
	e, err := chdb.NewEngine(chdb.EngineOptions{Library: library, Path: n.dir.Path("clickhouse"), Memory: memory, Log: log, Metrics: n.reg})
	if err != nil {
		return "", "", "", refused(err)
	}
	n.group.Add(proc.Base, "clickhouse", func(ctx context.Context) error {
		if err := e.Run(ctx); err != nil && ctx.Err() == nil {
			// Streams go on without: what they do is kept on the bus meanwhile.
			log.Error("ClickHouse failed too often and is not started again: restart shoal, or look at what it said", "error", err)
			<-ctx.Done()
		}
		return nil
	})
	return e.DSN(chdb.Owner, "shoal"), e.DSN(chdb.Reader, "shoal"), "", nil
}
