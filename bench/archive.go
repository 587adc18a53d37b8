package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha1" //nolint:gosec // BitTorrent v1 hashes pieces with it
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/zeebo/bencode"
	"golang.org/x/sys/unix"

	"github.com/shoalcast/shoal/swarm/bt"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

const (
	archiveSize   = 64 << 20
	archiveRounds = 5
	archiveLeast  = 3 // rounds where there is little time
	archiveRatio  = 0.8
	fetchAtMost   = time.Minute
	archiveAtMost = 4 * time.Minute
	sampleEvery   = 5 * time.Millisecond
)

// speed is what one fetch came to, in MB/s: from the client's start to its end, and from
// the first block that it wrote. Between the two is what the seed's choking takes.
type speed struct{ whole, flowing float64 }

// benchArchive has aria2c fetch one file from our seed and from transmission-daemon, in
// turns.
func benchArchive(ctx context.Context, r *report, o options) error {
	ctx, cancel := context.WithTimeout(ctx, archiveAtMost)
	defer cancel()
	dir, err := os.MkdirTemp("", "shoal-bench-archive-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	info, path, err := archiveFile(dir)
	if err != nil {
		return err
	}
	client, err := bt.New(bt.Options{Listen: free})
	if err != nil {
		return err
	}
	defer client.Close()
	local := netip.MustParseAddr("127.0.0.1")
	ours, err := newTracker(ctx, netip.AddrPortFrom(local, client.Port()))
	if err != nil {
		return err
	}
	defer ours.close()
	if err := client.Seed(path, metainfo.File(info, []string{ours.url}, nil)); err != nil {
		return err
	}
	daemon, err := startTransmission(ctx, filepath.Join(dir, "transmission"), path, info)
	if err != nil {
		return err
	}
	defer daemon.stop()
	began := time.Now()
	var whole, flowing [2][]float64
	var used [2]time.Duration // processor time of the seed
	pids := [2]int{os.Getpid(), daemon.cmd.Process.Pid}
	for round := 0; ; round++ {
		if o.length == 0 && round >= archiveRounds || o.length > 0 && round >= archiveLeast && time.Since(began) >= o.length {
			break
		}
		// transmission takes one address for one peer, and remembers of it that it has all.
		from := fmt.Sprintf("127.0.1.%d", round+1)
		speeds := [2]speed{}
		for turn := range 2 {
			who := (round + turn) % 2 // who comes first changes too
			tracker := []*tracker{ours, daemon.tracker}[who]
			before, err := cpu(pids[who])
			if err != nil {
				return err
			}
			if speeds[who], err = fetch(ctx, dir, from, metainfo.File(info, []string{tracker.url}, nil)); err != nil {
				return err
			}
			after, err := cpu(pids[who])
			if err != nil {
				return err
			}
			used[who] += after - before
			whole[who] = append(whole[who], speeds[who].whole)
			flowing[who] = append(flowing[who], speeds[who].flowing)
		}
		fmt.Printf("round %d: shoal %.0f MB/s, %.0f once it flows; transmission-daemon %.1f, %.1f\n",
			round+1, speeds[0].whole, speeds[0].flowing, speeds[1].whole, speeds[1].flowing)
	}
	compare(r, "from start to end", whole)
	compare(r, "once it flows", flowing)
	rounds := time.Duration(len(whole[0]))
	r.note(fmt.Sprintf("the seed's processor time for %d MiB", archiveSize>>20),
		fmt.Sprintf("%d, %d ms", (used[0]/rounds).Milliseconds(), (used[1]/rounds).Milliseconds()))
	return nil
}

func compare(r *report, what string, speeds [2][]float64) {
	us, them := median(speeds[0]), median(speeds[1])
	r.add(fmt.Sprintf("aria2c, %s: shoal %.0f MB/s, transmission %.1f", what, us, them),
		fmt.Sprintf("%.2f ×", us/them), "≥ 0.8 ×", us/them >= archiveRatio)
}

// archiveFile writes a file of noise and returns its info dictionary.
func archiveFile(dir string) (info []byte, path string, err error) {
	path = filepath.Join(dir, "window.mp4")
	f, err := os.Create(path)
	if err != nil {
		return nil, "", err
	}
	noise := bufio.NewWriter(f)
	length := metainfo.PieceLength(archiveSize)
	source := rand.NewChaCha8([32]byte{1})
	piece := make([]byte, length)
	var pieces []byte
	for left := int64(archiveSize); left > 0; left -= int64(len(piece)) {
		piece = piece[:min(left, length)]
		_, _ = source.Read(piece) // never fails
		sum := sha1.Sum(piece)    //nolint:gosec // as above
		pieces = append(pieces, sum[:]...)
		if _, err := noise.Write(piece); err != nil {
			return nil, "", errors.Join(err, f.Close())
		}
	}
	if err := errors.Join(noise.Flush(), f.Close()); err != nil {
		return nil, "", err
	}
	info, err = bencode.EncodeBytes(map[string]any{
		"length": archiveSize, "name": filepath.Base(path), "piece length": length, "pieces": pieces,
	})
	return info, path, err
}

// fetch returns the speed of one aria2c that connects from an address.
func fetch(ctx context.Context, dir, from string, torrent []byte) (speed, error) {
	to, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return speed{}, err
	}
	defer os.RemoveAll(to)
	file := filepath.Join(to, "x.torrent")
	if err := os.WriteFile(file, torrent, 0o600); err != nil {
		return speed{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchAtMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, "aria2c", "--no-conf", "--dir="+to, "--interface="+from, "--seed-time=0", "--enable-dht=false",
		"--bt-enable-lpd=false", "--enable-peer-exchange=false", "--listen-port=20000-30000", "--file-allocation=none", "--disk-cache=0",
		"--summary-interval=0", file)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return speed{}, fmt.Errorf("start aria2c: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	got := filepath.Join(to, "window.mp4")
	flows := firstWrite(got, ended)
	if err := <-ended; err != nil {
		return speed{}, fmt.Errorf("aria2c: %w: %s", err, &out)
	}
	end := time.Now()
	if at, err := os.Stat(got); flows.IsZero() || err != nil || at.Size() != archiveSize {
		return speed{}, fmt.Errorf("aria2c has not the whole file: %s", &out)
	}
	const size = archiveSize / 1e6
	return speed{whole: size / end.Sub(began).Seconds(), flowing: size / end.Sub(flows).Seconds()}, nil
}

// firstWrite waits until the file at path takes room on the disk and returns when that
// was; the zero time if its writer ended before.
func firstWrite(path string, ended chan error) time.Time {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	for {
		var at unix.Stat_t
		if unix.Stat(path, &at) == nil && at.Blocks > 0 {
			return time.Now()
		}
		select {
		case err := <-ended:
			ended <- err // for who waits for it as well
			return time.Time{}
		case <-tick.C:
		}
	}
}
