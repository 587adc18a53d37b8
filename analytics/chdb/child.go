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

// orders are what the parent writes to the child's standard input, as one JSON value.
// The input stays open as long as the parent lives.
type orders struct {
	Library, Path, Password, ReaderPassword string
	Memory                                  int64
	Grace                                   time.Duration
}

// listenerFile is the descriptor of the listener that the child inherits.
const listenerFile = 3

// childMemory bounds what the child's own side, in Go, piles up.
const childMemory = 256 << 20

// Child is what the engine's process runs, as the Engine that started it orders by in,
// until in or ctx ends.
func Child(ctx context.Context, in io.Reader, log *slog.Logger) error {
	debug.SetMemoryLimit(childMemory)
	var o orders
	decoder := json.NewDecoder(in)
	if err := decoder.Decode(&o); err != nil {
		return fmt.Errorf("read what to serve: %w: this command is for shoal itself", err)
	}
	f := os.NewFile(listenerFile, "listener")
	if f == nil {
		return errors.New("take over the listener: there is none: this command is for shoal itself")
	}
	listener, err := net.FileListener(f)
	if err != nil {
		return fmt.Errorf("take over the listener: %w: this command is for shoal itself", err)
	}
	if err := f.Close(); err != nil {
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
