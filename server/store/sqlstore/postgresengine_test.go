package sqlstore

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"math"
	"net/url"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

// openPostgresTest opens a store that gives up soon. It has two connections.
func openPostgresTest(t *testing.T, url string) *Store {
	t.Helper()
	s, err := Open(t.Context(), url, Options{MaxConns: 2, StatementTimeout: time.Second, ConnectTimeout: time.Second})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// withSetting returns a database's URL with a setting for its connections.
func withSetting(t *testing.T, database, name, value string) string {
	t.Helper()
	u, err := url.Parse(database)
	check(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = query.Encode()
	return u.String()
}

// onPostgres runs statements on a connection of their own.
func onPostgres(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	check(t, err)
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func column[T any](t *testing.T, conn *pgx.Conn, query string, args ...any) []T {
	t.Helper()
	rows, err := conn.Query(t.Context(), query, args...)
	check(t, err)
	values, err := pgx.CollectRows(rows, pgx.RowTo[T])
	check(t, err)
	return values
}

func (s *Store) addEnvironmentNamed(ctx context.Context, name string) (store.Environment, error) {
	return s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Name: name, Config: []byte("{}")})
}

func environmentNames(t *testing.T, s *Store) []string {
	t.Helper()
	list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1000, Ascending: true})
	check(t, err)
	names := []string{}
	for _, e := range list.Items {
		names = append(names, e.Name)
	}
	return names
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s: want %q, got %v", what, store.ErrUnavailable, err)
	}
}

// eventually waits until done reports true.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// TestPostgresMigratesOnce starts four times at once on an empty database.
func TestPostgresMigratesOnce(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			s, err := Open(t.Context(), url, Options{})
			if err == nil {
				err = s.Close()
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	conn := onPostgres(t, url)
	if twice := column[int64](t, conn, `SELECT version_id FROM goose_db_version GROUP BY version_id HAVING count(*) > 1`); len(twice) > 0 {
		t.Errorf("migrated more than once: %v", twice)
	}
	// Text compares by bytes, and so do ids, as they do in SQLite.
	other := column[string](t, conn, `SELECT table_name || '.' || column_name FROM information_schema.columns
		WHERE table_schema = 'public' AND data_type = 'text' AND collation_name IS DISTINCT FROM 'C' AND table_name <> 'goose_db_version'`)
	if len(other) > 0 {
		t.Errorf("columns in the database's own order: %v", other)
	}
}

// TestPostgresNewerSchema opens a database that a later program has migrated.
func TestPostgresNewerSchema(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t)
	check(t, openPostgresTest(t, url).Close())
	_, err := onPostgres(t, url).Exec(t.Context(), `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)`)
	check(t, err)
	if _, err := Open(t.Context(), url, Options{}); err == nil || !strings.Contains(err.Error(), "version 9999") {
		t.Errorf("want a complaint about version 9999, got %v", err)
	}
}

// TestPostgresRefuses has URLs that lead nowhere; none is to repeat its password.
func TestPostgresRefuses(t *testing.T) {
	t.Parallel()
	base := pgtest.NewDatabase(t)
	conn := onPostgres(t, base)
	name := column[string](t, conn, `SELECT current_database()`)[0]
	_, err := conn.Exec(t.Context(), "CREATE DATABASE "+name+"_latin1 TEMPLATE template0 ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'")
	check(t, err)
	t.Cleanup(func() {
		_, err := conn.Exec(context.Background(), "DROP DATABASE "+name+"_latin1 WITH (FORCE)")
		check(t, err)
	})
	for url, want := range map[string]string{
		"postgres://u:secret@127.0.0.1:x/db":                    "the database must be",
		"postgres://u:secret@127.0.0.1:1/db":                    "127.0.0.1",
		"postgresql://u@127.0.0.1:1/db?password=secret":         "127.0.0.1",
		"postgres://u:secret@127.0.0.1:1/db?sslmode=perhaps":    "the database must be",
		strings.Replace(base, name, name+"_latin1", 1):          "encoding LATIN1, it must have UTF8",
		strings.Replace(base, name, name+"_gone", 1):            "does not exist",
		withSetting(t, base, "target_session_attrs", "standby"): "standby",
		withSetting(t, base, "nonsense_setting", "1"):           "nonsense_setting",
	} {
		s, err := Open(t.Context(), url, Options{})
		if err == nil {
			t.Errorf("%q is opened", url)
			check(t, s.Close())
		} else if !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", url, err)
		}
	}
	for _, opts := range []Options{{MaxConns: -1}, {MaxConns: 1001}, {StatementTimeout: -1}, {ConnectTimeout: time.Microsecond}} {
		if s, err := Open(t.Context(), base, opts); err == nil {
			t.Errorf("%+v is accepted", opts)
			check(t, s.Close())
		}
	}
}

// TestPostgresLocks has a change under way on which another waits: it must see what the change made.
func TestPostgresLocks(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := openTest(t, url)
	conn := onPostgres(t, url)
	agent, err := s.CreateAgent(t.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	environment, err := s.addEnvironmentNamed(t.Context(), "x")
	check(t, err)
	spec := store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID}
	k := store.Key{Account: "acc", Value: "k", Fingerprint: "f"}

	whileUnderWay := func(first func(ctx context.Context) error, second func() error) error {
		t.Helper()
		outcome := make(chan error, 1)
		check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
			if err := first(ctx); err != nil {
				return err
			}
			go func() { outcome <- second() }()
			eventually(t, "the second waits for the first", func() bool {
				if len(outcome) > 0 {
					t.Error("the second does not wait for the first")
					return true
				}
				return column[int64](t, conn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)[0] == 1
			})
			return nil
		}))
		return <-outcome
	}

	check(t, whileUnderWay(
		func(ctx context.Context) error {
			if _, err := s.ClaimKey(ctx, k); err != nil {
				return err
			}
			return s.RecordResponse(ctx, k, store.RecordedResponse{Status: 201, Body: []byte("once")})
		},
		func() error {
			reply, err := s.ClaimKey(t.Context(), k)
			if err == nil && (reply == nil || string(reply.Response.Body) != "once") {
				t.Errorf("the twin got %+v", reply)
			}
			return err
		}))
	if err := whileUnderWay(
		func(ctx context.Context) error { _, err := s.ArchiveAgent(ctx, "acc", agent.ID); return err },
		func() error { _, err := s.CreateSession(t.Context(), "acc", spec); return err },
	); !errors.Is(err, store.ErrArchived) {
		t.Errorf("a session of an agent that was being archived: %v", err)
	}
	agent, err = s.CreateAgent(t.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	check(t, err)
	spec.AgentID = agent.ID
	if err := whileUnderWay(
		func(ctx context.Context) error { _, err := s.CreateSession(ctx, "acc", spec); return err },
		func() error { return s.DeleteEnvironment(t.Context(), "acc", environment.ID) },
	); !errors.Is(err, store.ErrConflict) {
		t.Errorf("an environment that a session was just made in is deleted: %v", err)
	}
	for range 2 { // the second time nothing has to wait: locks of this kind go together
		_, err = s.CreateSession(t.Context(), "acc", spec)
		check(t, err)
	}
	for _, config := range []string{`{}`, `{"type":"self_hosted"}`} { // sessions are stored by one statement, and by several
		agent, err := s.CreateAgent(t.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
		check(t, err)
		environment, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte(config)})
		check(t, err)
		spec := store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID}
		create := func() error { _, err := s.CreateSession(t.Context(), "acc", spec); return err }
		if err := whileUnderWay(func(ctx context.Context) error {
			_, err := s.ArchiveEnvironment(ctx, "acc", environment.ID)
			return err
		}, create); !errors.Is(err, store.ErrArchived) {
			t.Errorf("a session in an environment %s that was being archived: %v", config, err)
		}
		environment, err = s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte(config)})
		check(t, err)
		spec.EnvironmentID = environment.ID
		if err := whileUnderWay(func(ctx context.Context) error { _, err := s.ArchiveAgent(ctx, "acc", agent.ID); return err }, create); !errors.Is(err, store.ErrArchived) {
			t.Errorf("a session in an environment %s of an agent that was being archived: %v", config, err)
		}
	}
}

// TestAPartAtTheBeginning has parts of transactions that fail and begin where nothing was done: they need no savepoint, and
// undo themselves only.
func TestAPartAtTheBeginning(t *testing.T) {
	t.Parallel()
	s := openPostgresTest(t, pgtest.Database(t))
	stop := errors.New("stop")
	add := func(ctx context.Context, name string) {
		_, err := s.addEnvironmentNamed(ctx, name)
		check(t, err)
	}
	fails := func(ctx context.Context, part func(ctx context.Context) error) {
		if err := s.Atomically(ctx, part); err == nil {
			t.Error("the part does not fail")
		}
	}
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		fails(ctx, func(ctx context.Context) error {
			add(ctx, "undone 1")
			return stop
		})
		fails(ctx, func(ctx context.Context) error {
			_, err := s.exec(ctx, `SELECT 1 / 0`)
			return err
		})
		add(ctx, "a")
		check(t, s.Atomically(ctx, func(ctx context.Context) error {
			fails(ctx, func(ctx context.Context) error {
				add(ctx, "undone 2")
				return stop
			})
			add(ctx, "b")
			fails(ctx, func(ctx context.Context) error {
				add(ctx, "undone 3")
				return stop
			})
			return nil
		}))
		fails(ctx, func(ctx context.Context) error {
			check(t, s.Atomically(ctx, func(ctx context.Context) error {
				add(ctx, "undone 4")
				return nil
			}))
			return stop
		})
		return nil
	}))
	if names := environmentNames(t, s); strings.Join(names, " ") != "a b" {
		t.Errorf("stored: %v", names)
	}
}

// TestPostgresTimeouts has statements that take too long, locks included.
func TestPostgresTimeouts(t *testing.T) {
	t.Parallel()
	s := openPostgresTest(t, withSetting(t, pgtest.Database(t), "idle_in_transaction_session_timeout", "60000"))
	e, err := s.addEnvironmentNamed(t.Context(), "x")
	check(t, err)
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		wantUnavailable(t, "statement", s.Atomically(ctx, func(ctx context.Context) error {
			_, err := s.exec(ctx, "SELECT pg_sleep(60)")
			return err
		}))
		// The transaction has outlived that, and now it locks a row.
		check(t, s.lockEnvironment(ctx, e.ID))
		wantUnavailable(t, "lock", s.lockEnvironment(t.Context(), e.ID))
		return nil
	}))
	check(t, s.lockEnvironment(t.Context(), e.ID))
}

// TestPostgresBusy has transactions that keep all connections, until PostgreSQL ends them.
func TestPostgresBusy(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := openPostgresTest(t, url)
	var holders sync.WaitGroup
	held, release := make(chan struct{}), make(chan struct{})
	for range 2 {
		holders.Go(func() {
			err := s.Atomically(t.Context(), func(ctx context.Context) error {
				_, err := s.addEnvironmentNamed(ctx, "lost")
				held <- struct{}{}
				<-release // longer than a transaction may idle
				return err
			})
			wantUnavailable(t, "a transaction that idled", err)
		})
	}
	<-held
	<-held
	_, err := s.addEnvironmentNamed(t.Context(), "lost")
	wantUnavailable(t, "no connection is free", err)
	conn := onPostgres(t, url)
	eventually(t, "PostgreSQL ends the transactions that idle", func() bool {
		return column[int64](t, conn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in transaction%'`)[0] == 0
	})
	close(release)
	holders.Wait()
	if diff := cmp.Diff([]string{}, environmentNames(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestPostgresCancelled ends a context in the midst of a statement: the transaction around it goes on.
func TestPostgresCancelled(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := openTest(t, url)
	conn := onPostgres(t, url)
	check(t, s.Atomically(t.Context(), func(outer context.Context) error {
		_, err := s.addEnvironmentNamed(outer, "before")
		check(t, err)
		ctx, cancel := context.WithCancel(outer)
		var canceller sync.WaitGroup
		canceller.Go(func() {
			defer cancel()
			eventually(t, "the statement runs", func() bool {
				return column[int64](t, conn, `SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'`)[0] == 1
			})
		})
		err = s.Atomically(ctx, func(ctx context.Context) error {
			_, err := s.addEnvironmentNamed(ctx, "undone")
			check(t, err)
			_, err = s.exec(ctx, "SELECT pg_sleep(60)")
			return err
		})
		canceller.Wait()
		if err != context.Canceled {
			t.Errorf("want the context's error, got %v", err)
		}
		_, err = s.addEnvironmentNamed(outer, "after")
		return err
	}))
	if diff := cmp.Diff([]string{"before", "after"}, environmentNames(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestPostgresDeadlock makes two transactions wait for each other: one of them fails, and may be tried again.
func TestPostgresDeadlock(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s := openTest(t, url)
	var ids [2]string
	for i := range ids {
		e, err := s.addEnvironmentNamed(t.Context(), "x")
		check(t, err)
		ids[i] = e.ID
	}
	var locked, all sync.WaitGroup
	locked.Add(2)
	errs := [2]error{}
	for i := range errs {
		all.Go(func() {
			errs[i] = s.Atomically(t.Context(), func(ctx context.Context) error {
				first := s.lockEnvironment(ctx, ids[i])
				locked.Done()
				locked.Wait()
				return errors.Join(first, s.lockEnvironment(ctx, ids[1-i]))
			})
		})
	}
	all.Wait()
	failed := errors.Join(errs[:]...)
	wantUnavailable(t, "deadlock", failed)
	if errs[0] != nil && errs[1] != nil {
		t.Errorf("both failed: %v", failed)
	}
}

func (s *Store) lockEnvironment(ctx context.Context, id string) error {
	_, err := s.UpdateEnvironment(ctx, "acc", id, func(*store.EnvironmentSpec) error { return nil })
	return err
}

// TestPostgresFailedStatement ignores the error of a statement, after which PostgreSQL commits nothing.
func TestPostgresFailedStatement(t *testing.T) {
	t.Parallel()
	s := openPostgresTest(t, pgtest.Database(t))
	err := s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.addEnvironmentNamed(ctx, "lost")
		check(t, err)
		if _, err := s.exec(ctx, "SELECT 1 / 0"); err == nil || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("division by zero: %v", err)
		}
		return nil
	})
	if !errors.Is(err, sql.ErrTxDone) {
		t.Errorf("commit: %v", err)
	}
	if diff := cmp.Diff([]string{}, environmentNames(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestPostgresRestarts ends all connections behind the store's back, as a restart of PostgreSQL does: nobody is to
// notice, unless in the midst of a transaction.
func TestPostgresRestarts(t *testing.T) {
	t.Parallel()
	url := pgtest.Database(t)
	s, err := Open(t.Context(), url, Options{MaxConns: 2, StatementTimeout: 20 * time.Second, ConnectTimeout: 20 * time.Second}) // so that a busy machine has the time
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	conn := onPostgres(t, url)
	e, err := s.addEnvironmentNamed(t.Context(), "before")
	check(t, err)
	restart := func() {
		column[bool](t, conn, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()`)
	}
	for range 3 {
		var all sync.WaitGroup
		for range 16 { // so that several connections are open
			all.Go(func() {
				if _, err := s.GetEnvironment(t.Context(), "acc", e.ID); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		restart()
		_, err := s.GetEnvironment(t.Context(), "acc", e.ID)
		check(t, err)
		restart()
		_, err = s.addEnvironmentNamed(t.Context(), "between")
		check(t, err)
	}
	err = s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.addEnvironmentNamed(ctx, "lost")
		check(t, err)
		restart()
		_, err = s.addEnvironmentNamed(ctx, "lost")
		wantUnavailable(t, "statement", err)
		return nil
	})
	if err == nil {
		t.Error("a transaction that was lost is committed")
	}
	err = s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.addEnvironmentNamed(ctx, "lost")
		restart()
		return err
	})
	wantUnavailable(t, "commit", err)
	if diff := cmp.Diff([]string{"before", "between", "between", "between"}, environmentNames(t, s)); diff != "" {
		t.Error(diff)
	}
}

// TestPostgresNetwork has the network fail in every way.
func TestPostgresNetwork(t *testing.T) {
	t.Parallel()
	proxy := pgtest.NewProxy(t, pgtest.Database(t))
	s := openPostgresTest(t, proxy.URL)
	kept := []string{}
	for name, fail := range map[string]func(){"cut": proxy.Cut, "half open": proxy.Stall} {
		_, err := s.addEnvironmentNamed(t.Context(), name)
		check(t, err)
		kept = append(kept, name)
		err = s.Atomically(t.Context(), func(ctx context.Context) error {
			_, err := s.addEnvironmentNamed(ctx, "lost")
			check(t, err)
			fail()
			_, err = s.addEnvironmentNamed(ctx, "lost")
			wantUnavailable(t, name+", statement", err)
			return err
		})
		wantUnavailable(t, name+", transaction", err)
		for range 2 {
			_, err = s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
			wantUnavailable(t, name+", read", err)
			wantUnavailable(t, name+", ping", s.Ping(t.Context()))
			_, err = s.addEnvironmentNamed(t.Context(), "lost")
			wantUnavailable(t, name+", write", err)
		}
		proxy.Restore()
		eventually(t, name+": it recovers", func() bool { return s.Ping(t.Context()) == nil })
	}
	proxy.Delay(20 * time.Millisecond)
	_, err := s.addEnvironmentNamed(t.Context(), "late")
	check(t, err)
	proxy.Restore()
	got := environmentNames(t, s)
	if diff := cmp.Diff(append(kept, "late"), got); diff != "" {
		t.Error(diff)
	}
}

// TestPostgresCopiesLargeTextOnce tests that a large JSON value is copied from the connection's buffer and nowhere else.
func TestPostgresCopiesLargeTextOnce(t *testing.T) {
	db := openPostgresTest(t, pgtest.Database(t))
	const size = 8_000_000 // the buffer of a connection is a power of two
	tools := json.RawMessage(`["` + strings.Repeat("a", size-4) + `"]`)
	agent, err := db.CreateAgent(t.Context(), "acct_1", store.AgentSpec{Name: "a", Model: "m", Tools: tools, MCPServers: json.RawMessage("[]"), Skills: json.RawMessage("[]")})
	if err != nil {
		t.Fatal(err)
	}
	least := uint64(math.MaxUint64)
	for range 5 { // something else may allocate too, and a buffer may be new
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		read, err := db.GetAgent(t.Context(), "acct_1", agent.ID, 0)
		if err != nil || len(read.Tools) != size {
			t.Fatal(len(read.Tools), err)
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.TotalAlloc-before.TotalAlloc)
	}
	if least < size || 2*least > 3*size {
		t.Errorf("a value of %d bytes took %d", size, least)
	}
}
