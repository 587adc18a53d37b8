package main

import (
	"errors"
	"fmt"
	"os"
	"testing"

	"github.com/creack/pty"
)

// asker sits before the prompt of sql. Questions come to ask.
func asker(t *testing.T, ask func(string, *os.File) error) *person {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = master.Close() })
	p := &person{t: t, master: master, exit: make(chan int, 1)}
	go func() {
		code := 0
		if err := prompt(t.Context(), terminal{in: slave, out: slave, err: slave}, func(q string) error { return ask(q, slave) }); err != nil {
			code = 1
		}
		_ = slave.Close()
		p.exit <- code
	}()
	return p
}

func (p *person) types(line string) {
	p.t.Helper()
	if _, err := p.master.WriteString(line + "\r"); err != nil {
		p.t.Fatal(err)
	}
}

func TestThePromptTakesQuestionsOfManyLinesAndLivesThroughMistakes(t *testing.T) {
	var asked []string
	p := asker(t, func(q string, out *os.File) error {
		asked = append(asked, q)
		if len(asked) == 1 {
			return errors.New("no such column")
		}
		fmt.Fprintln(out, "the answer is 42")
		return nil
	})
	p.until("shoal> ")
	p.types("SELECT wrong;")
	p.until("no such column")
	p.types("SELECT 42")
	p.until("    -> ")
	p.types("FROM streams;")
	p.until("the answer is 42\r\n")
	p.types(";")
	p.types("exit")
	p.until("")
	if code := <-p.exit; code != 0 {
		t.Errorf("it ended with %d", code)
	}
	if len(asked) != 2 || asked[0] != "SELECT wrong" || asked[1] != "SELECT 42\nFROM streams" {
		t.Errorf("it asked %q", asked)
	}
}

func TestThePromptEndsWithTheInput(t *testing.T) {
	p := asker(t, func(string, *os.File) error { return nil })
	p.until("shoal> ")
	if _, err := p.master.Write([]byte{4}); err != nil { // Ctrl-D
		t.Fatal(err)
	}
	p.until("")
	if code := <-p.exit; code != 0 {
		t.Errorf("it ended with %d", code)
	}
}
