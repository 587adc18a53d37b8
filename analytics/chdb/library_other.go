//go:build !(linux && amd64)

package chdb

import (
	"fmt"
	"runtime"
)

const supported = false

func load(path string) (*library, error) {
	return nil, fmt.Errorf("load %s: ClickHouse's library is not available on this system (%s/%s)", path, runtime.GOOS, runtime.GOARCH)
}
