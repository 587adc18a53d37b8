package chdb

import (
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// refusedWith reports whether err has a code.
func refusedWith(err error, c code) bool {
	var e *exception
	return errors.As(err, &e) && e.code == c
}

func TestStatementsWaitForTheirTurnAndNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate(1, 1, 10*time.Second)
		leave, err := g.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		second := make(chan error)
		go func() {
			leave, err := g.enter(t.Context())
			if err == nil {
				leave()
			}
			second <- err
		}()
		synctest.Wait()
		if _, err := g.enter(t.Context()); !refusedWith(err, codeTooMany) {
			t.Errorf("a third was answered by %v", err)
		}
		leave()
		if err := <-second; err != nil {
			t.Errorf("the second: %v", err)
		}

		leave, err = g.enter(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := g.enter(t.Context()); !refusedWith(err, codeTooMany) || time.Since(begun) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := g.enter(gone); !refusedWith(err, codeCancelled) {
			t.Errorf("a client that is gone: %v", err)
		}
		late, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if g.drain(late) == nil {
			t.Error("one runs, and it is drained")
		}
		leave()
		if err := g.drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestLinesOfTheEngineAreLoggedWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log logged
		l := newLines(t.Context(), slog.New(slog.NewTextHandler(&log, nil)))
		write := func(s string) {
			if n, err := l.Write([]byte(s)); n != len(s) || err != nil {
				t.Errorf("%d, %v", n, err)
			}
		}
		write("one\ntw")
		write("o\n\nthree")
		if !log.has("line=one") || !log.has("line=two") || log.has("three") {
			t.Errorf("logged %s", log.String())
		}
		write("\n" + strings.Repeat("x", 1<<20) + "\n")
		write(strings.Repeat("flood\n", 10_000))
		if n := len(log.String()); n > 50_000 {
			t.Errorf("a flood left %d bytes", n)
		}
		time.Sleep(time.Minute)
		write("after\n")
		if !log.has("line=after lost=99") {
			t.Errorf("what was lost is not told")
		}
	})
}

func TestTheReadersStatementsEndAfterAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := (&statement{user: Reader}).bounded(t.Context())
		defer cancel()
		begun := time.Now()
		<-ctx.Done()
		if took := time.Since(begun); took != time.Minute || !errors.Is(context.Cause(ctx), errTooLong) {
			t.Errorf("after %v: %v", took, context.Cause(ctx))
		}
		ctx, cancel = (&statement{user: Owner}).bounded(t.Context())
		defer cancel()
		if _, bound := ctx.Deadline(); bound {
			t.Error("the owner's have an end")
		}
	})
}
