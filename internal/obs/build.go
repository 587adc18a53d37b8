package obs

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// version is set by the linker (-X); empty in a plain go build.
var version string

// Build says which program this is.
type Build struct {
	Version  string `json:"version"` // "devel" when nobody named it
	Commit   string `json:"commit,omitzero"`
	Modified bool   `json:"modified,omitzero"` // built from a changed tree
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

// BuildInfo reads what the linker and the Go tool wrote into the binary.
func BuildInfo() Build {
	b := Build{Version: version, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				b.Commit = s.Value
			case "vcs.modified":
				b.Modified = s.Value == "true"
			}
		}
		if v := info.Main.Version; b.Version == "" && v != "(devel)" {
			b.Version = v
		}
	}
	if b.Version == "" {
		b.Version = "devel"
	}
	return b
}

// String is one line for people.
func (b Build) String() string {
	return fmt.Sprintf("shoal %s (%s, %s/%s)", b.Version, b.Go, b.OS, b.Arch)
}
