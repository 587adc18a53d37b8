// Command dashtest serves the dashboard over the real engine, with figures of made-up viewers that go on coming, for browser
// tests and pictures. It prints its address and the token, and ends with its standard input.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shoalcast/shoal/analytics/chdb"
	"github.com/shoalcast/shoal/analytics/dash"
	"github.com/shoalcast/shoal/analytics/store"
	"github.com/shoalcast/shoal/web"
)

const token = "made-up-token-of-26-letters"

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if len(os.Args) == 2 && os.Args[1] == "chdb" {
		return chdb.Child(ctx, log)
	}
	return serve(ctx, cancel, log)
}

// serve serves until standard input ends.
func serve(ctx context.Context, cancel func(), log *slog.Logger) error {
	dir, err := os.MkdirTemp("", "dashtest-*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	library, err := chdb.Find(os.Getenv("SHOAL_CHDB"))
	if err != nil {
		return err
	}
	engine, err := chdb.NewEngine(chdb.EngineOptions{Library: library, Path: dir, Memory: 2 << 30, Log: log})
	if err != nil {
		return err
	}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return engine.Run(ctx) })
	work.Go(func() error {
		defer cancel()
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	})
	work.Go(func() error {
		if err := engine.Ready(ctx); err != nil {
			return err
		}
		return offer(ctx, engine, log)
	})
	if err := work.Wait(); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// offer fills a database and serves what is in it, to a reader.
func offer(ctx context.Context, engine *chdb.Engine, log *slog.Logger) error {
	owner, err := store.Open(store.Options{DSN: engine.DSN(chdb.Owner, "shoal")})
	if err != nil {
		return err
	}
	defer owner.Close()
	reader, err := store.Open(store.Options{DSN: engine.DSN(chdb.Reader, "shoal")})
	if err != nil {
		return err
	}
	defer reader.Close()
	if err := owner.CreateDatabase(ctx); err != nil {
		return err
	}
	if err := owner.Migrate(ctx); err != nil {
		return err
	}
	if err := owner.SetPrice(ctx, 0.05); err != nil {
		return err
	}
	c := newCrowd(time.Now())
	if err := c.fill(ctx, owner); err != nil {
		return err
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle(dash.Path, dash.New(dash.Options{Reader: reader, Token: token, Log: log}))
	mux.Handle("/", web.New(os.DirFS("web/dist")).Handler())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	work, ctx := errgroup.WithContext(ctx)
	work.Go(func() error { return server.Serve(l) })
	work.Go(func() error { return c.goOn(ctx, owner) })
	work.Go(func() error {
		<-ctx.Done()
		return server.Close()
	})
	fmt.Printf("http://%s %s\n", l.Addr(), token)
	return work.Wait()
}
