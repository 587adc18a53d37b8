package chdb

import (
	"errors"
	"runtime"
	"unsafe"
)

// Handles of the library's own objects.
type (
	cConn   uintptr // chdb_connection
	cResult uintptr // chdb_result *
	cInsert uintptr // chdb_insert_stream
)

// library is libchdb.so, loaded. It cannot be unloaded again. All of its functions may
// be called from any thread, those on one connection from one at a time.
type library struct {
	version    func() string
	signals    func(enabled int32)
	connect    func(argc int32, argv *uintptr) *cConn
	close      func(*cConn)
	query      func(c cConn, q *byte, qn uintptr, format *byte, fn uintptr, names, nameLens, values, valueLens *uintptr, n uintptr) cResult
	stream     func(c cConn, q *byte, qn uintptr, format *byte, fn uintptr, names, nameLens, values, valueLens *uintptr, n uintptr) cResult
	fetch      func(c cConn, stream cResult) cResult
	cancel     func(c cConn, stream cResult)
	destroy    func(cResult)
	insert     func(c cConn, q *byte, qn uintptr, format *byte, fn uintptr, names, nameLens, values, valueLens *uintptr, n uintptr) cInsert
	append     func(s cInsert, data *byte, n uintptr) int32
	done       func(cInsert) cResult
	abandon    func(cInsert)
	insertFail func(cInsert) string
	free       func(cInsert)
	buffer     func(cResult) *byte
	length     func(cResult) uintptr
	failure    func(cResult) string
	readRows   func(cResult) uint64
	readBytes  func(cResult) uint64
	wroteRows  func(cResult) uint64
	wroteBytes func(cResult) uint64
	classify   func(c cConn, q *byte, qn uintptr, db *byte, dbn uintptr, out *analysis) int32
}

// symbols names the library's functions in C.
func (l *library) symbols() map[string]any {
	return map[string]any{
		"chdb_version":                     &l.version,
		"chdb_set_signal_handlers_enabled": &l.signals,
		"chdb_connect":                     &l.connect,
		"chdb_close_conn":                  &l.close,
		"chdb_query_with_params_n":         &l.query,
		"chdb_stream_query_with_params_n":  &l.stream,
		"chdb_stream_fetch_result":         &l.fetch,
		"chdb_stream_cancel_query":         &l.cancel,
		"chdb_destroy_query_result":        &l.destroy,
		"chdb_stream_insert_with_params_n": &l.insert,
		"chdb_stream_append":               &l.append,
		"chdb_stream_done":                 &l.done,
		"chdb_stream_cancel_insert":        &l.abandon,
		"chdb_stream_insert_error":         &l.insertFail,
		"chdb_destroy_insert_stream":       &l.free,
		"chdb_result_buffer":               &l.buffer,
		"chdb_result_length":               &l.length,
		"chdb_result_error":                &l.failure,
		"chdb_result_storage_rows_read":    &l.readRows,
		"chdb_result_storage_bytes_read":   &l.readBytes,
		"chdb_result_rows_written":         &l.wroteRows,
		"chdb_result_bytes_written":        &l.wroteBytes,
		"chdb_classify_query_n":            &l.classify,
	}
}

// analysis is chdb_query_analysis_v1. Class 0 changes nothing.
type analysis struct{ size, statements, _, class uint32 }

// connection makes one more connection. The first of a process starts the engine, with
// all of args; later ones must name the same --path.
func (l *library) connection(args ...string) (*cConn, error) {
	var m cMemory
	defer m.release()
	argv := make([]uintptr, 0, len(args)+2)
	for _, a := range append([]string{"shoal"}, args...) {
		argv = append(argv, m.address(a))
	}
	argv = append(argv, 0)
	c := l.connect(int32(len(argv)-1), m.table(argv))
	if c == nil || *c == 0 {
		return nil, errors.New("the engine refused the connection")
	}
	return c, nil
}

// bytes is what a result holds. They are the library's, and gone with the result.
func (l *library) bytes(r cResult) []byte {
	n := l.length(r)
	if n == 0 {
		return nil
	}
	return unsafe.Slice(l.buffer(r), n) //nolint:gosec // the library says how long it is
}

// cMemory is Go memory lent to C for the time of a call.
type cMemory struct{ pins runtime.Pinner }

func (m *cMemory) release() { m.pins.Unpin() }

// text returns s with a zero behind it.
func (m *cMemory) text(s string) *byte {
	b := append([]byte(s), 0)
	m.pins.Pin(&b[0])
	return &b[0]
}

func (m *cMemory) address(s string) uintptr {
	return uintptr(unsafe.Pointer(m.text(s))) //nolint:gosec // text pins it
}

func (m *cMemory) table(t []uintptr) *uintptr {
	if len(t) == 0 {
		return nil
	}
	m.pins.Pin(&t[0])
	return &t[0]
}

// param is a value for a {name:Type} in a statement.
type param struct{ name, value string }

// cParams is params as the library takes them.
type cParams struct {
	names, nameLens, values, valueLens *uintptr
	n                                  uintptr
}

func (m *cMemory) params(params []param) cParams {
	var names, nameLens, values, valueLens []uintptr
	for _, p := range params {
		names, nameLens = append(names, m.address(p.name)), append(nameLens, uintptr(len(p.name)))
		values, valueLens = append(values, m.address(p.value)), append(valueLens, uintptr(len(p.value)))
	}
	return cParams{m.table(names), m.table(nameLens), m.table(values), m.table(valueLens), uintptr(len(params))}
}
