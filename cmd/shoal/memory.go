package main

import (
	"os"
	"runtime/debug"
)

// gcPercent is how much garbage may pile up, in percent of what lives. Nearly all that
// lives here are windows of media, which cost the collector nothing to look at, so that
// collecting four times as often as Go does by default is cheaper than the memory.
const gcPercent = 10

// tuneMemory sets how memory is traded for processor time, unless GOGC says otherwise.
func tuneMemory() {
	if _, set := os.LookupEnv("GOGC"); !set {
		debug.SetGCPercent(gcPercent)
	}
}

// batchMemory is what analytics alone aims at: batches are large and live shortly, so that collecting as often as tuneMemory does
// would take three quarters of its time.
const batchMemory = 150 << 20

// tuneForBatches lets garbage grow to the limit before it is collected.
func tuneForBatches() {
	debug.SetGCPercent(100)
	debug.SetMemoryLimit(batchMemory)
}
