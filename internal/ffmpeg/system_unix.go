//go:build unix && !linux

package ffmpeg

import (
	"os"
	"syscall"
)

// attributes put the child into a process group of its own, for a terminal's Ctrl-C is
// this process's to hand on.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
