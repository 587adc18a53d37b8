// Package event names the things Shoal's services talk about and the facts they
// exchange on the bus. It is the contract between them: it imports nothing of the
// project, does no I/O, and every wire format in it has a golden file per version.
package event
