// Package libsrt is the one wrapper of the reference implementation of SRT, libsrt 1.5
// (docs/API/API-functions.md of Haivision/srt), which is loaded at run time. It adds
// nothing to what the library does, but owns its traps:
//
//   - The last error belongs to a thread of the system, so a call and the question
//     why it failed are made on one.
//   - The library keeps no memory of Go's: buffers are lent for the time of a call, and
//     what a callback is handed is copied before it returns.
//   - Callbacks run on threads of the library, which serve all sockets of a port while
//     they do: they must not wait.
//
// All methods may be called from any goroutine. Sockets do not block: a call that
// cannot go on fails with an error that Again reports.
package libsrt
