// Package cache keeps what was used recently, up to a bound. It imports the standard library only.
package cache

import "sync"

// Cache is a map with a bounded size. It holds two generations of values: when the young generation is full it becomes
// the old one, and the old one is dropped. A value that is read moves to the young generation again. The methods are
// safe for concurrent use.
type Cache[K comparable, V any] struct {
	room int // for a generation

	mu         sync.Mutex
	young, old map[K]entry[V]
	size       int // of the young generation
	oldSize    int
}

type entry[V any] struct {
	value V
	size  int
}

// New returns an empty cache for values of that size in total, in the unit that Add counts.
func New[K comparable, V any](size int) *Cache[K, V] {
	return &Cache[K, V]{room: size / 2, young: map[K]entry[V]{}}
}

// Get returns the value of a key, and whether there is one.
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

// Add sets the value of a key; size is how much it occupies. A value larger than half of the cache is not kept.
func (c *Cache[K, V]) Add(key K, value V, size int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put(key, entry[V]{value, size})
}

// held returns how much the values occupy.
func (c *Cache[K, V]) held() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.size + c.oldSize
}

func (c *Cache[K, V]) put(key K, e entry[V]) {
	c.size -= c.young[key].size
	c.oldSize -= c.old[key].size
	delete(c.young, key)
	delete(c.old, key)
	if e.size > c.room {
		return
	}
	if c.size+e.size > c.room {
		c.young, c.old = map[K]entry[V]{}, c.young
		c.size, c.oldSize = 0, c.size
	}
	c.young[key] = e
	c.size += e.size
}
