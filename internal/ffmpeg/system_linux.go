package ffmpeg

import (
	"os"
	"syscall"
)

// attributes put the child into a process group of its own, for a terminal's Ctrl-C is
// this process's to hand on, and have it die with this process, however that ends.
//
// The kernel sends that signal when the thread ends that started the child. Go keeps its
// threads, but those whose goroutine locked one and returned: do not start one from there.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}

func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
