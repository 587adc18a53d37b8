//go:build !linux

package chdb

import "syscall"

func bound() *syscall.SysProcAttr { return nil }
