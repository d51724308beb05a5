package server

import (
	"context"
	"runtime"
	"runtime/debug"
	"time"
)

// calm is how long only small requests must have been in progress before memory is returned; large bytes in progress
// together are not small.
const (
	calm  = 5 * time.Second
	large = 16 << 20
)

// returnMemory calls release once large requests or turns have ended, until ctx ends. Without it, what they took would stay
// with the process: garbage is collected when more is allocated, which a server at rest does not do for minutes.
func (s *Server) returnMemory(ctx context.Context, release func()) {
	taken := false
	for ticker := time.NewTicker(calm); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		busy := false
		for _, b := range s.budgets {
			busy = b.Peak() >= large || busy
		}
		if taken && !busy {
			release()
		}
		taken = busy
	}
}

// The opening of a stream leaves some ten times as much garbage as the stream takes. Memory is returned once streamsAtRest
// has passed with less than a tenth of manyStreams opened, after that many were.
const (
	manyStreams   = 1000
	streamsAtRest = time.Second
)

// returnStreamMemory calls release after many streams were opened, until ctx ends. opened returns how many streams there ever
// were.
func returnStreamMemory(ctx context.Context, opened func() int, release func()) {
	last, taken := opened(), 0
	for ticker := time.NewTicker(streamsAtRest); ; {
		select {
		case <-ctx.Done():
			ticker.Stop()
			return
		case <-ticker.C:
		}
		now := opened()
		more := now - last
		last, taken = now, taken+more
		if taken >= manyStreams && more < manyStreams/10 {
			release()
			taken = 0
		}
	}
}

// releaseMemory collects garbage and returns free memory to the system. Pools keep what they hold for one collection.
func releaseMemory() {
	runtime.GC()
	debug.FreeOSMemory()
}
