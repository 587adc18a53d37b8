package bus_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/event"
)

// victim is the process that TestKilledInMidPublish kills: it publishes pieces, an
// entry for each and now and then a fact, and says on stdout what was acknowledged.
func victim(dir string) {
	die := func(err error) {
		if err != nil {
			fmt.Println("error", err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	s, err := bus.StartServer(ctx, bus.ServerOptions{Dir: dir})
	die(err)
	b, err := bus.Connect(ctx, bus.Options{Server: s, Name: "victim"})
	die(err)
	die(b.Provision(ctx, bus.Limits{}))
	state, err := b.StreamState(ctx, streamA)
	die(err)
	entries, last, err := b.LastEntries(ctx, streamA, "v0", 1)
	die(err)
	var next uint64
	if last > 0 {
		next, err = strconv.ParseUint(string(entries[0]), 10, 64)
		die(err)
		next++
	}
	epoch := state.NextEpoch(1)
	seq, err := b.AppendStreamFact(ctx, streamA, event.EpochClaimed{Epoch: epoch, Instance: "victim"}, state.Seq)
	die(err)
	fmt.Println("epoch", epoch, seq)
	w := b.NewPieceWriter()
	for n := uint64(0); ; n++ {
		die(w.Write(ctx, piece(epoch, n, 50_000)))
		last, err = b.AppendEntry(ctx, streamA, "v0", fmt.Append(nil, next), last, 0, "", "")
		die(err)
		fmt.Println("entry", next)
		next++
	}
}

func TestKilledInMidPublish(t *testing.T) {
	dir := t.TempDir()
	var epoch event.Epoch
	acknowledged := int64(-1)
	for round := range 3 {
		cmd := exec.CommandContext(ctxOf(t), os.Args[0])
		cmd.Env = append(os.Environ(), "SHOAL_BUS_VICTIM="+dir)
		out, err := cmd.StdoutPipe()
		check(t, err)
		check(t, cmd.Start())
		kill := 20 + rand.IntN(200)
		lines := 0
		for in := bufio.NewScanner(out); in.Scan(); {
			kind, rest, _ := strings.Cut(in.Text(), " ")
			switch kind {
			case "epoch":
				e, _, _ := strings.Cut(rest, " ")
				n, err := strconv.ParseInt(e, 10, 64)
				check(t, err)
				epoch = event.Epoch(n)
			case "entry":
				n, err := strconv.ParseInt(rest, 10, 64)
				check(t, err)
				if n != acknowledged+1 {
					t.Fatalf("round %d: entry %d follows %d", round, n, acknowledged)
				}
				acknowledged = n
			default:
				t.Fatalf("round %d: %s", round, in.Text())
			}
			if lines++; lines == kill {
				check(t, cmd.Process.Kill())
			}
		}
		_ = cmd.Wait() // killed
		verifyAfterKill(t, dir, epoch, &acknowledged)
	}
}

func verifyAfterKill(t *testing.T, dir string, epoch event.Epoch, acknowledged *int64) {
	s, err := bus.StartServer(ctxOf(t), bus.ServerOptions{Dir: dir})
	check(t, err)
	defer s.Shutdown()
	b, err := bus.Connect(ctxOf(t), bus.Options{Server: s, Name: "test"})
	check(t, err)
	defer b.Close()
	state, err := b.StreamState(ctxOf(t), streamA)
	check(t, err)
	if state.LastEpoch != epoch {
		t.Errorf("epoch %d was acknowledged, %d is there", epoch, state.LastEpoch)
	}
	entries, _, err := b.LastEntries(ctxOf(t), streamA, "v0", 1<<20)
	check(t, err)
	for n, e := range entries {
		if string(e) != fmt.Sprint(n) {
			t.Fatalf("entry %s stands at %d", e, n)
		}
	}
	// One more than was acknowledged may be there: its answer was on the way.
	there := int64(len(entries)) - 1
	if there < *acknowledged || there > *acknowledged+1 {
		t.Fatalf("entry %d was acknowledged, the last one there is %d", *acknowledged, there)
	}
	*acknowledged = there

	// Pieces may lack a tail, and nothing else. This one ends the reading.
	const far = 1_000_000
	check(t, b.PublishPiece(ctxOf(t), piece(far+epoch, 0, 10)))
	var last event.Position
	err = b.FollowPieces(ctxOf(t), streamA, "v0", time.Time{}, func(_ context.Context, p *event.Piece) error {
		switch {
		case p.Epoch == far+epoch:
			return bus.ErrStop
		case p.Epoch > far: // of an earlier round
			return nil
		case p.Epoch == last.Epoch && p.N != last.N+1, p.Epoch != last.Epoch && p.N != 0:
			t.Errorf("piece %s follows %s", p.Position, last)
		case string(p.Data) != string(piece(p.Epoch, p.N, 50_000).Data):
			t.Errorf("piece %s is damaged", p.Position)
		}
		last = p.Position
		return nil
	})
	if !errors.Is(err, bus.ErrStop) {
		t.Error(err)
	}
	if last.Epoch == epoch {
		t.Logf("of %d entries' pieces in epochs until %d, the last is %d", len(entries), epoch, last.N)
	}
}
