package chdb

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"runtime/debug"
	"time"
)

// orders are what the parent tells the child, as one JSON value in a pipe that stays open
// as long as the parent lives. It is not standard input, because the library reads that
// for an INSERT that has no rows, and would wait for ever.
type orders struct {
	Library, Path, Password, ReaderPassword string
	Memory                                  int64
	Grace                                   time.Duration
}

// Descriptors that the child inherits. The one between is the directory's lock, which it
// just has.
const (
	listenerFile = 3
	ordersFile   = 5
)

// childMemory bounds what the child's own side, in Go, piles up.
const childMemory = 256 << 20

// Child is what the engine's process runs, as the Engine that started it orders, until
// that or ctx ends.
func Child(ctx context.Context, log *slog.Logger) error {
	debug.SetMemoryLimit(childMemory)
	o, in, err := takeOrders()
	if err != nil {
		return fmt.Errorf("%w: this command is for shoal itself", err)
	}
	defer in.Close()
	listener, err := inherit()
	if err != nil {
		return fmt.Errorf("take over the listener: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		_, _ = io.Copy(io.Discard, in)
		cancel()
	}()
	return Serve(ctx, Options{
		Listener: listener, Library: o.Library, Path: o.Path, Password: o.Password, ReaderPassword: o.ReaderPassword,
		Memory: o.Memory, Grace: o.Grace, Log: log,
	})
}

// takeOrders returns the orders and the pipe that they came in.
func takeOrders() (orders, io.ReadCloser, error) {
	in := os.NewFile(ordersFile, "orders")
	if in == nil {
		return orders{}, nil, errors.New("nobody says what to serve")
	}
	var o orders
	if err := json.NewDecoder(in).Decode(&o); err != nil {
		_ = in.Close() // it may be none
		return orders{}, nil, fmt.Errorf("read what to serve: %w", err)
	}
	return o, in, nil
}

func inherit() (net.Listener, error) {
	f := os.NewFile(listenerFile, "listener")
	listener, err := net.FileListener(f)
	return listener, errors.Join(err, f.Close())
}
