//go:build !linux

package transcoder

import "os/exec"

func (l Limits) prepare(*exec.Cmd) {}

// apply does nothing: how many threads an encoder has is all that bounds it here.
func (l Limits) apply(int) {}
