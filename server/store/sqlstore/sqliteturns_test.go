package sqlstore

import (
	"context"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/cloud-sessions/sessions/server/store"
)

// TestTurnsOfTheLastStart opens a database anew: the turns that were running are dispatched as lost.
func TestTurnsOfTheLastStart(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, dsn)
	var want []store.TurnRef
	for i, status := range []store.Status{
		store.StatusIdle, store.StatusProcessing, store.StatusCanceling, store.StatusInterrupting, store.StatusCancelled, store.StatusProcessing,
	} {
		account := []string{"acc_a", "acc_b"}[i%2]
		ref := beginTurn(t, s, account, status)
		if status.Busy() {
			want = append(want, store.TurnRef{Session: ref.Session, TurnID: ref.TurnID, Again: true, Lost: true})
		}
	}
	deleted := beginTurn(t, s, "acc_a", store.StatusProcessing)
	check(t, s.DeleteSession(t.Context(), "acc_a", deleted.Session.ID, func(store.Session) error { return nil }))
	check(t, s.Close())

	for range 2 { // a turn that is not done is dispatched at the next start again
		s = openTest(t, dsn)
		dispatched(t, s, want, func(store.TurnRef) bool { return false })
		check(t, s.Close())
	}
	s = openTest(t, dsn)
	dispatched(t, s, want, func(ref store.TurnRef) bool {
		_, err := s.UpdateSession(context.Background(), ref.Session.Account, ref.Session.ID, func(v *store.Session) error {
			v.Status, v.Turn = store.StatusIdle, store.Turn{}
			return nil
		})
		return err == nil
	})
	check(t, s.Close())
	dispatched(t, openTest(t, dsn), nil, nil)
}

// TestTurnsBesideAnotherStore opens the database of a store at work, as a program does that makes a token.
func TestTurnsBesideAnotherStore(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, dsn)
	want := []store.TurnRef{beginTurn(t, s, "acc_a", store.StatusProcessing)}
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error { return s.QueueTurn(ctx, want[0]) }))
	check(t, openTest(t, dsn).Close())
	dispatched(t, s, want, func(store.TurnRef) bool { return true })
}

// beginTurn makes a session that has a turn and the status.
func beginTurn(t *testing.T, s *Store, account string, status store.Status) store.TurnRef {
	t.Helper()
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, account, store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(ctx, account, store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	v, err := s.CreateSession(ctx, account, store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
	check(t, err)
	v, err = s.UpdateSession(ctx, account, v.ID, func(v *store.Session) error {
		v.Status, v.Turn = status, store.Turn{ID: s.NewID("turn"), Lease: 3}
		return nil
	})
	check(t, err)
	return store.TurnRef{Session: store.SessionRef{Account: account, ID: v.ID}, TurnID: v.Turn.ID}
}

// dispatched fails the test unless the store dispatches these turns and no others. It queues a turn of another account
// again and again: once that is dispatched twice in succession, no other turn is waiting.
func dispatched(t *testing.T, s *Store, want []store.TurnRef, work func(store.TurnRef) bool) {
	t.Helper()
	last := store.TurnRef{TurnID: "last"}
	queue := func() {
		check(t, s.Atomically(context.Background(), func(ctx context.Context) error { return s.QueueTurn(ctx, last) }))
	}
	queue()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []store.TurnRef
	again := false
	check(t, s.WorkTurns(ctx, 1, func(_ context.Context, ref store.TurnRef) bool {
		if ref == last && again {
			cancel()
			return true
		}
		if again = ref == last; again {
			queue()
			return true
		}
		got = append(got, ref)
		return work(ref)
	}))
	bySession := cmpopts.SortSlices(func(a, b store.TurnRef) bool { return a.Session.ID < b.Session.ID })
	if diff := cmp.Diff(want, got, bySession); diff != "" {
		t.Errorf("turns (-want +got):\n%s", diff)
	}
}
