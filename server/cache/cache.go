// Package cache keeps what was used of late, up to a bound. It imports the standard library only.
package cache

import "sync"

// Cache is a map that forgets: it holds at most two generations of values, and when the young one is full
// it becomes the old one, which is forgotten. What is asked for in time moves to the young one again. Its
// methods are safe for concurrent use.
type Cache[K comparable, V any] struct {
	room int // for a generation

	mu         sync.Mutex
	young, old map[K]entry[V]
	size       int // of the young generation
}

type entry[V any] struct {
	value V
	size  int
}

// New returns an empty cache for values of that size in all, in whatever unit Add counts.
func New[K comparable, V any](size int) *Cache[K, V] {
	return &Cache[K, V]{room: size / 2, young: map[K]entry[V]{}}
}

// Get returns the key's value, and whether there is one.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.young[key]
	if !ok {
		if e, ok = c.old[key]; ok {
			c.put(key, e)
		}
	}
	return e.value, ok
}

// Add sets the key's value, which takes up that size. A value that is larger than half of the cache is not
// kept.
func (c *Cache[K, V]) Add(key K, value V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, entry[V]{value, size})
}

func (c *Cache[K, V]) put(key K, e entry[V]) {
	c.size -= c.young[key].size
	delete(c.young, key)
	delete(c.old, key)
	if e.size > c.room {
		return
	}
	if c.size+e.size > c.room {
		c.young, c.old, c.size = map[K]entry[V]{}, c.young, 0
	}
	c.young[key] = e
	c.size += e.size
}
