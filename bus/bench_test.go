//go:build unix

package bus_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shoalcast/shoal/bus"
	"github.com/shoalcast/shoal/bus/bustest"
	"github.com/shoalcast/shoal/event"
)

const benchSize = 100_000

// BenchmarkDelivery is the time from a publish to its follower, piece by piece, beside
// the same bytes through a bare embedded server with the library's plain options in
// the same run. The ratio of medians is to stay ≤ 1.3.
func BenchmarkDelivery(b *testing.B) {
	ours, plain := newBusPath(b), newPlainPath(b)
	var through, bare []time.Duration
	for n := 0; b.Loop(); n++ {
		// In turns, so that what disturbs the machine disturbs both.
		if n%2 == 0 {
			through = append(through, ours(uint64(n)))
			bare = append(bare, plain(uint64(n)))
		} else {
			bare = append(bare, plain(uint64(n)))
			through = append(through, ours(uint64(n)))
		}
	}
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(micros(median(through)), "bus-p50-µs")
	b.ReportMetric(micros(median(bare)), "bare-p50-µs")
	b.ReportMetric(float64(median(through))/float64(median(bare)), "ratio")
}

func median(d []time.Duration) time.Duration {
	slices.Sort(d)
	return d[len(d)/2]
}

func micros(d time.Duration) float64 { return float64(d) / 1e3 }

func newBusPath(b *testing.B) func(uint64) time.Duration {
	bb := bustest.Start(b)
	got := make(chan time.Time, 1)
	followed(b, func(ctx context.Context) error {
		return bb.FollowPieces(ctx, streamA, "v0", time.Time{}, func(context.Context, *event.Piece) error {
			got <- time.Now()
			return nil
		})
	})
	w := bb.NewPieceWriter()
	b.Cleanup(func() { _ = w.Close(context.Background()) })
	return func(n uint64) time.Duration {
		p := piece(1, n, benchSize)
		start := time.Now()
		check(b, w.Write(context.Background(), p))
		return (<-got).Sub(start)
	}
}

func newPlainPath(b *testing.B) func(uint64) time.Duration {
	s, err := server.NewServer(&server.Options{DontListen: true, JetStream: true, StoreDir: b.TempDir(), NoLog: true, NoSigs: true, MaxPayload: 5 << 20})
	check(b, err)
	go s.Start()
	if !s.ReadyForConnections(patience) {
		b.Fatal("the bare server does not start")
	}
	b.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect("", nats.InProcessServer(s))
	check(b, err)
	b.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	check(b, err)
	ctx := context.Background()
	_, err = js.CreateStream(ctx, jetstream.StreamConfig{Name: "X", Subjects: []string{"x"}, MaxMsgs: 1800, Discard: jetstream.DiscardOld})
	check(b, err)
	cons, err := js.OrderedConsumer(ctx, "X", jetstream.OrderedConsumerConfig{})
	check(b, err)
	got := make(chan time.Time, 1)
	cc, err := cons.Consume(func(jetstream.Msg) { got <- time.Now() })
	check(b, err)
	b.Cleanup(func() { cc.Stop(); <-cc.Closed() })
	data := piece(1, 0, benchSize).Data
	return func(uint64) time.Duration {
		start := time.Now()
		_, err := js.PublishAsync("x", data)
		check(b, err)
		return (<-got).Sub(start)
	}
}

// BenchmarkTwentyPublishers is the CPU of the whole process for 20 publishers of
// 4 Mbps in pieces of 100 kB, each followed twice, with an entry appended and followed
// for every piece, in per cent of a core, embedded and over loopback TCP.
func BenchmarkTwentyPublishers(b *testing.B) {
	const publishers, rate = 20, 5 // pieces a second
	for _, way := range []string{"in process", "loopback"} {
		b.Run(way, func(b *testing.B) {
			o := bus.ServerOptions{}
			if way == "loopback" {
				o.Listen = "127.0.0.1:0"
			}
			s := startServer(b, o)
			join := func(name string) *bus.Bus {
				if way == "loopback" {
					return connect(b, bus.Options{URL: s.ClientURL(), Creds: s.CredsFile(), Name: name})
				}
				return connect(b, bus.Options{Server: s, Name: name})
			}
			ingest, packager, seeder := join("ingest"), join("packager"), join("seeder")
			check(b, ingest.Provision(ctxOf(b), bus.Limits{}))
			var got, entries sync.WaitGroup
			ids := make([]event.StreamID, publishers)
			for i := range ids {
				ids[i] = event.StreamID(fmt.Sprintf("%cxaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 'a'+i)[:32])
				followed(b, func(ctx context.Context) error {
					return packager.FollowPieces(ctx, ids[i], "v0", time.Time{}, func(ctx context.Context, p *event.Piece) error {
						defer got.Done()
						_, err := packager.AppendEntry(ctx, ids[i], "v0", make([]byte, 900), bus.AnySeq, time.Hour, "", "")
						return err
					})
				})
				followed(b, func(ctx context.Context) error {
					return seeder.FollowPieces(ctx, ids[i], "v0", time.Time{}, func(context.Context, *event.Piece) error { got.Done(); return nil })
				})
				followed(b, func(ctx context.Context) error {
					return seeder.FollowEntries(ctx, ids[i], "v0", time.Time{}, func(context.Context, uint64, []byte, string) error { entries.Done(); return nil })
				})
			}
			writers := make([]*bus.PieceWriter, publishers)
			for i := range writers {
				writers[i] = ingest.NewPieceWriter()
			}
			b.ResetTimer()
			start, before := time.Now(), cpu()
			tick := time.NewTicker(time.Second / rate / publishers)
			defer tick.Stop()
			for n := range b.N * publishers * rate { // an op is a second
				<-tick.C
				got.Add(2)
				entries.Add(1)
				check(b, writers[n%publishers].Write(context.Background(), pieceOf(ids[n%publishers], 1, uint64(n/publishers), benchSize)))
			}
			got.Wait()
			entries.Wait()
			b.ReportMetric(100*float64(cpu()-before)/float64(time.Since(start)), "%core")
			for _, w := range writers {
				check(b, w.Close(context.Background()))
			}
		})
	}
}

// cpu is the processor time this process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
