package storetest

import (
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// eventOrderTests are about the ids and times of events, whatever the clocks and sources of ids say.
func eventOrderTests() map[string]test {
	return map[string]test{
		"ClockGoesBack": func(b *bed) {
			v := b.session()
			want := b.append(v.ID, someEvents()...)
			b.clock.advance(-time.Hour)
			b.ids.restart() // as ids made from the time do
			want = append(want, b.append(v.ID, someEvents()...)...)
			b.clock.advance(30 * time.Minute)
			want = append(want, b.append(v.ID, someEvents()...)...)
			b.hasLog(account, v.ID, want)
			equal(b.T, "time of the last event", want[0].CreatedAt, want[len(want)-1].CreatedAt)
			b.clock.advance(time.Hour)
			equal(b.T, "time of the next event", b.clock.stamp(), b.append(v.ID, someEvents()[0])[0].CreatedAt)
		},
		"IDsAhead": func(b *bed) { // of all that are made here
			for _, last := range []string{"evt_9", "evt_99999f", "evt_ffffff", "evt_zzzzzz", "evt_" + uuid7} {
				v := b.create(sessionKind())
				ahead := someEvents()[0]
				ahead.ID = last
				want := b.append(v.id, ahead)
				equal(b.T, "id", last, want[0].ID)
				for range 8 {
					want = append(want, b.append(v.id, someEvents()...)...)
				}
				b.hasLog(account, v.id, want)
				for _, e := range want {
					hasPrefix(b.T, "evt_", e.ID)
					if len(e.ID) > len(last)+len(want)/8 { // as an id can only be so long
						b.Errorf("%s grows with each event", e.ID)
					}
				}
			}
		},
		"ReservedID": func(b *bed) {
			v := b.session()
			reserve := func() store.NewEvent {
				n := someEvents()[0]
				n.ID = b.NewID("evt")
				return n
			}
			first, late := reserve(), reserve()
			want := b.append(v.ID, first)
			equal(b.T, "id", first.ID, want[0].ID)
			want = append(want, b.append(v.ID, someEvents()[0])...)
			replaced := b.append(v.ID, late, first)
			for _, e := range replaced {
				if e.ID == late.ID || e.ID == first.ID {
					b.Errorf("the id %s is given although other events came in between", e.ID)
				}
			}
			want = append(want, replaced...)
			twice := reserve()
			same := b.append(v.ID, twice, twice)
			equal(b.T, "id", twice.ID, same[0].ID)
			b.hasLog(account, v.ID, append(want, same...))
		},
		"ReservedAndUndone": func(b *bed) {
			v := b.session()
			n := someEvents()[0]
			n.ID = b.NewID("evt")
			_, err := b.AppendEvents(b.ctx, account, v.ID, func(_ *store.Session, add func(store.NewEvent) (store.Event, error)) error {
				e, err := add(n)
				check(b.T, err)
				equal(b.T, "id", n.ID, e.ID)
				return errStop
			})
			fails(b.T, "append", errStop, err)
			want := b.append(v.ID, n)
			equal(b.T, "id", n.ID, want[0].ID)
			b.hasLog(account, v.ID, want)
		},
		"EachSessionAlone": func(b *bed) { // is not held up by what another's log has
			first, second := b.session(), b.session()
			ahead := someEvents()[0]
			ahead.ID = "evt_ffffff"
			b.append(first.ID, ahead)
			b.clock.advance(-time.Hour)
			want := b.append(second.ID, someEvents()...)
			equal(b.T, "time", b.clock.stamp(), want[0].CreatedAt)
			if want[0].ID >= ahead.ID {
				b.Errorf("want an id of the store's source, got %s", want[0].ID)
			}
			b.hasLog(account, second.ID, want)
		},
	}
}

// uuid7 is the last of its millisecond.
const uuid7 = "019e3bb1e8c17fffbfffffffffffffff"

// otherClock appends in turn through stores whose clocks and ids are apart.
func otherClock(t *testing.T, open Opener) {
	behind, ahead := newBed(t, open, Options{}), newBed(t, open, Options{})
	ahead.clock.advance(time.Hour)
	for range 1000 {
		ahead.NewID("evt")
	}
	v := behind.session()
	var want []store.Event
	for i := range 12 {
		at := []*bed{behind, ahead}[i%2]
		want = append(want, at.append(v.ID, someEvents()[:1+i%3]...)...)
		at.clock.advance(time.Minute)
	}
	for _, at := range []*bed{behind, ahead} {
		at.hasLog(account, v.ID, want)
	}
}
