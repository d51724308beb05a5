package cache

import (
	"container/list"
	"sync"
)

// Shared is a map with a bounded size for several owners. An owner's values take at most half of it, and are kept as by
// Cache. When there is no room left, the values of the owner that used the map longest ago are dropped, so that nobody
// displaces what another one uses by reading much. The methods are safe for concurrent use.
type Shared[O, K comparable, V any] struct {
	size int

	mu     sync.Mutex
	owners map[O]*list.Element // of recent
	recent *list.List          // of *owned, latest use first
	used   int
}

// owned is what an owner has.
type owned[O, K comparable, V any] struct {
	owner  O
	values *Cache[K, V]
}

// NewShared returns an empty cache for values of that size in total, in the unit that Add counts.
func NewShared[O, K comparable, V any](size int) *Shared[O, K, V] {
	return &Shared[O, K, V]{size: size, owners: map[O]*list.Element{}, recent: list.New()}
}

// Get returns the value of an owner's key, and whether there is one.
func (s *Shared[O, K, V]) Get(owner O, key K) (value V, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.owners[owner]
	if !ok {
		return value, false
	}
	s.recent.MoveToFront(at)
	values := at.Value.(*owned[O, K, V]).values
	s.used -= values.held()
	value, ok = values.Get(key)
	s.used += values.held()
	return value, ok
}

// Add sets the value of an owner's key; size is how much it occupies. A value larger than a quarter of the cache is not
// kept.
func (s *Shared[O, K, V]) Add(owner O, key K, value V, size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	at, ok := s.owners[owner]
	if !ok {
		at = s.recent.PushFront(&owned[O, K, V]{owner, New[K, V](s.size / 2)})
		s.owners[owner] = at
	}
	s.recent.MoveToFront(at)
	values := at.Value.(*owned[O, K, V]).values
	s.used -= values.held()
	values.Add(key, value, size)
	s.used += values.held()
	for s.used > s.size {
		s.drop(s.recent.Back())
	}
}

// drop forgets what an owner has.
func (s *Shared[O, K, V]) drop(at *list.Element) {
	gone := s.recent.Remove(at).(*owned[O, K, V])
	delete(s.owners, gone.owner)
	s.used -= gone.values.held()
}
