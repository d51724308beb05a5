package dispatch

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
)

// away is a store whose database is not available.
type away struct {
	store.Store
	attempts atomic.Int32
}

func (a *away) Atomically(context.Context, func(context.Context) error) error {
	a.attempts.Add(1)
	return store.ErrUnavailable
}

// What is owed is tried again with longer waits while the database is not available, and about once in a second at the end.
func TestStoringSoonBacksOff(t *testing.T) {
	t.Parallel()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	synctest.Test(t, func(t *testing.T) {
		db := &away{}
		w := &work{hard: t.Context(), Dispatcher: &Dispatcher{Options: Options{Log: event.NewLog(db, c)}, hard: t.Context()}, unstored: []event.New{{Type: event.AgentThinking}}}
		s := newSink(w, 0, func(error) {})
		s.start()
		time.Sleep(time.Second)
		first := db.attempts.Load()
		time.Sleep(10 * time.Second)
		later := db.attempts.Load() - first
		s.close()
		if first < 5 || first > 8 || later < 9 || later > 11 {
			t.Errorf("%d attempts in a second, %d in ten more", first, later)
		}
	})
}
