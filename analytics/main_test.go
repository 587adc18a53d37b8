package analytics_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/shoalcast/shoal/analytics"
	"github.com/shoalcast/shoal/analytics/chdb/chdbtest"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/bus"
)

// victimEnv makes this program a sink that a test kills: where the bus is, its credentials and the store.
const victimEnv = "SHOAL_TEST_SINK"

// busEnv makes it a bus that a test kills: its directory and where it listens.
const busEnv = "SHOAL_TEST_BUS"

func TestMain(m *testing.M) {
	if where := os.Getenv(victimEnv); where != "" {
		if err := victim(strings.Fields(where)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	if where := os.Getenv(busEnv); where != "" {
		dir, at, _ := strings.Cut(where, " ")
		if _, err := bus.StartServer(context.Background(), bus.ServerOptions{Dir: dir, Listen: at}); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("here")
		select {}
	}
	os.Exit(chdbtest.Main(m))
}

func victim(where []string) error {
	ctx := context.Background()
	b, err := bus.Connect(ctx, bus.Options{URL: where[0], Creds: where[1], Name: "analytics"})
	if err != nil {
		return err
	}
	s, err := store.Open(store.Options{DSN: where[2]})
	if err != nil {
		return err
	}
	fmt.Println("here")
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	return analytics.NewSink(analytics.SinkOptions{Bus: b, Store: s, Log: log, Rows: 500, Wait: 50_000_000}).Run(ctx)
}
