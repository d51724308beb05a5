package storetest

import "github.com/cloud-sessions/sessions/server/store"

// shares reports a store's open streams and compares what it returns of the others.
func (b *bed) shares(open, others map[string]int) {
	b.Helper()
	got, err := b.ShareStreams(b.ctx, open)
	check(b.T, err)
	equal(b.T, "streams of others", others, got)
}

// Streams tests ShareStreams.
func (suite) Streams() map[string]test {
	return map[string]test{
		"Alone": func(b *bed) {
			for range 2 { // one's own are not another's
				b.shares(map[string]int{account: 2, other: 1}, map[string]int{})
			}
		},
	}
}

func sharedStreams(beds []*bed) {
	beds[0].shares(map[string]int{account: 2}, map[string]int{})
	beds[1].shares(map[string]int{account: 1, other: 1}, map[string]int{account: 2})
	beds[2].shares(nil, map[string]int{account: 3, other: 1})
	beds[0].shares(nil, map[string]int{account: 1, other: 1})
	beds[2].shares(map[string]int{account: 5}, map[string]int{account: 1, other: 1})
	for _, b := range beds[:2] {
		b.clock.advance(store.StreamsLifetime)
	}
	beds[0].shares(nil, map[string]int{})
	beds[1].shares(map[string]int{other: 4}, map[string]int{})
	beds[0].shares(nil, map[string]int{other: 4})
}
