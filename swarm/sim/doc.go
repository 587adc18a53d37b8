// Package sim runs swarms of thousands of peers in virtual time: the same code that a
// viewer runs (package swarm), over links with delay, bandwidth, loss and NATs that are
// made up, beside simpler ways to bring the same stream to the same viewers. The same
// options give the same figures, byte for byte, on any number of processors.
//
// What is left out: TCP's slow start and congestion control (a link is a queue that
// serves at its full rate), cryptography (false bytes are told by their address), and
// the contents of media.
package sim
