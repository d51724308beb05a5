package main

import (
	"os"
	"runtime/debug"
	"sync"
)

// collectorPercent is the server's GOGC. With Go's own, 100, a turn took 8 % more CPU time, and a list of sessions 5 %: what is
// alive is little, and was collected many times a second.
const collectorPercent = 200

// garbage is the state of the garbage collector, which servers that start pause.
var garbage struct {
	sync.Mutex
	pauses  int
	percent int // GOGC after the pauses
}

// pauseCollector lets no garbage be collected until resume is called, or the process reaches its soft limit of memory. A start
// allocates a few megabytes, which a collection in its midst would cost more than it returns. From then on the collector runs
// with GOGC, or else collectorPercent. It is safe for concurrent use.
func pauseCollector() (resume func()) {
	garbage.Lock()
	defer garbage.Unlock()
	if garbage.pauses++; garbage.pauses == 1 {
		garbage.percent = debug.SetGCPercent(-1)
		if os.Getenv("GOGC") == "" {
			garbage.percent = collectorPercent
		}
	}
	return sync.OnceFunc(func() {
		garbage.Lock()
		defer garbage.Unlock()
		if garbage.pauses--; garbage.pauses == 0 {
			debug.SetGCPercent(garbage.percent)
		}
	})
}
