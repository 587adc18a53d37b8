package libsrt

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"
)

// Library is libsrt, loaded and started. It cannot be unloaded again.
type Library struct {
	// Called for every message: without reflection.
	receive func(u int32, b *byte, n int32) int32
	wait    func(eid int32, events *Event, n int32, ms int64) int32

	startup      func() int32
	version      func() uint32
	logLevel     func(int32)
	create       func() int32
	closeSocket  func(int32) int32
	bind         func(u int32, addr *byte, n int32) int32
	listen       func(u, backlog int32) int32
	accept       func(u int32, addr *byte, n *int32) int32
	connect      func(u int32, addr *byte, n int32) int32
	send         func(u int32, b *byte, n int32) int32
	sockName     func(u int32, addr *byte, n *int32) int32
	getFlag      func(u, opt int32, v *byte, n *int32) int32
	setFlag      func(u, opt int32, v *byte, n int32) int32
	state        func(u int32) int32
	stats        func(u int32, p *perf, reset int32) int32
	lastError    func(errno *int32) int32
	clearError   func()
	strError     func(code, errno int32) string
	rejectReason func(u int32) int32
	setReject    func(u, code int32) int32
	rejectText   func(code int32) string
	onListen     func(u int32, fn, opaque uintptr) int32
	epollCreate  func() int32
	epollAdd     func(eid, u int32, events *int32) int32
	epollUpdate  func(eid, u int32, events *int32) int32
	epollRemove  func(eid, u int32) int32
	epollRelease func(eid int32) int32
	epollSet     func(eid, flags int32) int32

	hook func() uintptr // the listen callback, made when first needed
}

// symbols names the library's functions in C, those aside that are called otherwise.
func (l *Library) symbols() map[string]any {
	return map[string]any{
		"srt_startup":            &l.startup,
		"srt_getversion":         &l.version,
		"srt_setloglevel":        &l.logLevel,
		"srt_create_socket":      &l.create,
		"srt_close":              &l.closeSocket,
		"srt_bind":               &l.bind,
		"srt_listen":             &l.listen,
		"srt_accept":             &l.accept,
		"srt_connect":            &l.connect,
		"srt_send":               &l.send,
		"srt_getsockname":        &l.sockName,
		"srt_getsockflag":        &l.getFlag,
		"srt_setsockflag":        &l.setFlag,
		"srt_getsockstate":       &l.state,
		"srt_bstats":             &l.stats,
		"srt_getlasterror":       &l.lastError,
		"srt_clearlasterror":     &l.clearError,
		"srt_strerror":           &l.strError,
		"srt_getrejectreason":    &l.rejectReason,
		"srt_setrejectreason":    &l.setReject,
		"srt_rejectreason_str":   &l.rejectText,
		"srt_listen_callback":    &l.onListen,
		"srt_epoll_create":       &l.epollCreate,
		"srt_epoll_add_usock":    &l.epollAdd,
		"srt_epoll_update_usock": &l.epollUpdate,
		"srt_epoll_remove_usock": &l.epollRemove,
		"srt_epoll_release":      &l.epollRelease,
		"srt_epoll_set":          &l.epollSet,
	}
}

// ErrMissing is the error of Load without the library. It says what to do.
var ErrMissing = errors.New("SRT needs the library libsrt 1.5: install it (apt-get install libsrt1.5-openssl)")

const (
	minVersion = 0x010500
	endVersion = 0x010600
	logFatal   = 2  // LOG_CRIT: the library's log goes to stderr, where it would be nobody's
	emptyFlag  = 1  // SRT_EPOLL_ENABLE_EMPTY
	failed     = -1 // what functions return when they fail
)

// Load loads the library once for the process. Without it, the error is ErrMissing.
var Load = sync.OnceValues(func() (*Library, error) {
	l := &Library{}
	if err := l.load(); err != nil {
		return nil, err
	}
	if v := l.version(); v < minVersion || v >= endVersion {
		return nil, fmt.Errorf("libsrt is of version %s: %w", Version(v), ErrMissing)
	}
	if l.startup() < 0 {
		return nil, errors.New("start libsrt: it could not start its threads")
	}
	l.logLevel(logFatal)
	return l, nil
})

// Version says which version of the library is loaded.
func (l *Library) Version() Version { return Version(l.version()) }

// Version is a version of SRT as in handshakes: 0x00MMmmpp.
type Version uint32

func (v Version) String() string { return fmt.Sprintf("%d.%d.%d", v>>16, v>>8&0xff, v&0xff) }

// Error is an error of the library.
type Error struct {
	Code    int32
	Errno   int32
	Message string
}

func (e *Error) Error() string { return e.Message }

// Again reports whether err says that there is nothing to do now.
func Again(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code >= codeAgain && e.Code <= codeLast
}

// Lost reports whether err says that the connection is gone.
func Lost(err error) bool {
	var e *Error
	return errors.As(err, &e) && (e.Code == codeConnLost || e.Code == codeNoConn)
}

// errAgain is made once: it is the answer whenever a socket has been emptied.
var errAgain = &Error{Code: codeAgain, Message: "nothing to read or write now"}

// do calls fn and, when it fails, asks why on the same thread.
func (l *Library) do(fn func() int32) (int32, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	r := fn()
	if r >= 0 {
		return r, nil
	}
	return r, l.failure()
}

// failure is the last error of this thread.
func (l *Library) failure() error {
	var errno int32
	code := l.lastError(&errno)
	if code >= codeAgain && code <= codeLast {
		return errAgain
	}
	return &Error{Code: code, Errno: errno, Message: l.strError(code, errno)}
}

// copyText copies C's text, at most limit bytes of it.
func copyText(p *byte, limit int) string {
	if p == nil {
		return ""
	}
	n := 0
	for n < limit && *(*byte)(unsafe.Add(unsafe.Pointer(p), n)) != 0 { //nolint:gosec // it ends with a zero, or the limit
		n++
	}
	return string(unsafe.Slice(p, n)) //nolint:gosec // n was counted
}
