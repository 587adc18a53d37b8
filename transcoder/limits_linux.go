package transcoder

import (
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

// apply binds the child to the last of the cores and lets others go first. It holds for the
// threads that it has and those that they will begin; where the system refuses it, the
// child runs unbound.
func (l Limits) apply(pid int) {
	var set unix.CPUSet
	for i, n := runtime.NumCPU()-1, l.cores(); n > 0; i, n = i-1, n-1 {
		set.Set(i)
	}
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*")
	for _, task := range tasks {
		if tid, err := strconv.Atoi(filepath.Base(task)); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, niceness)
			_ = unix.SchedSetaffinity(tid, &set)
		}
	}
}
