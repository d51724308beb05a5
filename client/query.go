package client

import "time"

// copied copies a list. An empty one becomes nil, which sends no parameter.
func copied[T any](list []T) []T { return append([]T(nil), list...) }

// wireTimes replaces times by copies as the contract has them, in UTC and to the microsecond: a time in another zone with
// nanoseconds is too long.
func wireTimes(times ...**time.Time) {
	for _, t := range times {
		if *t != nil {
			*t = new((*t).UTC().Truncate(time.Microsecond))
		}
	}
}
