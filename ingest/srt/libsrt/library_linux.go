//go:build linux && (amd64 || arm64)

package libsrt

import (
	"fmt"
	"sync"
	"unsafe"

	"github.com/ebitengine/purego"
)

// names are the library's names: as its project and the OpenSSL flavour have it, then the others.
var names = []string{"libsrt.so.1.5", "libsrt-openssl.so.1.5", "libsrt-gnutls.so.1.5"}

func (l *Library) load() error {
	handle, err := open()
	if err != nil {
		return err
	}
	find := func(name string) (uintptr, error) {
		symbol, err := purego.Dlsym(handle, name)
		if err != nil {
			return 0, fmt.Errorf("find %s in libsrt: %w (%w)", name, err, ErrMissing)
		}
		return symbol, nil
	}
	for name, fn := range l.symbols() {
		symbol, err := find(name)
		if err != nil {
			return err
		}
		purego.RegisterFunc(fn, symbol)
	}
	receive, err := find("srt_recv")
	if err != nil {
		return err
	}
	wait, err := find("srt_epoll_uwait")
	if err != nil {
		return err
	}
	l.receive = func(u int32, b *byte, n int32) int32 {
		r, _, _ := purego.SyscallN(receive, uintptr(u), uintptr(unsafe.Pointer(b)), uintptr(n)) //nolint:gosec // lent for the call, which keeps it
		return int32(r)
	}
	l.wait = func(eid int32, events *Event, n int32, ms int64) int32 {
		r, _, _ := purego.SyscallN(wait, uintptr(eid), uintptr(unsafe.Pointer(events)), uintptr(n), uintptr(ms)) //nolint:gosec // lent for the call, which keeps it
		return int32(r)
	}
	// One for the process: callbacks are never freed.
	l.hook = sync.OnceValue(func() uintptr { return purego.NewCallback(hook) })
	return nil
}

func open() (uintptr, error) {
	var first error
	for _, name := range names {
		handle, err := purego.Dlopen(name, purego.RTLD_NOW|purego.RTLD_LOCAL)
		if err == nil {
			return handle, nil
		}
		if first == nil {
			first = err
		}
	}
	return 0, fmt.Errorf("%w: %w", ErrMissing, first)
}
