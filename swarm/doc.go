// Package swarm is the live protocol, sh_live, by which the viewers and seeds of one
// stream feed each other: its messages, and the state machine that decides what to
// send to whom. It is pure: messages and the time come in, messages and wishes go out.
// There are no sockets, goroutines or clocks here, so that the same code runs over
// BitTorrent connections, in the simulator, and against the vectors in testdata that
// other implementations run too. docs/spec/live-swarm.md describes every byte and rule.
package swarm
