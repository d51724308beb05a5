package pgengine_test

import (
	"context"
	"flag"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
)

// TestMain runs more tests at a time than there are processors, unless -parallel says otherwise: they wait for timeouts and
// for servers for nine tenths of their time.
func TestMain(m *testing.M) {
	if err := flag.Set("test.parallel", "6"); err != nil {
		panic(err)
	}
	goleak.VerifyTestMain(m)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestRoundTrips counts them, once statements are prepared: they are what a network makes expensive.
func TestRoundTrips(t *testing.T) {
	t.Parallel()
	db, err := pgengine.Open(pgtest.Database(t), pgengine.Options{MaxConns: 1, StatementTimeout: 5 * time.Second, ConnectTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
	check(t, err)
	trips := pgengine.CountTrips(t, db)
	s, err := sqlstore.New(t.Context(), db, sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })

	agent, err := s.CreateAgent(t.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	session := ""
	create := func(ctx context.Context) error {
		v, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
		session = v.ID
		return err
	}
	lastID := ""
	appends := func(ctx context.Context) error {
		_, events, err := s.AppendEvents(ctx, "acc", session, func(v *store.Session) ([]store.NewEvent, error) {
			v.Turn.Lease++
			return []store.NewEvent{{Type: "a", Payload: []byte("{}")}, {Type: "b", Payload: []byte("{}")}}, nil
		})
		if err == nil {
			lastID = events[1].ID
		}
		return err
	}
	for _, call := range []struct {
		what string
		want int
		run  func(ctx context.Context, key string) error
	}{
		{"create", 1, func(ctx context.Context, _ string) error { return create(ctx) }},
		{"create with a key", 4, func(ctx context.Context, value string) error {
			k := store.Key{Account: "acc", Value: value, Fingerprint: "f"}
			return s.Atomically(ctx, func(ctx context.Context) error {
				if _, err := s.ClaimKey(ctx, k); err != nil {
					return err
				}
				if err := s.Atomically(ctx, create); err != nil {
					return err
				}
				return s.RecordResponse(ctx, k, store.RecordedResponse{Status: 201})
			})
		}},
		{"get", 1, func(ctx context.Context, _ string) error {
			_, err := s.GetSession(ctx, "acc", session)
			return err
		}},
		{"append two events", 2, func(ctx context.Context, _ string) error { return appends(ctx) }},
		{"send a message", 3, func(ctx context.Context, _ string) error {
			return s.Atomically(ctx, func(ctx context.Context) error {
				if err := s.Atomically(ctx, appends); err != nil {
					return err
				}
				if _, err := s.CountBusySessions(ctx, "acc", 10); err != nil {
					return err
				}
				return s.QueueTurn(ctx, store.TurnRef{Session: store.SessionRef{Account: "acc", ID: session}, TurnID: "turn_x"})
			})
		}},
		{"publish an increment", 1, func(ctx context.Context, _ string) error {
			return s.Publish(ctx, store.Increment{Session: store.SessionRef{Account: "acc", ID: session}, EventID: "evt_x", Text: "Hello"})
		}},
		{"list events", 1, func(ctx context.Context, _ string) error {
			_, err := s.ListEvents(ctx, "acc", session, store.EventFilter{AfterPosition: 1}, store.Page{Limit: 10, Ascending: true})
			return err
		}},
		{"find an event", 1, func(ctx context.Context, _ string) error {
			_, err := s.EventPosition(ctx, "acc", session, lastID)
			return err
		}},
		{"list memos", 1, func(ctx context.Context, _ string) error {
			_, err := s.ListMemos(ctx, "acc", session, 0)
			return err
		}},
		{"nothing", 0, func(ctx context.Context, _ string) error {
			return s.Atomically(ctx, func(context.Context) error { return nil })
		}},
	} {
		check(t, call.run(t.Context(), "first"))
		before := *trips
		check(t, call.run(t.Context(), "second"))
		if got := *trips - before; got != call.want {
			t.Errorf("%s takes %d round trips, want %d", call.what, got, call.want)
		}
	}
}

// TestStraysAreEnqueued has sessions that are busy although the queue does not have their turn, as after a loss of rows: a
// worker finds and runs them, and no others.
func TestStraysAreEnqueued(t *testing.T) {
	t.Parallel()
	s, err := sqlstore.Open(t.Context(), pgtest.NewDatabase(t), sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	agent, err := s.CreateAgent(t.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	strays := map[store.TurnRef]bool{}
	for _, status := range []store.Status{
		store.StatusIdle, store.StatusProcessing, store.StatusCanceling, store.StatusInterrupting, store.StatusCancelled,
	} {
		v, err := s.CreateSession(t.Context(), "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
		check(t, err)
		ref := store.TurnRef{Session: store.SessionRef{Account: "acc", ID: v.ID}, TurnID: s.NewID("turn"), Again: true}
		_, err = s.UpdateSession(t.Context(), "acc", v.ID, func(v *store.Session) error {
			v.Status, v.Turn.ID = status, ref.TurnID
			return nil
		})
		check(t, err)
		if status.Busy() {
			strays[ref] = true
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	found := make(chan store.TurnRef, 10)
	worked := make(chan error, 1)
	go func() {
		worked <- s.WorkTurns(ctx, 2, func(ctx context.Context, ref store.TurnRef) bool {
			_, err := s.UpdateSession(ctx, ref.Session.Account, ref.Session.ID, func(v *store.Session) error {
				v.Status, v.Turn.ID = store.StatusIdle, ""
				return nil
			})
			found <- ref
			return err == nil
		})
	}()
	for len(strays) > 0 {
		select {
		case ref := <-found:
			if !strays[ref] {
				t.Errorf("%+v was not a stray, or is found again", ref)
			}
			delete(strays, ref)
		case <-ctx.Done():
			t.Fatalf("never found: %v", strays)
		}
	}
	cancel()
	check(t, <-worked)
}

// TestTurnsWaitForNoPoll has queues that look for turns by themselves once an hour: two turns that are enqueued in the same
// moment start at once, in another process by its notification, in the same one without.
func TestTurnsWaitForNoPoll(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	open := func() *sqlstore.Store {
		db, err := pgengine.Open(database, pgengine.Options{MaxConns: 10, StatementTimeout: 5 * time.Second, ConnectTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler)})
		check(t, err)
		pgengine.LookEvery(db, time.Hour)
		s, err := sqlstore.New(t.Context(), db, sqlstore.Options{})
		check(t, err)
		t.Cleanup(func() { check(t, s.Close()) })
		check(t, s.Ping(t.Context())) // notifications arrive
		return s
	}
	sender, other := open(), open()
	for name, worker := range map[string]*sqlstore.Store{"another process": other, "the same process": sender} {
		ctx, cancel := context.WithCancel(t.Context())
		started, worked := make(chan string, 10), make(chan error, 1)
		go func() {
			worked <- worker.WorkTurns(ctx, 4, func(_ context.Context, ref store.TurnRef) bool {
				started <- ref.TurnID
				return true
			})
		}()
		for range 5 {
			var sending sync.WaitGroup
			for _, id := range []string{"turn_1", "turn_2"} {
				sending.Go(func() {
					err := sender.Atomically(ctx, func(ctx context.Context) error {
						return sender.QueueTurn(ctx, store.TurnRef{Session: store.SessionRef{Account: "acc", ID: "sess_" + id}, TurnID: id})
					})
					if err != nil {
						t.Error(err)
					}
				})
			}
			sending.Wait()
			for n := range 2 {
				select {
				case <-started:
				case <-time.After(10 * time.Second):
					t.Errorf("%s has started %d of 2 turns", name, n)
				}
			}
			if t.Failed() {
				break
			}
		}
		cancel()
		check(t, <-worked)
	}
}

// TestAReclaimedTurnStaysInTheQueue ends the work on turns that another process has claimed meanwhile, as after a lost
// connection: they remain with that process.
func TestAReclaimedTurnStaysInTheQueue(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	s, err := sqlstore.Open(t.Context(), database, sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	other, err := pgx.Connect(t.Context(), database)
	check(t, err)
	t.Cleanup(func() { check(t, other.Close(context.WithoutCancel(t.Context()))) })
	_, err = other.Exec(t.Context(), `SELECT pg_advisory_lock(hashtextextended('other', 7365737369))`)
	check(t, err)
	for _, id := range []string{"turn_1", "turn_2"} {
		check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
			return s.QueueTurn(ctx, store.TurnRef{Session: store.SessionRef{Account: "acc", ID: "sess_" + id}, TurnID: id})
		}))
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	left := 2
	check(t, s.WorkTurns(ctx, 1, func(_ context.Context, ref store.TurnRef) bool {
		_, err := other.Exec(t.Context(), `UPDATE queued_turns SET worker = 'other' WHERE turn_id = $1`, ref.TurnID)
		check(t, err)
		if left--; left == 0 {
			cancel()
		}
		return ref.TurnID == "turn_1"
	}))
	rows, err := other.Query(t.Context(), `SELECT turn_id FROM queued_turns WHERE worker = 'other' ORDER BY turn_id`)
	check(t, err)
	got, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check(t, err)
	if !slices.Equal(got, []string{"turn_1", "turn_2"}) {
		t.Errorf("the other process has %v", got)
	}
}
