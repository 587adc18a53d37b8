package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/shoalcast/shoal/swarm/metainfo"
)

// transmissionSettings keep it on this machine, and let it give all that it can.
const transmissionSettings = `{
	"bind-address-ipv4": "127.0.0.1", "bind-address-ipv6": "::1", "rpc-bind-address": "127.0.0.1",
	"pex-enabled": false, "preallocation": 0, "speed-limit-up-enabled": false, "upload-slots-per-torrent": 100
}`

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
	err = errors.Join(
		os.MkdirAll(watch, 0o750),
		os.WriteFile(filepath.Join(home, "settings.json"), []byte(transmissionSettings), 0o600),
		os.WriteFile(filepath.Join(watch, "x.torrent"), metainfo.File(info, []string{d.tracker.url}, nil), 0o600),
	)
	if err != nil {
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
	case <-time.After(30 * time.Second):
		err = errors.New("transmission-daemon does not seed the file within 30 seconds")
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
