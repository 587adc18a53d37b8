package libsrt

import (
	"fmt"
	"net/netip"
	"sync"
)

// Check decides about a handshake: its peer and stream id. 0 lets it go on, all else
// refuses it. It runs on the library's thread, which takes in nothing meanwhile.
type Check func(peer netip.AddrPort, streamID string) Reject

// checks are the listeners' checks, by a number that the library keeps instead of a
// pointer.
var checks struct {
	mu   sync.RWMutex
	last uintptr
	by   map[uintptr]listening
}

type listening struct {
	lib   *Library
	check Check
}

// OnHandshake sets the check of a listener, before Listen. The caller calls forget when
// the listener is closed: no check begins after that.
func (l *Library) OnHandshake(u Socket, c Check) (forget func(), err error) {
	checks.mu.Lock()
	checks.last++
	id := checks.last
	if checks.by == nil {
		checks.by = map[uintptr]listening{}
	}
	checks.by[id] = listening{l, c}
	checks.mu.Unlock()
	forget = func() {
		checks.mu.Lock()
		defer checks.mu.Unlock()
		delete(checks.by, id)
	}
	if _, err := l.do(func() int32 { return l.onListen(int32(u), l.hook(), id) }); err != nil {
		forget()
		return nil, fmt.Errorf("set the check of SRT handshakes: %w", err)
	}
	return forget, nil
}

// hook is srt_listen_callback_fn. A panic would end in C, so there is none.
func hook(opaque uintptr, u, _ int32, peer, streamID *byte) (result int32) {
	checks.mu.RLock()
	c, ok := checks.by[opaque]
	checks.mu.RUnlock()
	if !ok {
		return failed
	}
	reason := Internal
	func() {
		defer func() { _ = recover() }()
		reason = c.check(decodeAt(peer), copyText(streamID, MaxStreamID))
	}()
	if reason == 0 {
		return 0
	}
	c.lib.setReject(u, int32(reason))
	return failed
}
