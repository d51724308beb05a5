package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
)

func openTest(t *testing.T, dsn string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dsn, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// set runs a statement that the store has no method for.
func set(t *testing.T, s *Store, statement string, args ...any) {
	t.Helper()
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.exec(ctx, statement, args...)
		return err
	}))
}

// TestQueryPlans asserts that every query of every list walks along its index: no other scan, no sort. It
// looks at a schema just made and at one read from a file, for SQLite may rank their indexes differently.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	check(t, openTest(t, dsn).Close())
	for _, s := range []*Store{openTest(t, "sqlite::memory:"), openTest(t, dsn)} {
		for bits := range 16 {
			page := store.Page{Limit: 10, Ascending: bits&1 != 0, Backward: bits&2 != 0, IncludeArchived: bits&4 != 0}
			var cursor *place
			if bits&8 != 0 {
				cursor = &place{time.Now(), "x"}
			}
			walksIndex(t, s, "agents", agentRows().selection, cursor, page)
			walksIndex(t, s, "environments", environmentRows().selection, cursor, page)
			walksIndex(t, s, "sessions", sessionRows().selection, cursor, page)
		}
	}
}

func walksIndex(t *testing.T, s *Store, table, selection string, cursor *place, page store.Page) {
	t.Helper()
	index, bounds := table+"_active", "account_id=?"
	if page.IncludeArchived {
		index = table + "_all"
	}
	if cursor != nil && page.Ascending != page.Backward {
		bounds += " AND (created_at,id)>(?,?)"
	} else if cursor != nil {
		bounds += " AND (created_at,id)<(?,?)"
	}
	f := filterFor("acc")
	steps := explain(t, s, pageQuery(selection, f, cursor, page), f)
	if want := fmt.Sprintf("SEARCH r USING INDEX %s (%s)", index, bounds); steps[0] != want {
		t.Errorf("%s %+v: want %q, got %q", table, page, want, steps)
	}
	for _, step := range steps[1:] { // one row of another table for each row, by its primary key
		if !strings.HasPrefix(step, "SEARCH ") || !strings.Contains(step, " USING INDEX sqlite_autoindex_") {
			t.Errorf("%s %+v: unwanted step %q", table, page, step)
		}
	}
}

// explain returns the steps of SQLite's plan for a query.
func explain(t *testing.T, s *Store, query string, f *filter) []string {
	t.Helper()
	steps, err := all(t.Context(), s, func(row scanner) (step string, err error) {
		var ignored any
		return step, row.Scan(&ignored, &ignored, &ignored, &step)
	}, "EXPLAIN QUERY PLAN "+query, f.args...)
	check(t, err)
	return steps
}

// TestHiddenSessions has rows that the interface cannot make yet: archived and deleted sessions.
func TestHiddenSessions(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), McpServers: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	var ids []string
	for range 5 {
		v, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
		check(t, err)
		ids = append(ids, v.ID)
	}
	set(t, s, `UPDATE sessions SET archived_at = 7 WHERE id = $1`, ids[1])
	set(t, s, `UPDATE sessions SET deleted_at = 8 WHERE id = $1`, ids[2])
	set(t, s, `UPDATE sessions SET deleted_at = 8, archived_at = 7 WHERE id = $1`, ids[3])

	for _, c := range []struct {
		page store.Page
		want []string
	}{
		{store.Page{Limit: 9, Ascending: true}, []string{ids[0], ids[4]}},
		{store.Page{Limit: 9, Ascending: true, IncludeArchived: true}, []string{ids[0], ids[1], ids[4]}},
		{store.Page{Limit: 9, Ascending: true, Cursor: ids[2]}, []string{ids[4]}},
		{store.Page{Limit: 9, Cursor: ids[3], IncludeArchived: true}, []string{ids[1], ids[0]}},
		{store.Page{Limit: 1, Cursor: ids[3], Ascending: true, Backward: true}, []string{ids[0]}},
	} {
		list, err := s.ListSessions(ctx, "acc", c.page)
		check(t, err)
		got := []string{}
		for _, v := range list.Items {
			got = append(got, v.ID)
		}
		if diff := cmp.Diff(c.want, got); diff != "" || list.HasMore {
			t.Errorf("%+v (has more: %v):\n%s", c.page, list.HasMore, diff)
		}
	}
	archived, err := s.GetSession(ctx, "acc", ids[1])
	check(t, err)
	if archived.ArchivedAt == nil || archived.ArchivedAt.UnixMicro() != 7 {
		t.Errorf("archived at %v", archived.ArchivedAt)
	}
	if _, err := s.GetSession(ctx, "acc", ids[2]); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a deleted session: %v", err)
	}
}

// TestHiddenParents deletes and changes what a session was made from: the session stays as it was.
func TestHiddenParents(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Name: "first", Tools: []byte("[]"), McpServers: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	spec := store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID}
	want, err := s.CreateSession(ctx, "acc", spec)
	check(t, err)
	unchanged := func() {
		t.Helper()
		got, err := s.GetSession(ctx, "acc", want.ID)
		check(t, err)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
	}

	second := agent
	second.Name, second.Version, second.UpdatedAt = "second", 2, agent.UpdatedAt.Add(time.Hour)
	check(t, s.Atomically(ctx, func(ctx context.Context) error { return s.addAgentVersion(ctx, "acc", second) }))
	set(t, s, `UPDATE agents SET version = 2, archived_at = 7`)
	unchanged()
	set(t, s, `UPDATE agents SET archived_at = NULL`)
	latest, err := s.CreateSession(ctx, "acc", spec)
	check(t, err)
	if diff := cmp.Diff(second, latest.Agent); diff != "" {
		t.Error(diff)
	}

	set(t, s, `UPDATE environments SET deleted_at = 8`)
	wantMissing(t, s, spec, store.MissingError{Noun: store.NounEnvironment, ID: environment.ID})
	set(t, s, `UPDATE agents SET deleted_at = 8`)
	wantMissing(t, s, spec, store.MissingError{Noun: store.NounAgent, ID: agent.ID})
	unchanged()
	if stored, err := s.SeedAgent(ctx, "acc", agent); stored || err != nil {
		t.Errorf("the id of a deleted agent is seeded anew: %v, %v", stored, err)
	}
	if _, err := s.ListAgents(ctx, "acc", store.Page{Limit: 1, Cursor: agent.ID}); err != nil {
		t.Errorf("a deleted agent as a cursor: %v", err)
	}
}

func wantMissing(t *testing.T, s *Store, spec store.SessionSpec, want store.MissingError) {
	t.Helper()
	_, err := s.CreateSession(t.Context(), "acc", spec)
	var got *store.MissingError
	if !errors.As(err, &got) || *got != want {
		t.Errorf("want %v, got %v", &want, err)
	}
}

// TestLostTransaction has the database give up a transaction of its own accord, as it may when a
// statement fails: what follows must not take effect.
func TestLostTransaction(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{"sqlite::memory:", "sqlite:" + filepath.Join(t.TempDir(), "test.db")} {
		s := openTest(t, dsn)
		failed := errors.New("failed")
		err := s.Atomically(t.Context(), func(ctx context.Context) error {
			err := s.Atomically(ctx, func(ctx context.Context) error {
				if _, err := s.exec(ctx, "ROLLBACK"); err != nil {
					t.Error(err)
				}
				return failed
			})
			if err != failed {
				t.Errorf("want the part's error, got %v", err)
			}
			if _, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")}); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("a write after the end of the transaction: %v", err)
			}
			return nil
		})
		if !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("commit of a lost transaction: %v", err)
		}
		list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
		check(t, err)
		if len(list.Items) != 0 {
			t.Error("a write outside of the transaction took effect")
		}
	}
}

// TestUseOfAnEndedTransaction keeps a transaction's context for longer than the transaction.
func TestUseOfAnEndedTransaction(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	var kept context.Context
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		kept = ctx
		return nil
	}))
	if _, err := s.CreateEnvironment(kept, "acc", store.EnvironmentSpec{Config: []byte("{}")}); !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("want %v, got %v", sql.ErrTxDone, err)
	}
}

// TestTwoStores nests a transaction of one store in another's: each has its own.
func TestTwoStores(t *testing.T) {
	t.Parallel()
	a, b := openTest(t, "sqlite::memory:"), openTest(t, "sqlite::memory:")
	stop := errors.New("stop")
	err := a.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := b.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
		check(t, err)
		return stop
	})
	if err != stop {
		t.Error(err)
	}
	for s, want := range map[*Store]int{a: 0, b: 1} {
		list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 9})
		check(t, err)
		if len(list.Items) != want {
			t.Errorf("want %d environments, got %d", want, len(list.Items))
		}
	}
}
