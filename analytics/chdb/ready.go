package chdb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/cenkalti/backoff/v4"
)

// Ready waits until the engine answers, or ctx or the engine ends.
func (e *Engine) Ready(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-e.ended:
			cancel()
		case <-ctx.Done():
		}
	}()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	pause := backoff.NewExponentialBackOff(backoff.WithInitialInterval(10*time.Millisecond), backoff.WithMaxInterval(time.Second), backoff.WithMaxElapsedTime(0))
	// While no child runs, the kernel holds the connection; it fails when a child dies.
	err := backoff.Retry(func() error { return ping(ctx, &client, e.addr) }, backoff.WithContext(pause, ctx))
	if err != nil {
		return fmt.Errorf("wait for ClickHouse at %s: %w", e.addr, err)
	}
	return nil
}

func ping(ctx context.Context, client *http.Client, addr string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+addr+"/ping", nil)
	if err != nil {
		return err
	}
	res, err := client.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(res.Body, 16))
	if err == nil && string(answer) != "Ok.\n" {
		err = errors.New("somebody else answers")
	}
	return err
}
