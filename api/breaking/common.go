package main

import (
	"iter"
	"maps"
	"slices"
)

// both is what two documents have at one place.
type both[T any] struct{ before, after T }

// common yields what two maps have in common, by key.
func common[M ~map[string]T, T any](before, after M) iter.Seq2[string, both[T]] {
	return func(yield func(string, both[T]) bool) {
		for _, key := range slices.Sorted(maps.Keys(before)) {
			if is, ok := after[key]; ok && !yield(key, both[T]{before[key], is}) {
				return
			}
		}
	}
}
