package cache_test

import (
	"math/rand/v2"
	"testing"

	"github.com/cloud-sessions/sessions/server/cache"
)

// A shared cache returns the value that the owner added last under a key, or none. It holds no more than its size, and of an
// owner no more than half of that.
func TestShared(t *testing.T) {
	t.Parallel()
	type key struct{ owner, key int }
	for seed := range uint64(300) {
		const size = 40
		random := rand.New(rand.NewPCG(seed, 0))
		c := cache.NewShared[int, int, int](size)
		last, sizes := map[key]int{}, map[key]int{}
		for n := range 200 {
			k := key{random.IntN(4), random.IntN(10)}
			if random.IntN(2) == 0 {
				last[k], sizes[k] = n, 1+random.IntN(size/2)
				c.Add(k.owner, k.key, n, sizes[k])
				if _, ok := c.Get(k.owner, k.key); ok != (sizes[k] <= size/4) {
					t.Fatalf("seed %d: a value of size %d is kept: %v", seed, sizes[k], ok)
				}
			}
			if got, ok := c.Get(k.owner, k.key); ok && got != last[k] {
				t.Fatalf("seed %d: %v is %d, want %d", seed, k, got, last[k])
			}
		}
		held, of := 0, map[int]int{}
		for k := range last {
			if _, ok := c.Get(k.owner, k.key); ok {
				held += sizes[k]
				of[k.owner] += sizes[k]
			}
		}
		for owner, n := range of {
			if n > size/2 {
				t.Fatalf("seed %d: owner %d has %d", seed, owner, n)
			}
		}
		if held > size {
			t.Fatalf("seed %d: %d are held, want at most %d", seed, held, size)
		}
	}
}

// An owner that adds without end displaces its own values, and those that nobody uses.
func TestOneOwnerDoesNotDisplaceWhatAnotherUses(t *testing.T) {
	t.Parallel()
	c := cache.NewShared[string, int, int](100)
	for n := range 10 {
		c.Add("quiet", n, n, 1)
		c.Add("gone", n, n, 4)
	}
	for n := range 1000 {
		c.Add("loud", n, n, 1)
		if _, ok := c.Get("quiet", n%10); !ok {
			t.Fatalf("forgotten after %d others", n+1)
		}
	}
	if _, ok := c.Get("gone", 1); !ok {
		t.Error("there was room for all")
	}
	c.Get("quiet", 1)
	for n := range 10 {
		c.Add("another", n, n, 5)
	}
	if _, ok := c.Get("quiet", 1); !ok {
		t.Error("the owner that used the cache last was forgotten")
	}
}
