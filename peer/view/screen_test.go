package view

import (
	"bytes"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"go.uber.org/goleak"

	"github.com/shoalcast/shoal/peer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tty is a terminal with somebody before it.
type tty struct {
	t             *testing.T
	person, shell *os.File

	mu    sync.Mutex
	wrote bytes.Buffer
	news  chan struct{}
}

func openTTY(t *testing.T, columns, rows uint16) *tty {
	t.Helper()
	person, shell, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	y := &tty{t: t, person: person, shell: shell, news: make(chan struct{}, 1)}
	y.resize(columns, rows)
	done := make(chan struct{})
	go func() {
		defer close(done)
		b := make([]byte, 4096)
		for {
			n, err := person.Read(b)
			y.mu.Lock()
			y.wrote.Write(b[:n])
			y.mu.Unlock()
			select {
			case y.news <- struct{}{}:
			default:
			}
			if err != nil {
				return
			}
		}
	}()
	t.Cleanup(func() {
		_ = shell.Close()
		_ = person.Close()
		<-done
	})
	return y
}

func (y *tty) resize(columns, rows uint16) {
	y.t.Helper()
	if err := pty.Setsize(y.person, &pty.Winsize{Cols: columns, Rows: rows}); err != nil {
		y.t.Fatal(err)
	}
}

func (y *tty) press(keys string) {
	y.t.Helper()
	if _, err := io.WriteString(y.person, keys); err != nil {
		y.t.Fatal(err)
	}
}

// sees waits until text was written.
func (y *tty) sees(text string) {
	y.t.Helper()
	timeout := time.After(10 * time.Second)
	for {
		y.mu.Lock()
		got := y.wrote.String()
		y.mu.Unlock()
		if strings.Contains(got, text) {
			return
		}
		select {
		case <-y.news:
		case <-timeout:
			y.t.Fatalf("%q never stood there, but %q", text, got)
		}
	}
}

func show(y *tty) (*Screen, chan struct{}) {
	quit := make(chan struct{}, 1)
	return Start(Options{
		Info: Info{Name: "concert", Page: "http://127.0.0.1:8080/live/concert"}, In: y.shell, Out: y.shell,
		Env: []string{"TERM=xterm-256color"}, Quit: func() { quit <- struct{}{} },
	}), quit
}

const (
	enterAlternate = "\x1b[?1049h"
	leaveAlternate = "\x1b[?1049l"
	showCursor     = "\x1b[?25h"
)

func TestASessionIsShownUntilThePersonQuits(t *testing.T) {
	for name, key := range map[string]string{"q": "q", "ctrl-C": "\x03"} {
		t.Run(name, func(t *testing.T) {
			y := openTTY(t, 80, 24)
			s, quit := show(y)
			y.sees(enterAlternate)
			y.sees("joining")
			l := session(30)
			s.Line(l[30])
			y.sees("0.41 s now")
			s.Players("http://127.0.0.1:9000/index.m3u8")
			y.sees("127.0.0.1:9000")
			s.Notice("the stream went offline")
			y.sees("went offline")
			y.press(key)
			select {
			case <-quit:
			case <-time.After(10 * time.Second):
				t.Fatal("the key did nothing")
			}
			y.sees(leaveAlternate)
			y.sees(showCursor)
			s.Line(l[30]) // the session may take a moment to end
			if err := s.Stop(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestATerminalMayChangeItsSize(t *testing.T) {
	y := openTTY(t, 80, 24)
	s, _ := show(y)
	s.Line(session(5)[5])
	y.sees("for 0:00:05") // only where there is room for it
	y.resize(40, 24)
	s.Line(peer.Line{T: 77, State: peer.Stale})
	y.sees("0:01:17")
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	y.sees(leaveAlternate)
}

// Whoever watches without a keyboard still sees, and the session's end gives the
// terminal back.
func TestASessionIsShownWithoutKeys(t *testing.T) {
	y := openTTY(t, 80, 24)
	s := Start(Options{Info: concert, Out: y.shell, Env: []string{"TERM=xterm"}, Quit: func() {}})
	y.sees("joining")
	if err := s.Stop(); err != nil {
		t.Error(err)
	}
	y.sees(leaveAlternate)
}
