package chdb

import (
	"os"
	"strconv"
	"strings"
)

// DefaultMemory is what the engine may allocate if nobody says: a quarter of what this
// machine or container has, at most 2 GiB.
func DefaultMemory() int64 {
	info, _ := os.ReadFile("/proc/meminfo") // unreadable ones bound nothing
	group, _ := os.ReadFile("/sys/fs/cgroup/memory.max")
	return share(string(info), string(group))
}

const mostMemory = 2 << 30

func share(meminfo, group string) int64 {
	memory := int64(mostMemory)
	if kib, err := strconv.ParseInt(field(meminfo, "MemTotal:"), 10, 64); err == nil {
		memory = min(memory, kib<<10/4)
	}
	if bytes, err := strconv.ParseInt(strings.TrimSpace(group), 10, 64); err == nil {
		memory = min(memory, bytes/4)
	}
	return memory
}

// field returns the word behind a key that begins a line.
func field(text, key string) string {
	for line := range strings.Lines(text) {
		if rest, ok := strings.CutPrefix(line, key); ok {
			if f := strings.Fields(rest); len(f) > 0 {
				return f[0]
			}
		}
	}
	return ""
}
