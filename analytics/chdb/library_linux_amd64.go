package chdb

import (
	"fmt"

	"github.com/ebitengine/purego"
)

// supported says that there is a library for this system.
const supported = true

// load loads the library, and leaves signals to Go.
func load(path string) (*library, error) {
	handle, err := purego.Dlopen(path, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return nil, fmt.Errorf("load ClickHouse's library: %w", err)
	}
	l := &library{}
	for name, fn := range l.symbols() {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return nil, fmt.Errorf("%s is no library of the version that is needed, %s: %w", path, readPin(librarySum).version, err)
		}
		purego.RegisterFunc(fn, symbol)
	}
	l.signals(0)
	return l, nil
}
