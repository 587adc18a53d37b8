package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/creack/pty"

	"github.com/shoalcast/shoal/peer"
)

// person sits before a terminal: what is started there runs until it has ended.
type person struct {
	t      *testing.T
	master *os.File
	seen   bytes.Buffer
	stdout bytes.Buffer
	exit   chan int
}

func sit(t *testing.T, args ...string) *person {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	if err := pty.Setsize(master, &pty.Winsize{Cols: 80, Rows: 24}); err != nil {
		t.Fatal(err)
	}
	p := &person{t: t, master: master, exit: make(chan int, 1)}
	go func() {
		p.exit <- run(t.Context(), args, slave, &p.stdout, slave)
		_ = slave.Close()
	}()
	return p
}

// until reads what is written up to a text; empty: to the end.
func (p *person) until(text string) {
	p.t.Helper()
	b := make([]byte, 4096)
	for text == "" || !strings.Contains(p.seen.String(), text) {
		n, err := p.master.Read(b)
		p.seen.Write(b[:n])
		if err != nil {
			if text != "" {
				p.t.Fatalf("%q never stood there, but %q", text, p.seen.String())
			}
			return
		}
	}
}

func TestOnATerminalASessionIsShownUntilQ(t *testing.T) {
	homeless(t)
	t.Setenv("TERM", "xterm-256color")
	for _, key := range []string{"q", "\x03"} {
		p := sit(t, "watch", viewersLink+"#"+strings.Repeat("a", 32), "--out", "-", "--hls", "127.0.0.1:0")
		p.until("joining")
		p.until("/index.m3u8")
		if _, err := io.WriteString(p.master, key); err != nil {
			t.Fatal(err)
		}
		p.until("")
		if code := <-p.exit; code != exitOK {
			t.Errorf("exit %d", code)
		}
		if p.stdout.Len() > 0 {
			t.Errorf("standard output got %q", p.stdout.String())
		}
		if _, after, ok := strings.Cut(p.seen.String(), "\x1b[?1049l"); !ok || !strings.Contains(after, "0 pieces verified") {
			t.Errorf("the terminal was left with %q", after)
		}
	}
}

func TestATerminalThatCanOnlyBeWrittenOnIsNotSteered(t *testing.T) {
	homeless(t)
	t.Setenv("TERM", "dumb")
	for _, stats := range []string{"auto", "view", "none"} {
		p := sit(t, "watch", viewersLink+"#"+strings.Repeat("a", 32), "--stats", stats, "--hls", "127.0.0.1:0", "--out", t.TempDir()+"/no/file")
		p.until("")
		if code := <-p.exit; code != exitFailed || strings.Contains(p.seen.String(), "\x1b") || !strings.Contains(p.seen.String(), "play http://127.0.0.1:") {
			t.Errorf("--stats %s: exit %d, %q", stats, code, p.seen.String())
		}
	}
	var out bytes.Buffer
	show := (&watchCmd{Stats: statsView}).reporter(terminal{err: &out}, peer.Link{}, 0, nil)
	show.line(peer.Line{T: 1, State: peer.Verified, DelayNow: 400, Summary: peer.Summary{PiecesVerified: 5, Bytes: peer.Bytes{Origin: 10}}})
	if got := out.String(); got != "verified   delay 0.40 s  origin 100%  5 verified  0 stalls  0 peers\n" {
		t.Errorf("a file gets %q", got)
	}
	if err := show.stop(); err != nil {
		t.Error(err)
	}
}

func TestWithoutColourAPictureIsPlainLetters(t *testing.T) {
	homeless(t)
	t.Setenv("TERM", "xterm-256color")
	t.Setenv("NO_COLOR", "1")
	p := sit(t, "watch", viewersLink+"#"+strings.Repeat("a", 32))
	p.until("q quits")
	if _, err := io.WriteString(p.master, "q"); err != nil {
		t.Fatal(err)
	}
	p.until("")
	<-p.exit
	if strings.ContainsFunc(p.seen.String(), func(r rune) bool { return r > 126 }) || !strings.Contains(p.seen.String(), "....") {
		t.Errorf("it shows %q", p.seen.String())
	}
}
