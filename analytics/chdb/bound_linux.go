package chdb

import "syscall"

// bound makes the child die with its parent, however that dies, and keeps the signals of
// a terminal from it, so that it serves until its parent has finished.
func bound() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
