package cache_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/server/cache"
)

// A cache returns the value that was added last under a key, or none. It holds no more than its size, and a value that was
// just added if that fits into half of it.
func TestCache(t *testing.T) {
	t.Parallel()
	for seed := range uint64(500) {
		const size = 20
		random := rand.New(rand.NewPCG(seed, 0))
		c := cache.New[int, int](size)
		last, sizes := map[int]int{}, map[int]int{}
		for n := range 100 {
			key := random.IntN(10)
			if random.IntN(2) == 0 {
				last[key], sizes[key] = n, 1+random.IntN(size)
				c.Add(key, n, sizes[key])
				if _, ok := c.Get(key); ok != (sizes[key] <= size/2) {
					t.Fatalf("seed %d: a value of size %d is kept: %v", seed, sizes[key], ok)
				}
			}
			if got, ok := c.Get(key); ok && got != last[key] {
				t.Fatalf("seed %d: key %d is %d, want %d", seed, key, got, last[key])
			}
		}
		held := 0
		for key := range last {
			if _, ok := c.Get(key); ok {
				held += sizes[key]
			}
		}
		if held > size {
			t.Fatalf("seed %d: %d are held, want at most %d", seed, held, size)
		}
	}
}

// A value that is read again and again stays, whatever else is added.
func TestKeepsWhatIsUsed(t *testing.T) {
	t.Parallel()
	c := cache.New[string, int](10)
	c.Add("used", 1, 1)
	for n := range 1000 {
		c.Add(fmt.Sprint(n), n, 1)
		if _, ok := c.Get("used"); !ok {
			t.Fatalf("forgotten after %d others", n+1)
		}
	}
}

func TestConcurrent(t *testing.T) {
	t.Parallel()
	c := cache.New[int, int](100)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for n := range 1000 {
				c.Add(n%50, n%50, 1)
				if got, ok := c.Get(n % 50); !ok || got != n%50 {
					t.Errorf("got %d, %v", got, ok)
				}
			}
		})
	}
	all.Wait()
}
