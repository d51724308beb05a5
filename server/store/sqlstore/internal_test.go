package sqlstore

import (
	"context"
	"database/sql"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
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

// TestRowLocks has clauses that SQLite does not know, and sees which methods use them.
func TestRowLocks(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	spec := store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID}
	session, err := s.CreateSession(ctx, "acc", spec)
	check(t, err)
	wantClause := func(clause string, err error) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), clause) {
			t.Errorf("want a complaint about %s, got %v", clause, err)
		}
	}

	s.db.ForUpdate, s.db.ForShare = " EXCLUSIVE x", " SHARED x"
	_, err = s.UpdateAgent(ctx, "acc", agent.ID, 1, func(*store.AgentSpec) error { return nil })
	wantClause("EXCLUSIVE", err)
	_, err = s.ArchiveAgent(ctx, "acc", agent.ID)
	wantClause("EXCLUSIVE", err)
	wantClause("EXCLUSIVE", s.DeleteAgent(ctx, "acc", agent.ID))
	_, err = s.UpdateEnvironment(ctx, "acc", environment.ID, func(*store.EnvironmentSpec) error { return nil })
	wantClause("EXCLUSIVE", err)
	_, err = s.ArchiveEnvironment(ctx, "acc", environment.ID)
	wantClause("EXCLUSIVE", err)
	wantClause("EXCLUSIVE", s.DeleteEnvironment(ctx, "acc", environment.ID))
	_, err = s.UpdateSession(ctx, "acc", session.ID, func(*store.Session) error { return nil })
	wantClause("EXCLUSIVE", err)
	_, _, err = s.AppendEvents(ctx, "acc", session.ID, func(*store.Session) ([]store.NewEvent, error) { return nil, nil })
	wantClause("EXCLUSIVE", err)
	wantClause("EXCLUSIVE", s.DeleteSession(ctx, "acc", session.ID, func(store.Session) error { return nil }))
	_, err = s.CreateSession(ctx, "acc", spec)
	wantClause("SHARED", err)
	s.db.ForUpdate, s.db.ForShare = "", ""
	check(t, s.lock(ctx, "agents", "acc", agent.ID, ""))
	if err := s.lock(ctx, "agents", "acc", agent.ID, " LIMIT 1"); err == nil {
		t.Error("a lock without a transaction is none, but no error either")
	}
	check(t, s.Atomically(ctx, func(ctx context.Context) error {
		check(t, s.lock(ctx, "agents", "acc", agent.ID, " LIMIT 1"))
		return s.lock(ctx, "agents", "acc", "agent_x", " LIMIT 1")
	}))
}

// TestErased looks for anything that a deleted session still holds.
func TestErased(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	kept := map[string]bool{
		"account_id": true, "id": true, "agent_id": true, "agent_version": true, "environment_id": true,
		"created_at": true, "updated_at": true, "archived_at": true, "deleted_at": true,
		"revision": true,
	}
	secret := []string{"secret"}
	file, err := s.CreateFile(ctx, "acc", store.FileSpec{Name: "secret"}, 1)
	check(t, err)
	_, err = s.SeedMemoryStore(ctx, "acc", store.MemoryStore{ID: "secret", MemoryStoreSpec: store.MemoryStoreSpec{Name: "secret"}})
	check(t, err)
	var rows []map[string]any
	for _, spec := range []store.SessionSpec{
		{}, // what an empty session holds
		{
			Title: "secret", Metadata: map[string]string{"a": "secret"}, EnvironmentVariables: map[string]string{"A": "secret"},
			DeltaFlushInterval: 1000, MemoryStores: []store.MemoryStoreUse{{ID: "secret"}}, VaultIDs: secret, Resources: []store.ResourceSpec{{FileID: file.ID}},
		},
	} {
		spec.AgentID, spec.EnvironmentID = agent.ID, environment.ID
		v, err := s.CreateSession(ctx, "acc", spec)
		check(t, err)
		_, err = s.UpdateSession(ctx, "acc", v.ID, func(v *store.Session) error {
			if v.Title != "" {
				v.Usage = store.Usage{
					InputTokens: 1, OutputTokens: 2, CacheReadInputTokens: 3, CacheCreation5m: 4, CacheCreation1h: 5, CreditCents: 6,
				}
			}
			return nil
		})
		check(t, err)
		_, _, err = s.AppendEvents(ctx, "acc", v.ID, func(v *store.Session) ([]store.NewEvent, error) {
			events := slices.Repeat([]store.NewEvent{{Type: "user.message", Payload: []byte(`"secret"`)}}, len(v.Title)*sweepStep)
			if v.Title != "" {
				v.Status, v.Turn = store.StatusCanceling, store.Turn{ID: "turn_x", Lease: 7, Pending: []store.PendingAction{{EventID: "secret"}}}
			}
			return events, nil
		})
		check(t, err)
		check(t, s.DeleteSession(ctx, "acc", v.ID, func(store.Session) error { return nil }))
		rows = append(rows, columnsOf(t, s, v.ID, kept))
	}
	if diff := cmp.Diff(rows[0], rows[1]); diff != "" {
		t.Errorf("deleted sessions (-empty +full):\n%s", diff)
	}
	left := (len("secret") - 1) * sweepStep
	equalCount(t, s, "events", left) // so few are removed at once
	equalCount(t, s, "erasures", 1)
	for _, limit := range []int{sweepStep / 2, 2 * sweepStep, left} {
		n, err := s.SweepEvents(ctx, limit)
		check(t, err)
		if want := min(limit, left); n != want {
			t.Errorf("want %d events swept, got %d", want, n)
		}
		left -= n
		equalCount(t, s, "events", left)
	}
	equalCount(t, s, "erasures", 0)
}

func equalCount(t *testing.T, s *Store, table string, want int) {
	t.Helper()
	got, err := one(t.Context(), s, func(row engine.Scanner) (n int, err error) { return n, row.Scan(&n) }, `SELECT count(*) FROM `+table)
	check(t, err)
	if got != want {
		t.Errorf("want %d %s, got %d", want, table, got)
	}
}

// columnsOf returns what the columns of a session hold, but for those to leave out.
func columnsOf(t *testing.T, s *Store, id string, leaveOut map[string]bool) map[string]any {
	t.Helper()
	names, err := all(t.Context(), s, func(row engine.Scanner) (name string, err error) { return name, row.Scan(&name) },
		`SELECT name FROM pragma_table_info('sessions')`)
	check(t, err)
	columns := map[string]any{}
	for _, name := range names {
		if !leaveOut[name] {
			columns[name], err = one(t.Context(), s, func(row engine.Scanner) (value any, err error) { return value, row.Scan(&value) },
				`SELECT `+name+` FROM sessions WHERE id = $1`, id)
			check(t, err)
		}
	}
	return columns
}

// TestDeletedBetweenReads has a session deleted, and a part of its log swept, after each of the reads that ListEvents
// makes: it returns the page as it was, or nothing.
func TestDeletedBetweenReads(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	reads := &countedReads{Engine: s.db.Engine}
	s.db.Engine = reads
	for after := range 5 {
		ref := beginTurn(t, s, "acc", store.StatusIdle).Session
		_, log, err := s.AppendEvents(t.Context(), ref.Account, ref.ID, func(*store.Session) ([]store.NewEvent, error) {
			return slices.Repeat([]store.NewEvent{{Type: "user.message", Payload: []byte("{}")}}, 2*sweepStep), nil
		})
		check(t, err)
		reads.after(after, func() {
			check(t, s.DeleteSession(t.Context(), ref.Account, ref.ID, func(store.Session) error { return nil }))
		})
		page := store.Page{Limit: len(log), Ascending: true, Cursor: log[0].ID}
		list, err := s.ListEvents(t.Context(), ref.Account, ref.ID, store.EventFilter{}, page)
		switch {
		case after > reads.made:
			check(t, err)
			if diff := cmp.Diff(log[1:], list.Items); diff != "" {
				t.Errorf("deleted after read %d (-want +got):\n%s", after, diff)
			}
		case !errors.Is(err, store.ErrNotFound) && (err != nil || len(list.Items) != len(log)-1):
			t.Errorf("deleted after read %d of %d: %d events of %d, %v", after, reads.made, len(list.Items), len(log)-1, err)
		}
	}
}

// countedReads is an engine that does something after a read.
type countedReads struct {
	engine.Engine
	made, at int
	then     func()
}

// after has then be called after that many reads from now on; 0 calls it at once.
func (e *countedReads) after(reads int, then func()) {
	e.made, e.at, e.then = 0, reads, then
	if reads == 0 {
		then()
	}
}

// Read implements engine.Engine.
func (e *countedReads) Read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	err := e.Engine.Read(ctx, q, each)
	if e.made++; e.made == e.at {
		e.then()
	}
	return err
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
