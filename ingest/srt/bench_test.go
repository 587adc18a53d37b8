package srt_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shoalcast/shoal/ingest/srt"
)

const (
	benchStreams = 20
	benchTime    = 8 * time.Second
)

// fileAuthorizer lets everybody write to a file of its name.
type fileAuthorizer struct{ dir string }

type fileHandler struct{ *os.File }

func (f fileHandler) Write(b []byte) error { _, err := f.File.Write(b); return err }
func (f fileHandler) Close(error)          { _ = f.File.Close() }

func (a fileAuthorizer) Check(srt.Request) error { return nil }

func (a fileAuthorizer) Start(_ context.Context, r srt.Request) (srt.Handler, error) {
	f, err := os.Create(filepath.Join(a.dir, r.Name))
	return fileHandler{f}, err
}

// cpu is what this process has used.
func cpu(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// feedAll sends 4 Mbit/s to each port for benchTime, in messages of seven packets.
func feedAll(b *testing.B, ports []string) {
	b.Helper()
	var conns []net.Conn
	for _, p := range ports {
		c, err := net.Dial("udp", "127.0.0.1:"+p)
		if err != nil {
			b.Fatal(err)
		}
		defer c.Close()
		conns = append(conns, c)
	}
	m := counted(1)[0]
	tick := time.NewTicker(time.Duration(len(m)) * 8 * time.Second / 4_000_000)
	defer tick.Stop()
	for end := time.Now().Add(benchTime); time.Now().Before(end); <-tick.C {
		for _, c := range conns {
			_, _ = c.Write(m)
		}
	}
}

// received is the sum of the sizes of the files in a folder.
func received(b *testing.B, dir string) (n int64) {
	b.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		b.Fatal(err)
	}
	for _, f := range files {
		if i, err := f.Info(); err == nil {
			n += i.Size()
		}
	}
	return n
}

// BenchmarkReceiveBesideSRTLiveTransmit writes 20 streams of 4 Mbit/s to files, here and by as
// many srt-live-transmit, and compares the CPU time. The senders are processes of their
// own; what feeds them is in this process both times, and is subtracted.
func BenchmarkReceiveBesideSRTLiveTransmit(b *testing.B) {
	for b.Loop() {
		var theirs time.Duration
		var procs, senders []*program
		var feeds []string
		dir := b.TempDir()
		sendTo := func(to string) {
			p := freePort(b)
			senders, feeds = append(senders, start(b, "srt-live-transmit", "-q", "-chunk:1316", "udp://127.0.0.1:"+p, to)), append(feeds, p)
		}
		for i := range benchStreams {
			port := freePort(b)
			procs = append(procs, start(b, "sh", "-c", `exec srt-live-transmit -q -chunk:1316 "$0" file://con > "$1"`,
				"srt://127.0.0.1:"+port+"?mode=listener", filepath.Join(dir, fmt.Sprint(i))))
			sendTo("srt://127.0.0.1:" + port + "?mode=caller")
		}
		began := cpu(b)
		feedAll(b, feeds)
		feeding := cpu(b) - began
		for _, p := range append(procs, senders...) {
			p.goodbye()
		}
		for _, p := range procs {
			_ = p.wait(b)
			theirs += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		}
		for _, p := range senders {
			p.kill()
		}
		theirBytes := received(b, dir)

		senders, feeds, dir = nil, nil, b.TempDir()
		s, err := srt.New(srt.Options{Authorize: fileAuthorizer{dir}})
		if err != nil {
			b.Fatal(err)
		}
		l, err := s.Listen(b.Context(), "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		began = cpu(b)
		go func() { done <- s.Serve(ctx, l) }()
		for i := range benchStreams {
			sendTo(srtURL(l.Addr().String(), fmt.Sprint(i), ""))
		}
		feedAll(b, feeds)
		ours := cpu(b) - began - feeding
		for _, p := range senders {
			p.kill()
		}
		cancel()
		if err := <-done; err != nil {
			b.Fatal(err)
		}
		ourBytes := received(b, dir)
		b.ReportMetric(ours.Seconds(), "our-cpu-s")
		b.ReportMetric(theirs.Seconds(), "their-cpu-s")
		b.ReportMetric(float64(ourBytes)/1e6, "our-MB")
		b.ReportMetric(float64(theirBytes)/1e6, "their-MB")
		ratio := ours.Seconds() / theirs.Seconds()
		b.ReportMetric(ratio, "ratio")
		if theirBytes < ourBytes*9/10 || ourBytes < benchStreams*int64(benchTime/time.Second)*450_000 {
			b.Errorf("%d bytes arrived here, %d at srt-live-transmit: that is no comparison", ourBytes, theirBytes)
		}
		if ratio > 2.5 {
			b.Errorf("receiving takes %.2f times the CPU of srt-live-transmit: %s for %d bytes, which takes %s for %d", ratio, ours, ourBytes, theirs, theirBytes)
		}
	}
}
