package client

import "time"

// copied copies a list. An empty one becomes nil, which sends no parameter.
func copied[T any](list []T) []T { return append([]T(nil), list...) }

// wireTimes makes times fit the contract, in copies: they are sent in UTC and to the microsecond.
func wireTimes(times ...**time.Time) {
	for _, t := range times {
		if *t != nil {
			*t = new((*t).UTC().Truncate(time.Microsecond))
		}
	}
}
