//go:build !(linux && (amd64 || arm64))

package libsrt

import (
	"fmt"
	"runtime"
)

func (l *Library) load() error {
	return fmt.Errorf("load libsrt: SRT is not available on this system (%s/%s)", runtime.GOOS, runtime.GOARCH)
}
