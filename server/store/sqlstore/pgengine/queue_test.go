package pgengine_test

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
)

// queueBed is a database whose turns run, one at a time.
type queueBed struct {
	*testing.T
	db      engine.Database
	url     string
	started chan store.TurnRef
	end     chan bool // receives whether the running turn is done
}

// newQueueBed has a queue that looks for turns so often.
func newQueueBed(t *testing.T, every time.Duration, workers int) *queueBed {
	t.Helper()
	b := &queueBed{T: t, url: pgtest.Database(t), started: make(chan store.TurnRef, 10), end: make(chan bool)}
	var err error
	b.db, err = pgengine.Open(b.url, pgengine.Options{MaxConns: 5, StatementTimeout: 5 * time.Second, ConnectTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	pgengine.LookEvery(b.db, every)
	s, err := sqlstore.New(t.Context(), b.db, sqlstore.Options{})
	check(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan error, 1)
	go func() {
		worked <- s.WorkTurns(ctx, workers, func(ctx context.Context, ref store.TurnRef) bool {
			b.started <- ref
			select {
			case done := <-b.end:
				return done
			case <-ctx.Done():
				return false
			}
		})
	}()
	t.Cleanup(func() {
		cancel()
		check(t, <-worked)
		check(t, s.Close())
	})
	return b
}

// enqueue enqueues a turn in a transaction that ends as end says.
func (b *queueBed) enqueue(id string, end error) (enqueued engine.Enqueued) {
	b.Helper()
	err := b.db.Transact(b.Context(), func(tx engine.Tx) (err error) {
		enqueued, err = b.db.Queue.Enqueue(b.Context(), tx, turnOf(id))
		return errors.Join(err, end)
	})
	if (err == nil) != (end == nil) {
		b.Fatal(err)
	}
	return enqueued
}

// next returns the next turn that starts.
func (b *queueBed) next() store.TurnRef {
	b.Helper()
	select {
	case ref := <-b.started:
		return ref
	case <-time.After(20 * time.Second):
		b.Fatal("no turn starts")
		return store.TurnRef{}
	}
}

// untilClaimed enqueues a turn once a worker is known to be free.
func (b *queueBed) untilClaimed(id string) (enqueued engine.Enqueued) {
	b.Helper()
	waits := errors.New("undo")
	for {
		err := b.db.Transact(b.Context(), func(tx engine.Tx) (err error) {
			if enqueued, err = b.db.Queue.Enqueue(b.Context(), tx, turnOf(id)); err == nil && enqueued.Waits {
				return waits
			}
			return err
		})
		if !errors.Is(err, waits) {
			check(b.T, err)
			return enqueued
		}
	}
}

func turnOf(id string) store.TurnRef {
	return store.TurnRef{Session: store.SessionRef{Account: "acc", ID: "sess_" + id}, TurnID: id}
}

// TestATransactionClaimsItsTurn has a free worker: a turn is enqueued as claimed, and the worker is free again when that was
// undone.
func TestATransactionClaimsItsTurn(t *testing.T) {
	t.Parallel()
	b := newQueueBed(t, time.Hour, 1)
	undo := errors.New("undo")
	for { // until a worker is known to be free
		enqueued := b.enqueue("turn_undone", undo)
		if !enqueued.Waits {
			enqueued.Undone()
			break
		}
	}
	first := b.enqueue("turn_1", nil)
	second := b.enqueue("turn_2", nil)
	if first.Waits || !second.Waits {
		t.Fatalf("the first turn waits: %v, the second: %v", first.Waits, second.Waits)
	}
	first.Committed()
	second.Committed()
	if ref := b.next(); ref.TurnID != "turn_1" || ref.Again {
		t.Errorf("%+v starts", ref)
	}
	b.end <- true
	if ref := b.next(); ref.TurnID != "turn_2" || ref.Again {
		t.Errorf("%+v starts", ref)
	}
	b.end <- true
}

// TestAForgottenTurnIsDispatchedAgain has rows that name a process which does not run their turns, as after a commit whose
// outcome it does not know. The turn that it runs stays with it.
func TestAForgottenTurnIsDispatchedAgain(t *testing.T) {
	t.Parallel()
	b := newQueueBed(t, 10*time.Millisecond, 8)
	conn, err := pgx.Connect(t.Context(), b.url)
	check(t, err)
	t.Cleanup(func() { check(t, conn.Close(context.WithoutCancel(t.Context()))) })
	b.enqueue("turn_1", nil).Committed()
	b.next()
	for _, id := range []string{"turn_2", "turn_3"} { // with the second, the turns were looked at twice
		_, err = conn.Exec(t.Context(), `INSERT INTO queued_turns (id, account_id, session_id, turn_id, queued_at, worker, dispatched)
			SELECT 'row_' || $1::text, account_id, 'sess_' || $1, $1, queued_at, worker, 1 FROM queued_turns WHERE turn_id = 'turn_1'`, id)
		check(t, err)
		if ref := b.next(); ref.TurnID != id || !ref.Again {
			t.Errorf("%+v starts, want %s again", ref, id)
		}
	}
	var dispatched int
	check(t, conn.QueryRow(t.Context(), `SELECT dispatched FROM queued_turns WHERE turn_id = 'turn_1'`).Scan(&dispatched))
	if dispatched != 1 {
		t.Errorf("a turn that runs was dispatched %d times", dispatched)
	}
}

// TestATurnIsNotForgottenBeforeItBegins has a transaction that has committed, as others see, while its process does not know yet:
// the turn is begun once, by the process. One whose transaction has no outcome there is begun again.
func TestATurnIsNotForgottenBeforeItBegins(t *testing.T) {
	t.Parallel()
	b := newQueueBed(t, 10*time.Millisecond, 8)
	slow := b.untilClaimed("turn_slow")
	for again := range 2 { // with the second, the turns were looked at twice
		b.untilClaimed("turn_lost").Undone()
		if held := pgengine.Held(b.db); held != 1+again {
			t.Fatalf("the process holds %d turns, want the slow one and %d that run", held, again)
		}
		if ref := b.next(); ref.TurnID != "turn_lost" || !ref.Again {
			t.Errorf("%+v starts, want the turn whose outcome is not known", ref)
		}
	}
	slow.Committed()
	if ref := b.next(); ref.TurnID != "turn_slow" || ref.Again {
		t.Errorf("%+v starts, want the slow turn for the first time", ref)
	}
}
