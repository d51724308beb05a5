package storetest

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
)

// clusterTests are for several stores on one database that share signals and turns.
func clusterTests() map[string]func(beds []*bed) {
	return map[string]func(beds []*bed){
		"Signals": func(beds []*bed) {
			for _, from := range beds {
				for _, to := range beds {
					v, ear := beds[0].session(), to.listen()
					equal(to.T, "signals of events", []bool{false}, ear.during(from, account, v.ID, func() { from.append(v.ID, someEvents()...) }))
					equal(to.T, "signals of a turn", []bool{true}, ear.during(from, account, v.ID, func() { from.starts(from.ctx, v.ID) }))
					equal(to.T, "signals of nothing", nil, ear.during(from, account, v.ID, func() {
						fails(to.T, "transaction", errStop, from.Atomically(from.ctx, func(ctx context.Context) error {
							from.starts(ctx, v.ID)
							return errStop
						}))
					}))
					from.finishes(store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}})
				}
			}
		},
		"Streams":       sharedStreams,
		"InOrder":       inSignalOrder,
		"LongText":      longIncrement,
		"WakeReaders":   wake,
		"WakeFollowers": wakeFollowers,
		"Turns":         func(beds []*bed) { dispatchEach(beds, 40) },
		"Fair":          dispatchFairly,
		"AtOnce":        dispatchAtOnce,
		"BusyCount":     countExactly,
		"InTurn":        countInTurn,
		"WorkRace":      func(beds []*bed) { workRace(beds, 20) },
		"WorkAwait":     func(beds []*bed) { awaitsWork(beds[1], beds[0]) },
		"OneWorks": func(beds []*bed) { // on what another one queues
			c := beds[2].works(1, nil)
			c.gets(beds[2], []store.TurnRef{beds[0].turn(), beds[1].turn(), beds[2].turn()})
		},
	}
}
