//go:build !unix

package ffmpeg

import (
	"os"
	"syscall"
)

func attributes() *syscall.SysProcAttr { return nil }

// interrupt ends the child: there are no signals to ask it with.
func interrupt(p *os.Process) error { return p.Kill() }
