package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"time"
)

// released is before any build of this program: a clock that says less is wrong.
var released = time.Date(2026, time.January, 1, 0, 0, 0, 0, time.UTC)

const (
	writeBytes  = 16 << 20        // written to measure the rate
	writeWithin = 2 * time.Second // or as much as this allows
	syncWrites  = 20              // small writes to measure syncing
	programWait = 5 * time.Second // for ffmpeg to answer
	chunk       = 1 << 20
)

// existing returns the nearest directory at or above path that exists.
func existing(path string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", path, err)
	}
	for {
		info, err := os.Stat(abs)
		if err == nil && info.IsDir() {
			return abs, nil
		}
		up := filepath.Dir(abs)
		if err == nil || !errors.Is(err, os.ErrNotExist) || up == abs {
			return "", fmt.Errorf("%s is not a directory", abs)
		}
		abs = up
	}
}

const otherDisk = "give this user the right to write there, or choose another directory with --data"

func dataDir(path string) Check {
	c := Check{Name: "data directory"}
	dir, err := existing(path)
	if err == nil {
		err = probe(dir)
	}
	if err != nil {
		c.Status, c.What, c.Do = Fail, fmt.Sprintf("%s cannot be written: %v", path, err), otherDisk
		return c
	}
	c.What = path + " can be written"
	if abs, err := filepath.Abs(path); err == nil && abs != dir {
		c.What = path + " does not exist yet and can be created"
	}
	return c
}

// probe creates and removes a file in dir.
func probe(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

func space(path string) Check {
	dir, err := existing(path)
	if err == nil {
		var free uint64
		if free, err = freeBytes(dir); err == nil {
			return judgeSpace(free, dir)
		}
	}
	return Check{Name: "disk space", Status: Warn, What: fmt.Sprintf("not known: %v", err), Do: "see to it that some gigabytes are free where --data lies"}
}

func diskSpeed(ctx context.Context, path string) Check {
	dir, err := existing(path)
	if err == nil {
		var rate float64
		var sync time.Duration
		if rate, sync, err = measureDisk(ctx, dir); err == nil {
			return judgeSpeed(rate, sync, dir)
		}
	}
	return Check{Name: "disk speed", Status: Fail, What: fmt.Sprintf("could not be measured: %v", err), Do: otherDisk}
}

// measureDisk returns bytes a second of a sequential write, sync included, and the
// median time of a small write with its sync.
func measureDisk(ctx context.Context, dir string) (rate float64, sync time.Duration, err error) {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return 0, 0, err
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(f.Name())) }()

	buf := make([]byte, chunk)
	begun, written := time.Now(), 0
	for written < writeBytes && time.Since(begun) < writeWithin && ctx.Err() == nil {
		n, err := f.Write(buf)
		if err != nil {
			return 0, 0, err
		}
		written += n
	}
	if err := f.Sync(); err != nil {
		return 0, 0, err
	}
	rate = float64(written) / time.Since(begun).Seconds()

	var times []time.Duration
	for len(times) < syncWrites && ctx.Err() == nil {
		begun := time.Now()
		if _, err := f.Write(buf[:1024]); err != nil {
			return 0, 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, 0, err
		}
		times = append(times, time.Since(begun))
	}
	if err := ctx.Err(); err != nil {
		return 0, 0, err
	}
	slices.Sort(times)
	return rate, times[len(times)/2], nil
}

func port(ctx context.Context, p Port, running bool) Check {
	c := Check{Name: p.Flag, What: fmt.Sprintf("%s %s is free", p.Network, p.Addr)}
	var lc net.ListenConfig
	var err error
	if p.Network == "udp" {
		var l net.PacketConn
		if l, err = lc.ListenPacket(ctx, "udp", p.Addr); err == nil {
			err = l.Close()
		}
	} else {
		var l net.Listener
		if l, err = lc.Listen(ctx, "tcp", p.Addr); err == nil {
			err = l.Close()
		}
	}
	switch {
	case err == nil:
	case running:
		c.What = fmt.Sprintf("%s %s is taken, as it should be: an instance is running", p.Network, p.Addr)
	default:
		c.Status = Fail
		c.What = fmt.Sprintf("%s %s cannot be used: %v", p.Network, p.Addr, err)
		c.Do = fmt.Sprintf("stop what uses it (ss -lnp shows it), or choose another address with %s", p.Flag)
	}
	return c
}

func clock() Check { return judgeClock(clockSync(), time.Now(), released) }

func openFiles() Check {
	limit, err := fileLimit()
	if err != nil {
		return Check{Name: "open files", What: "this system sets no limit of its own"}
	}
	return judgeFiles(limit)
}

// libc looks for glibc, which libraries loaded at run time need.
func libc() Check {
	c := Check{Name: "glibc", What: "not needed on this system"}
	loaders, systemLacks := libcLoaders()
	if loaders == nil {
		return c
	}
	for _, pattern := range loaders {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			c.What = "found " + found[0]
			return c
		}
	}
	c.Status, c.What, c.Do = Warn, "not found", systemLacks
	return c
}

func ffmpeg(ctx context.Context) Check {
	ctx, cancel := context.WithTimeout(ctx, programWait)
	defer cancel()
	version, err := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-version").Output()
	if err != nil {
		return Check{
			Name: "ffmpeg", Status: Warn, What: "not found",
			Do: "install it to run the demonstration and the tests (Debian: apt install ffmpeg); Shoal itself does not need it",
		}
	}
	list, err := exec.CommandContext(ctx, "ffmpeg", "-hide_banner", "-encoders").Output()
	if err != nil {
		list = nil // judged as having none
	}
	return judgeFFmpeg(string(version), string(list))
}
