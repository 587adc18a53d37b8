package transcoder

import (
	"math/bits"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// apply binds the child to the last of the cores that we may use ourselves, and lets others go first. It holds for the
// threads that it has and those that they will begin; where the system refuses it, the
// child runs unbound.
func (l Limits) apply(pid int) {
	var ours, set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &ours); err != nil {
		return
	}
	for i, n := len(ours)*bits.UintSize-1, l.cores(); i >= 0 && n > 0; i-- {
		if ours.IsSet(i) {
			set.Set(i)
			n--
		}
	}
	tasks, _ := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*")
	for _, task := range tasks {
		if tid, err := strconv.Atoi(filepath.Base(task)); err == nil {
			_ = unix.Setpriority(unix.PRIO_PROCESS, tid, niceness)
			_ = unix.SchedSetaffinity(tid, &set)
		}
	}
}
