package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
)

// The control socket lets commands of the same user, or root's, reach the running
// instance: POST /reload makes it read keys and log level again, as SIGHUP does, and is
// answered once the bus knows the keys. Certificates need no order: they are read again
// when their files change. POST /pull has a stream pulled for as long as the request
// lasts; the answer is the log of it.

// pulls is what has a stream published from a URL until ctx ends.
type pulls func(ctx context.Context, name, url string, log *slog.Logger) error

func controlHandler(reload func(context.Context) error, pull pulls, log *slog.Logger) http.Handler {
	mux := http.NewServeMux()
	if pull != nil {
		mux.Handle("POST /pull", pullHandler(pull, log))
	}
	mux.HandleFunc("POST /reload", func(w http.ResponseWriter, r *http.Request) {
		if err := reload(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

// controlClient reaches the instance behind socket, whatever host a URL names.
func controlClient(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		},
	}}
}

// askReload tells the instance behind socket to read its keys again, and waits until
// it has.
func askReload(ctx context.Context, socket string) error {
	client := controlClient(socket)
	client.Timeout = 10 * time.Second
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://shoal/reload", nil)
	if err != nil {
		return fmt.Errorf("ask the running instance: %w", err)
	}
	res, err := client.Do(req)
	if err != nil {
		return fmt.Errorf("ask the running instance to reload: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode >= 300 {
		text, _ := io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return fmt.Errorf("the running instance could not reload: %s", strings.TrimSpace(string(text)))
	}
	return nil
}

// printJSON writes v indented, for people who pipe and people who look.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("print JSON: %w", err)
	}
	return nil
}
