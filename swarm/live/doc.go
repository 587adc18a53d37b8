// Package live runs a swarm node in real time: one goroutine owns the node, decodes
// what connections receive, encodes what it sends, and keeps its timers. It knows no
// transport: whoever has a connection attaches it as a Link.
package live
