package main

import (
	"bufio"
	"context"
	"crypto/sha1" //nolint:gosec // BitTorrent v1 hashes pieces with it
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/zeebo/bencode"

	"github.com/shoalcast/shoal/swarm/bt"
	"github.com/shoalcast/shoal/swarm/metainfo"
)

const (
	archiveSize   = 400 << 20
	archiveRounds = 5
	archiveLeast  = 3 // rounds where there is little time
	archiveRatio  = 0.8
	fetchAtMost   = 2 * time.Minute
)

// benchArchive has aria2c fetch one file from our seed and from transmission-daemon, in
// turns. A fetch is timed from aria2c's start to its end.
func benchArchive(ctx context.Context, r *report, o options) error {
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
	var us, them []float64
	for round := 0; ; round++ {
		if o.length == 0 && round >= archiveRounds || o.length > 0 && round >= archiveLeast && time.Since(began) >= o.length {
			break
		}
		speeds := [2]float64{}
		for turn := range 2 {
			who := (round + turn) % 2 // who comes first changes too
			from := []*tracker{ours, daemon.tracker}[who]
			if speeds[who], err = fetch(ctx, dir, metainfo.File(info, []string{from.url}, nil)); err != nil {
				return err
			}
		}
		fmt.Printf("round %d: from shoal %.0f MB/s, from transmission-daemon %.0f MB/s\n", round+1, speeds[0], speeds[1])
		us, them = append(us, speeds[0]), append(them, speeds[1])
	}
	ratio := median(us) / median(them)
	r.add(fmt.Sprintf("aria2c, %d MB, medians of %d: shoal %.0f, transmission %.0f MB/s", archiveSize/1_000_000, len(us), median(us), median(them)),
		fmt.Sprintf("%.2f ×", ratio), "≥ 0.8 ×", ratio >= archiveRatio)
	return nil
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

// transmission is a transmission-daemon that seeds one file.
type transmission struct {
	cmd     *exec.Cmd
	tracker *tracker
}

func startTransmission(ctx context.Context, home, path string, info []byte) (*transmission, error) {
	peers, rpc, err := twoFreePorts()
	if err != nil {
		return nil, err
	}
	at, err := netip.ParseAddrPort(peers)
	if err != nil {
		return nil, err
	}
	control, err := netip.ParseAddrPort(rpc)
	if err != nil {
		return nil, err
	}
	d := &transmission{}
	if d.tracker, err = newTracker(ctx, at); err != nil {
		return nil, err
	}
	watch := filepath.Join(home, "watch")
	if err := os.MkdirAll(watch, 0o750); err != nil {
		return nil, errors.Join(err, d.tracker.close())
	}
	if err := os.WriteFile(filepath.Join(watch, "x.torrent"), metainfo.File(info, []string{d.tracker.url}, nil), 0o600); err != nil {
		return nil, errors.Join(err, d.tracker.close())
	}
	d.cmd = exec.CommandContext(context.WithoutCancel(ctx), "transmission-daemon", "-f", "-g", home, "-w", filepath.Dir(path), "-c", watch,
		"--peerport", strconv.Itoa(int(at.Port())), "--port", strconv.Itoa(int(control.Port())), "--no-dht", "--no-utp", "--no-portmap", "--no-lpd", "-GSR")
	if err := d.cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start transmission-daemon: %w", err), d.tracker.close())
	}
	select {
	case <-d.tracker.complete: // the file is checked
		return d, nil
	case <-time.After(time.Minute):
		err = errors.New("transmission-daemon does not seed the file within a minute")
	case <-ctx.Done():
		err = ctx.Err()
	}
	d.stop()
	return nil, err
}

func (d *transmission) stop() {
	_ = d.cmd.Process.Kill()
	_ = d.cmd.Wait()
	_ = d.tracker.close()
}

// fetch returns the speed of one aria2c in MB/s.
func fetch(ctx context.Context, dir string, torrent []byte) (float64, error) {
	to, err := os.MkdirTemp(dir, "fetch-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(to)
	file := filepath.Join(to, "x.torrent")
	if err := os.WriteFile(file, torrent, 0o600); err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, fetchAtMost)
	defer cancel()
	cmd := exec.CommandContext(ctx, "aria2c", "--no-conf", "--dir="+to, "--seed-time=0", "--enable-dht=false", "--bt-enable-lpd=false",
		"--listen-port=20000-30000", "--file-allocation=none", "--summary-interval=0", file)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	took := time.Since(began)
	if err != nil {
		return 0, fmt.Errorf("aria2c: %w: %s", err, out)
	}
	if at, err := os.Stat(filepath.Join(to, "window.mp4")); err != nil || at.Size() != archiveSize {
		return 0, fmt.Errorf("aria2c has not the whole file: %s", out)
	}
	return archiveSize / 1e6 / took.Seconds(), nil
}
