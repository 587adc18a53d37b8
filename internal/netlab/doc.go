// Package netlab puts bad networks between programs on one machine: relays on loopback,
// in user space, that delay, jitter, lose and reorder what passes, or stop passing it.
// It is for tests and benchmarks; nothing in the program imports it.
package netlab
