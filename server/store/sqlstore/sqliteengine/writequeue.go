package sqliteengine

import (
	"context"
	"slices"
	"sync"
)

// writeQueue is where writers wait for their turn. The writer that has the turn must pass it on.
type writeQueue struct {
	mu      sync.Mutex
	busy    bool          // a writer has the turn
	waiting []chan *batch // each receives one value: the batch to take part in, or nil to begin one
}

// join waits for the turn and returns the batch to take part in, or nil to begin one. When ctx ends first,
// join leaves the queue and returns ctx's error.
func (l *writeQueue) join(ctx context.Context) (*batch, error) {
	l.mu.Lock()
	if !l.busy {
		l.busy = true
		l.mu.Unlock()
		return nil, nil
	}
	turn := make(chan *batch, 1)
	l.waiting = append(l.waiting, turn)
	l.mu.Unlock()
	select {
	case b := <-turn:
		return b, nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, turn); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		return nil, ctx.Err()
	}
	return <-turn, nil // it was passed already
}

// pass passes the turn to the first writer in the queue, with the batch to take part in, or with nil to begin one. It
// reports whether there was one; if not, the turn for a batch stays with the caller, any other is free.
func (l *writeQueue) pass(b *batch) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.waiting) == 0 {
		l.busy = b != nil
		return false
	}
	l.waiting[0] <- b
	l.waiting = slices.Delete(l.waiting, 0, 1)
	return true
}
