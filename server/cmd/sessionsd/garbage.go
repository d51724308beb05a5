package main

import (
	"runtime/debug"
	"sync"
)

// garbage is the state of the garbage collector, which servers that start pause.
var garbage struct {
	sync.Mutex
	pauses  int
	percent int // GOGC, while there are pauses
}

// pauseCollector lets no garbage be collected until resume is called, or the process reaches its soft limit of memory. A start
// allocates a few megabytes, which a collection in its midst would cost more than it returns. It is safe for concurrent use.
func pauseCollector() (resume func()) {
	garbage.Lock()
	defer garbage.Unlock()
	if garbage.pauses++; garbage.pauses == 1 {
		garbage.percent = debug.SetGCPercent(-1)
	}
	return sync.OnceFunc(func() {
		garbage.Lock()
		defer garbage.Unlock()
		if garbage.pauses--; garbage.pauses == 0 {
			debug.SetGCPercent(garbage.percent)
		}
	})
}
