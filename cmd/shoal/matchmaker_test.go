package main

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/coder/websocket"

	"github.com/shoalcast/shoal/matchmaker"
)

func TestPagesOfThePublicURLAndOfAllowedOriginsMayUseTheTracker(t *testing.T) {
	for _, c := range []struct {
		public, allowed string
		want            []string
	}{
		{"", "", nil},
		{"https://live.example.org:443/", "", []string{"https://live.example.org"}},
		{"http://live.example.org:8080", "*", []string{"*", "http://live.example.org:8080"}},
		{"", "https://a.example, http://b.example:80", []string{"https://a.example", "http://b.example"}},
	} {
		if got := (trackerFlags{AllowOrigins: c.allowed}).origins(c.public); !slices.Equal(got, c.want) {
			t.Errorf("%q and %q allow %q, want %q", c.public, c.allowed, got, c.want)
		}
	}
}

// onePipe is a listener with one connection, in memory.
type onePipe struct {
	net.Listener
	conn chan net.Conn
	done chan struct{}
}

func (l onePipe) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.done:
		return nil, net.ErrClosed
	}
}
func (l onePipe) Close() error   { close(l.done); return nil }
func (l onePipe) Addr() net.Addr { return &net.TCPAddr{} }

// The server gives requests a minute at most; a page's socket to the tracker is none.
func TestASocketToTheTrackerOutlivesWhatARequestMayTake(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := matchmaker.New(matchmaker.Options{})
		ours, theirs := net.Pipe()
		l := onePipe{conn: make(chan net.Conn, 1), done: make(chan struct{})}
		l.conn <- theirs
		ctx, cancel := context.WithCancel(t.Context())
		served := make(chan error, 1)
		go func() { served <- serveHTTP(ctx, l, http.HandlerFunc(s.Announce), slog.New(slog.DiscardHandler)) }()
		c, _, err := websocket.Dial(ctx, "ws://shoal/announce", &websocket.DialOptions{HTTPClient: &http.Client{Transport: &http.Transport{
			DialContext: func(context.Context, string, string) (net.Conn, error) { return ours, nil },
		}}})
		if err != nil {
			t.Fatal(err)
		}
		answers := make(chan error, 1)
		go func() { // reading is what answers its pings
			for {
				_, _, err := c.Read(context.Background())
				answers <- err
				if err != nil {
					return
				}
			}
		}()
		for range 3 {
			time.Sleep(3 * time.Minute)
			if err := c.Write(ctx, websocket.MessageText, []byte(`{"action":"scrape","info_hash":"aaaaaaaaaaaaaaaaaaaa"}`)); err != nil {
				t.Fatal(err)
			}
			if err := <-answers; err != nil {
				t.Fatal(err)
			}
		}
		cancel()
		if err := <-served; err != nil {
			t.Error(err)
		}
		_ = c.Close(websocket.StatusNormalClosure, "")
		<-answers
	})
}
