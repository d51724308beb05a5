package sqlstore

import (
	"maps"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server/store"
)

// hub passes signals to the watchers in this process. Its zero value is ready for use.
type hub struct {
	mu       sync.RWMutex
	next     int
	watchers map[int]func(store.Signal)
}

func (h *hub) watch(fn func(store.Signal)) (stop func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.watchers == nil {
		h.watchers = map[int]func(store.Signal){}
	}
	id := h.next
	h.next++
	h.watchers[id] = fn
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.watchers, id)
	}
}

func (h *hub) send(s store.Signal) {
	h.mu.RLock()
	watchers := slices.Collect(maps.Values(h.watchers))
	h.mu.RUnlock()
	for _, fn := range watchers {
		fn(s)
	}
}
