// Package chdb runs ClickHouse as a library, in a child process, behind ClickHouse's own
// HTTP interface on loopback, so that clients of a real server work with it unchanged.
//
// An Engine is the side of the program: it keeps the child running, and its address the
// same. Child and Serve are what the child runs. The library itself (libchdb.so) comes
// with `make setup`; Find says where it is.
package chdb
