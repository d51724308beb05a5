package sqlstore_test

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/storetest"
)

// statements records the texts of statements.
type statements struct {
	mu    sync.Mutex
	texts map[string]bool
}

func (s *statements) add(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.texts[text] = true
}

// open opens a store on PostgreSQL whose statements are recorded.
func (s *statements) open(t *testing.T, opts storetest.Options) store.Store {
	t.Helper()
	opened := openOn(t, pgtest.Database(t), opts, func(e engine.Engine) engine.Engine { return recorded{e, s} })
	if err := opened.Ping(t.Context()); err != nil { // from here on, notifications arrive, and wake nobody for being the first
		t.Fatal(err)
	}
	return opened
}

// recorded is an engine that records the statements that it runs.
type recorded struct {
	engine.Engine
	statements *statements
}

// Read implements engine.Engine.
func (r recorded) Read(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	r.statements.add(q.Text)
	return r.Engine.Read(ctx, q, each)
}

// Write implements engine.Writer.
func (r recorded) Write(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	r.statements.add(q.Text)
	return r.Engine.(engine.Writer).Write(ctx, q, each)
}

// Pipeline implements engine.Pipeliner.
func (r recorded) Pipeline(ctx context.Context, steps []engine.Step) error {
	return recordedSteps(ctx, r.statements, r.Engine, steps)
}

// Transact implements engine.Engine.
func (r recorded) Transact(ctx context.Context, fn func(tx engine.Tx) error) error {
	return r.Engine.Transact(ctx, func(tx engine.Tx) error { return fn(recordedTx{tx, r.statements}) })
}

type recordedTx struct {
	engine.Tx
	statements *statements
}

// Count implements engine.Counter.
func (t recordedTx) Count() int { return t.Tx.(engine.Counter).Count() }

// Restart implements engine.Counter.
func (t recordedTx) Restart() { t.Tx.(engine.Counter).Restart() }

// Query implements engine.Tx.
func (t recordedTx) Query(ctx context.Context, q engine.Query, each func(engine.Scanner) error) error {
	t.statements.add(q.Text)
	return t.Tx.Query(ctx, q, each)
}

// Exec implements engine.Tx.
func (t recordedTx) Exec(ctx context.Context, statement string, args []any) (int, error) {
	t.statements.add(statement)
	return t.Tx.Exec(ctx, statement, args)
}

// Soon implements engine.Tx.
func (t recordedTx) Soon(ctx context.Context, statement string, args []any) error {
	t.statements.add(statement)
	return t.Tx.Soon(ctx, statement, args)
}

// Pipeline implements engine.Pipeliner.
func (t recordedTx) Pipeline(ctx context.Context, steps []engine.Step) error {
	return recordedSteps(ctx, t.statements, t.Tx, steps)
}

func recordedSteps(ctx context.Context, s *statements, on any, steps []engine.Step) error {
	for _, step := range steps {
		s.add(step.Text)
	}
	return on.(engine.Pipeliner).Pipeline(ctx, steps)
}

var (
	// byKey is a statement that names a row by its key.
	byKey = regexp.MustCompile(`(?s)^\s*(SELECT|UPDATE|DELETE|WITH).*\baccount_id = \$\d+ AND .*\b(id|key) = \$\d+`)
	// indexUsed finds the index of a step of a plan.
	indexUsed = regexp.MustCompile(`Index (?:Only )?Scan using (\w+)`)
	// tied is a statement about a table that has another index whose first column is the account and which no condition
	// excludes. While the table is empty, PostgreSQL takes both indexes for equally good. Once it has rows, it does not, whether
	// or not they were analyzed.
	tied = regexp.MustCompile(`(FROM|UPDATE) (files|idempotency_keys|memories|memory_versions|work_items)\b`)
	// scansLarge is a plan that reads all of a table with many rows.
	scansLarge  = regexp.MustCompile(`(Seq|Bitmap Heap) Scan on (sessions|events|idempotency_keys|files|work_items|memories|memory_versions)\b`)
	placeholder = regexp.MustCompile(`\$\d+`)
)

// withoutAutovacuum keeps tables from being analyzed.
const withoutAutovacuum = `DO $$ DECLARE t record; BEGIN
	FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
		EXECUTE format('ALTER TABLE %I SET (autovacuum_enabled = off)', t.tablename);
	END LOOP;
END $$;`

// useKeys asserts that each statement that names a key finds its row by it, as PostgreSQL plans it once for all arguments:
// in an empty database, in one with 20,000 sessions that was never analyzed, and in the same one analyzed.
func (s *statements) useKeys(t *testing.T, least int) {
	t.Helper()
	ctx := context.Background()
	url := pgtest.NewDatabase(t)
	if err := mustOpen(t, url, sqlstore.Options{}).Close(); err != nil {
		t.Fatal(err)
	}
	var texts []string
	for _, text := range slices.Sorted(maps.Keys(s.texts)) {
		if byKey.MatchString(text) && strings.LastIndex(text, " ORDER BY ") <= strings.LastIndex(text, "WHERE") {
			texts = append(texts, text)
		}
	}
	if len(texts) < least {
		t.Errorf("only %d statements name a key", len(texts))
	}
	for _, state := range []string{`SELECT 1`, withoutAutovacuum + sqlstore.ManyRows, `ANALYZE`} {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Exec(ctx, `SET plan_cache_mode = force_generic_plan;`+state); err != nil {
			t.Fatal(err)
		}
		for i, text := range texts {
			if state == `SELECT 1` && tied.MatchString(text) {
				continue
			}
			plan, err := planOf(ctx, conn, fmt.Sprintf("p%d", i), text)
			if err != nil {
				t.Errorf("%s: %v", text, err)
				continue
			}
			for _, use := range indexUsed.FindAllStringSubmatch(plan, -1) {
				if !strings.HasSuffix(use[1], "_pkey") && use[1] != "events_log" && use[1] != "events_ids" {
					t.Errorf("%s\nafter %.20s does not use the key:\n%s", text, state, plan)
				}
			}
			if scansLarge.MatchString(plan) {
				t.Errorf("%s\nafter %.20s scans:\n%s", text, state, plan)
			}
		}
		if err := conn.Close(ctx); err != nil {
			t.Error(err)
		}
	}
}

// planOf returns PostgreSQL's plan for all arguments.
func planOf(ctx context.Context, conn *pgx.Conn, name, text string) (string, error) {
	arguments := map[string]bool{}
	for _, p := range placeholder.FindAllString(text, -1) {
		arguments[p] = true
	}
	nulls := strings.TrimSuffix(strings.Repeat("NULL, ", len(arguments)), ", ")
	if _, err := conn.Exec(ctx, "PREPARE "+name+" AS "+text); err != nil {
		return "", err
	}
	rows, err := conn.Query(ctx, "EXPLAIN (COSTS OFF) EXECUTE "+name+"("+nulls+")", pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		return "", err
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return strings.Join(lines, "\n"), err
}

// TestPostgresKeys has the statements of the most frequent calls.
func TestPostgresKeys(t *testing.T) {
	t.Parallel()
	all := &statements{texts: map[string]bool{}}
	s := all.open(t, storetest.Options{})
	ctx := t.Context()
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	if err != nil {
		t.Fatal(err)
	}
	environment, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
	if err != nil {
		t.Fatal(err)
	}
	session, err := s.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
	if err != nil {
		t.Fatal(err)
	}
	_, events, err := s.AppendEvents(ctx, "acc", session.ID, func(v *store.Session) ([]store.NewEvent, error) {
		v.Title = "x"
		return []store.NewEvent{{Type: "a", Payload: []byte("{}")}, {Type: "b", Payload: []byte("{}")}}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, call := range []func() error{
		func() error { _, err := s.GetSession(ctx, "acc", session.ID); return err },
		func() error { _, err := s.SessionRevision(ctx, "acc", session.ID); return err },
		func() error { _, _, err := s.SessionEnvironment(ctx, "acc", session.ID); return err },
		func() error { _, err := s.GetEnvironment(ctx, "acc", environment.ID); return err },
		func() error { _, err := s.EventPosition(ctx, "acc", session.ID, events[0].ID); return err },
		func() error {
			list, err := s.ListEvents(ctx, "acc", session.ID, store.EventFilter{}, store.Page{Limit: 1})
			if err == nil && !list.HasMore {
				t.Error("the page ends the log")
			}
			return err
		},
	} {
		if err := call(); err != nil {
			t.Error(err)
		}
	}
	all.useKeys(t, 10)
}
