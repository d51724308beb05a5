package pgengine_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
)

// logs collects what is logged.
type logs struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logs) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *logs) has(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}

func openDatabase(t *testing.T, url string, log *logs) engine.Database {
	t.Helper()
	db, err := pgengine.Open(url, pgengine.Options{
		MaxConns: 8, StatementTimeout: 5 * time.Second, ConnectTimeout: 5 * time.Second, Log: slog.New(slog.NewTextHandler(log, nil)),
	})
	check(t, err)
	return db
}

func openStore(t *testing.T, db engine.Database) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.New(t.Context(), db, sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

func open(t *testing.T, url string) (*sqlstore.Store, *logs) {
	t.Helper()
	log := &logs{}
	return openStore(t, openDatabase(t, url, log)), log
}

// with returns a URL with a query parameter.
func with(t *testing.T, database, name, value string) string {
	t.Helper()
	u, err := url.Parse(database)
	check(t, err)
	query := u.Query()
	query.Set(name, value)
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String()
}

func databaseName(t *testing.T, database string) string {
	t.Helper()
	config, err := pgx.ParseConfig(database)
	check(t, err)
	return config.Database
}

// set makes a setting the default of the database.
func set(t *testing.T, database, setting string) {
	t.Helper()
	check(t, pgserver.Execute(database, "ALTER DATABASE "+databaseName(t, database)+" "+setting))
}

// endConnections ends all other connections to a database.
func endConnections(t *testing.T, database string) {
	t.Helper()
	check(t, pgserver.Execute(database, `SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity
		WHERE datname = current_database() AND pid <> pg_backend_pid()`))
}

func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(40 * time.Second); !done(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

func wantUnavailable(t *testing.T, what string, err error) {
	t.Helper()
	if !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%s: want %q, got %v", what, store.ErrUnavailable, err)
	}
}

func addEnvironment(ctx context.Context, s *sqlstore.Store) error {
	_, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
	return err
}

func addAgent(ctx context.Context, s *sqlstore.Store) (string, error) {
	agent, err := s.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	return agent.ID, err
}

func addSession(t *testing.T, s *sqlstore.Store) store.SessionRef {
	t.Helper()
	agent, err := addAgent(t.Context(), s)
	check(t, err)
	environment, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
	check(t, err)
	session, err := s.CreateSession(t.Context(), "acc", store.SessionSpec{AgentID: agent, EnvironmentID: environment.ID})
	check(t, err)
	return store.SessionRef{Account: "acc", ID: session.ID}
}

// hostile are defaults of a role, a database or a URL that would break the store.
var hostile = map[string]string{
	"default_transaction_isolation": "serializable", "client_encoding": "LATIN1", "lock_timeout": "3ms", "statement_timeout": "4s",
	"idle_in_transaction_session_timeout": "3s", "idle_session_timeout": "900ms",
}

// TestSettings has defaults everywhere that would break the store: each connection asks for what the store relies on.
func TestSettings(t *testing.T) {
	t.Parallel()
	names := []string{
		"default_transaction_isolation", "client_encoding", "lock_timeout", "statement_timeout",
		"idle_in_transaction_session_timeout", "idle_session_timeout", "application_name",
	}
	pool := []string{"read committed", "UTF8", "0", "5s", "10s", "0", "sessionsd"}
	kept := []string{"read committed", "UTF8", "0", "0", "0", "0"}
	options := ""
	for name, value := range hostile {
		options += " -c " + name + "=" + value
	}
	for name, tc := range map[string]struct {
		prepare func(t *testing.T, database string) string
		pool    []string
	}{
		"nothing":      {func(_ *testing.T, database string) string { return database }, pool},
		"the database": {hostileDatabase, pool},
		"the role": {func(t *testing.T, database string) string {
			role, url := newRole(t, database, "")
			for name, value := range hostile {
				check(t, pgserver.Execute(database, fmt.Sprintf("ALTER ROLE %s SET %s = '%s'", role, name, value)))
			}
			return url
		}, pool},
		"options of the URL": {func(t *testing.T, database string) string { return with(t, database, "options", options) }, pool},
		// Bounds are the URL's, what the store relies on is not.
		"the URL": {func(t *testing.T, database string) string {
			for name, value := range hostile {
				database = with(t, database, name, value)
			}
			return with(t, database, "application_name", "mine")
		}, []string{"read committed", "UTF8", "3ms", "4s", "3s", "900ms", "mine"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := openDatabase(t, tc.prepare(t, pgtest.NewDatabase(t)), &logs{})
			defer db.Close()
			var got []string
			check(t, db.Read(t.Context(), engine.Query{
				Text: `SELECT array_agg(current_setting(name) ORDER BY at) FROM unnest($1::text[]) WITH ORDINALITY AS s(name, at)`, Args: []any{names},
			}, func(row engine.Scanner) error { return row.Scan(&got) }))
			if diff := cmp.Diff(tc.pool, got); diff != "" {
				t.Errorf("the pool: %s", diff)
			}
			got, err := pgengine.Settings(t.Context(), db, names)
			check(t, err)
			want := append(slices.Clone(kept), tc.pool[len(kept)])
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("a kept connection: %s", diff)
			}
		})
	}
}

func hostileDatabase(t *testing.T, database string) string {
	for name, value := range hostile {
		set(t, database, fmt.Sprintf("SET %s = '%s'", name, value))
	}
	return database
}

// newRole creates a role for the time of a test and returns its URL of a database, in which it may create tables.
func newRole(t *testing.T, database, options string) (role, url string) {
	t.Helper()
	role = "role_" + strings.ToLower(rand.Text())
	check(t, pgserver.Execute(database, fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD 'secret' %s; GRANT CREATE ON SCHEMA public TO %[1]s", role, options)))
	t.Cleanup(func() { check(t, pgserver.Execute(database, "DROP OWNED BY "+role+" CASCADE; DROP ROLE "+role)) })
	return role, with(t, with(t, database, "user", role), "password", "secret")
}

// TestIsolation changes one session many times at once, where the defaults of the database would break the store: nothing
// fails.
func TestIsolation(t *testing.T) {
	t.Parallel()
	for _, level := range []string{"serializable", "repeatable read", "read committed"} {
		t.Run(level, func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewDatabase(t)
			set(t, database, "SET default_transaction_isolation = '"+level+"'")
			s, _ := open(t, database)
			session := addSession(t, s)
			var all sync.WaitGroup
			for range 8 {
				all.Go(func() {
					for range 10 {
						_, _, err := s.AppendEvents(t.Context(), session.Account, session.ID, func(*store.Session) ([]store.NewEvent, error) {
							return []store.NewEvent{{Type: "x", Payload: []byte("{}")}}, nil
						})
						if err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
		})
	}
}

// TestTurnsOnIdleConnections has turns where PostgreSQL ends connections that idle, and a role's statements, early.
func TestTurnsOnIdleConnections(t *testing.T) {
	t.Parallel()
	s, log := open(t, hostileDatabase(t, pgtest.NewDatabase(t)))
	session := addSession(t, s)
	worked := work(t, s)
	for turn := range 2 {
		time.Sleep(2 * time.Second) // longer than a connection could idle
		enqueue(t, s, session)
		select {
		case <-worked:
		case <-time.After(20 * time.Second):
			t.Fatalf("turn %d is never worked on", turn)
		}
	}
	check(t, s.Ping(t.Context()))
	if log.has("lost") {
		t.Errorf("connections were lost: %s", &log.text)
	}
}

// work works on turns until the test ends, and returns a channel that gets a value for each.
func work(t *testing.T, s *sqlstore.Store) <-chan store.TurnRef {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	worked := make(chan store.TurnRef, 100)
	var working sync.WaitGroup
	working.Go(func() {
		err := s.WorkTurns(ctx, 2, func(ctx context.Context, ref store.TurnRef) bool {
			_, err := s.UpdateSession(ctx, ref.Session.Account, ref.Session.ID, func(v *store.Session) error {
				v.Status, v.Turn.ID = store.StatusIdle, ""
				return nil
			})
			if err == nil {
				worked <- ref
			}
			return err == nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); working.Wait() })
	return worked
}

func enqueue(t *testing.T, s *sqlstore.Store, session store.SessionRef) {
	t.Helper()
	turn := s.NewID("turn")
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.UpdateSession(ctx, session.Account, session.ID, func(v *store.Session) error {
			v.Status, v.Turn.ID = store.StatusProcessing, turn
			return nil
		})
		if err != nil {
			return err
		}
		return s.QueueTurn(ctx, store.TurnRef{Session: session, TurnID: turn})
	}))
}

// TestSessionPooler has a pooler with its defaults between two stores and PostgreSQL: all works, and no bound is lost.
func TestSessionPooler(t *testing.T) {
	t.Parallel()
	pooler := pgtest.NewPooler(t, pgtest.NewDatabase(t), "session")
	log := &logs{}
	db := openDatabase(t, pooler, log)
	here := openStore(t, db)
	there, _ := open(t, with(t, pooler, "search_path", "public"))
	for what, s := range map[string]*sqlstore.Store{"here": here, "there": there} {
		if err := s.Ping(t.Context()); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	session := addSession(t, here)
	signals := make(chan store.Signal, 100)
	t.Cleanup(there.Watch(func(s store.Signal) { signals <- s }))
	worked := work(t, there)
	enqueue(t, here, session)
	<-worked
	for s := range signals {
		if s.Session == session {
			break
		}
	}
	timeout := ""
	check(t, db.Read(t.Context(), engine.Query{Text: "SELECT current_setting('statement_timeout') || current_setting('idle_in_transaction_session_timeout')"},
		func(row engine.Scanner) error { return row.Scan(&timeout) }))
	if timeout != "5s10s" {
		t.Errorf("the bounds are %s", timeout)
	}
	if log.has("level=WARN") {
		t.Errorf("logged: %s", &log.text)
	}
}

// TestTransactionPooler has a pooler that drops notifications. The store says so, and looks every second.
func TestTransactionPooler(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	direct, _ := open(t, database) // migrates
	pooler := with(t, pgtest.NewPooler(t, database, "transaction"), "default_query_exec_mode", "exec")
	s, log := open(t, pooler)
	short, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if err := s.Ping(short); err == nil { // on a slow machine the second may end before the answer
		t.Error("the store is ready before it has heard a notification")
	}
	eventually(t, "the log says so", func() bool { return log.has("must pool sessions") })
	wantUnavailable(t, "afterwards", s.Ping(t.Context()))
	looksEverySecond(t, s)
	check(t, direct.Ping(t.Context()))
}

// looksEverySecond fails unless a store acts as if it had missed something, three times in five seconds.
func looksEverySecond(t *testing.T, s *sqlstore.Store) {
	t.Helper()
	signals, before := make(chan store.Signal, 100), s.Revocations()
	defer s.Watch(func(s store.Signal) { signals <- s })()
	late := time.After(10 * time.Second)
	for range 3 {
		select {
		case got := <-signals:
			if got != (store.Signal{}) {
				t.Errorf("%+v", got)
			}
		case <-late:
			t.Fatal("it does not look")
		}
	}
	if s.Revocations() == before {
		t.Error("it does not look for revocations")
	}
}

// TestADeafListener drops what a listener sends to itself, and then no more.
func TestADeafListener(t *testing.T) {
	t.Parallel()
	log := &logs{}
	db := openDatabase(t, pgtest.NewDatabase(t), log)
	var dropped atomic.Bool
	var send func(ctx context.Context, payload string) error
	send = pgengine.ReplaceProofs(db, func(ctx context.Context, payload string) error {
		if dropped.Load() {
			return nil
		}
		return send(ctx, payload)
	})
	s := openStore(t, db)
	check(t, s.Ping(t.Context()))
	if log.has("level=") {
		t.Errorf("logged: %s", &log.text)
	}
	dropped.Store(true)
	eventually(t, "it is not ready", func() bool { return errors.Is(s.Ping(t.Context()), store.ErrUnavailable) })
	eventually(t, "the log says so", func() bool { return log.has("do not arrive") })
	looksEverySecond(t, s)
	dropped.Store(false)
	eventually(t, "it is ready", func() bool { return s.Ping(t.Context()) == nil })
	eventually(t, "the log says so again", func() bool { return log.has("arrive again") })
}

// TestConnectionLimit has more callers than the role may have connections: they wait for each other.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	for _, limit := range []int{3, 6} {
		t.Run(fmt.Sprint(limit), func(t *testing.T) {
			t.Parallel()
			database := pgtest.NewDatabase(t)
			role, url := newRole(t, database, "NOSUPERUSER")
			s, _ := open(t, url)
			check(t, s.Ping(t.Context()))
			check(t, pgserver.Execute(database, fmt.Sprintf("ALTER ROLE %s CONNECTION LIMIT %d", role, limit)))
			endConnections(t, database)
			callAtOnce := func() {
				var all sync.WaitGroup
				for range 8 {
					all.Go(func() {
						for range 20 {
							if err := addEnvironment(t.Context(), s); err != nil {
								t.Error(err)
							}
						}
					})
				}
				all.Wait()
			}
			callAtOnce()
			// The pool has all connections by now, unless the listener was faster: it gives way.
			worked := work(t, s)
			callAtOnce()
			enqueue(t, s, addSession(t, s))
			select {
			case <-worked:
			case <-time.After(30 * time.Second):
				t.Error("the turn is never worked on")
			}
			eventually(t, "it is ready", func() bool { return s.Ping(t.Context()) == nil })
			callAtOnce()
		})
	}
}

// TestMissingRights has a role that lacks a right of those that it needs.
func TestMissingRights(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	admin, _ := open(t, database)
	role, url := newRole(t, database, "")
	grant := func(statement string) {
		t.Helper()
		check(t, pgserver.Execute(database, strings.ReplaceAll(statement, "ROLE", role)))
	}
	grant("GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE")
	for revoke, want := range map[string]string{
		"REVOKE INSERT ON queued_turns FROM ROLE":      "INSERT on queued_turns",
		"REVOKE ALL ON tokens FROM ROLE":               "SELECT on tokens",
		"REVOKE DELETE ON events FROM ROLE":            "DELETE on events",
		"REVOKE UPDATE ON open_streams FROM ROLE":      "UPDATE on open_streams",
		"ALTER TABLE served_accounts RENAME TO nobody": "served_accounts",
	} {
		grant(revoke)
		s, err := sqlstore.Open(t.Context(), url, sqlstore.Options{})
		if err == nil {
			check(t, s.Close())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", revoke, err)
		}
		grant(`GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO ROLE;
			ALTER TABLE IF EXISTS nobody RENAME TO served_accounts`)
	}
	s, _ := open(t, url)
	session := addSession(t, s)
	worked := work(t, s)
	enqueue(t, s, session)
	<-worked
	check(t, admin.Ping(t.Context()))
}

// TestReadOnly has a server that reads only, for a while.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	s, _ := open(t, database)
	check(t, s.Ping(t.Context()))
	set(t, database, "SET default_transaction_read_only = on")
	endConnections(t, database)
	for range 3 {
		_, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
		check(t, err)
		wantUnavailable(t, "write", addEnvironment(t.Context(), s))
		wantUnavailable(t, "ready", s.Ping(t.Context()))
	}
	var reading sync.WaitGroup
	for range 8 { // which leaves connections that can only read
		reading.Go(func() { _, _ = s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1}) })
	}
	reading.Wait()
	set(t, with(t, database, "default_transaction_read_only", "off"), "RESET default_transaction_read_only")
	eventually(t, "it is ready", func() bool { return s.Ping(t.Context()) == nil })
	eventually(t, "it writes", func() bool { return addEnvironment(t.Context(), s) == nil })
}

// TestReadOnlyConnections has a connection to a server that can only read, while new ones can write: it is used once.
func TestReadOnlyConnections(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	db, err := pgengine.Open(database, pgengine.Options{
		MaxConns: 1, StatementTimeout: 5 * time.Second, ConnectTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	check(t, err)
	s := openStore(t, db)
	for range 3 { // the first time all connections are replaced, afterwards only those that met it
		set(t, database, "SET default_transaction_read_only = on")
		endConnections(t, database)
		_, err = s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
		check(t, err)
		set(t, with(t, database, "default_transaction_read_only", "off"), "RESET default_transaction_read_only")
		wantUnavailable(t, "write", addEnvironment(t.Context(), s))
		check(t, addEnvironment(t.Context(), s))
	}
}

// TestKeptConnectionsWrite has a server that can only read: nobody listens there, or holds a worker's lock.
func TestKeptConnectionsWrite(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	set(t, database, "SET default_transaction_read_only = on")
	db := openDatabase(t, database, &logs{})
	defer db.Close()
	if _, err := pgengine.Settings(t.Context(), db, nil); err == nil || !strings.Contains(err.Error(), "can only read") {
		t.Error(err)
	}
}

// TestGivingWay has the pool use all connections that PostgreSQL allows when the listener needs one.
func TestGivingWay(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	_, url := newRole(t, database, "CONNECTION LIMIT 2")
	db := openDatabase(t, url, &logs{})
	defer db.Close()
	both := make(chan bool)
	var using sync.WaitGroup
	for range 2 {
		using.Go(func() {
			check(t, db.Transact(t.Context(), func(tx engine.Tx) error {
				_, err := tx.Exec(t.Context(), "SELECT 1", nil)
				select {
				case both <- true:
				case <-both:
				}
				return err
			}))
		})
	}
	using.Wait()
	eventually(t, "the listener has a connection", func() bool {
		_, err := pgengine.Settings(t.Context(), db, nil)
		return err == nil
	})
}

// TestFailover moves the address of the database to a standby, which is promoted later.
func TestFailover(t *testing.T) {
	t.Parallel()
	pgtest.NewDatabase(t) // skips where there is no PostgreSQL
	primary, err := pgserver.Start("")
	check(t, err)
	closePrimary := sync.OnceFunc(func() { check(t, primary.Close()) })
	defer closePrimary()
	database, err := pgserver.CreateDatabase(primary.URL, "sessions")
	check(t, err)
	proxy := pgtest.NewProxy(t, database)
	s, _ := open(t, proxy.URL)
	worked := work(t, s)
	session := addSession(t, s)
	enqueue(t, s, session)
	<-worked
	check(t, s.Ping(t.Context()))

	standby, err := pgserver.StartStandby(primary)
	check(t, err)
	defer func() { check(t, standby.Close()) }()
	moved := strings.Replace(standby.URL, "/postgres", "/sessions", 1)
	proxy.Move(t, moved)
	closePrimary()
	wantUnavailable(t, "ready at a standby", s.Ping(t.Context()))
	_, err = s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
	check(t, err)
	var writing sync.WaitGroup
	for range 8 {
		writing.Go(func() { wantUnavailable(t, "write at a standby", addEnvironment(t.Context(), s)) })
	}
	writing.Wait()

	check(t, standby.Promote())
	eventually(t, "it is ready", func() bool { return s.Ping(t.Context()) == nil })
	for range 8 {
		writing.Go(func() { check(t, addEnvironment(t.Context(), s)) })
	}
	writing.Wait()
	enqueue(t, s, session)
	select {
	case <-worked:
	case <-time.After(30 * time.Second):
		t.Error("a turn after the failover is never worked on")
	}
}

// TestFullDisk has PostgreSQL find no space for the rows of one table.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	database := pgtest.NewDatabase(t)
	s, _ := open(t, database)
	check(t, s.Ping(t.Context()))
	check(t, pgserver.Execute(database, `
		CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
			RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full';
		END $$;
		CREATE TRIGGER full_disk BEFORE INSERT ON environments FOR EACH ROW EXECUTE FUNCTION full_disk()`))
	check(t, s.Ping(t.Context()))
	for range 2 {
		wantUnavailable(t, "write", addEnvironment(t.Context(), s))
		wantUnavailable(t, "ready", s.Ping(t.Context()))
		_, err := addAgent(t.Context(), s)
		check(t, err)
		wantUnavailable(t, "ready, after a write that needs less space", s.Ping(t.Context()))
	}
	check(t, pgserver.Execute(database, `DROP TRIGGER full_disk ON environments`))
	wantUnavailable(t, "ready, before a write passes", s.Ping(t.Context()))
	check(t, addEnvironment(t.Context(), s))
	check(t, s.Ping(t.Context()))
}

// TestLostSchemaLock releases a lock that another connection has, as a pooler of transactions may do.
func TestLostSchemaLock(t *testing.T) {
	t.Parallel()
	db := openDatabase(t, pgtest.NewDatabase(t), &logs{})
	defer db.Close()
	if err := pgengine.UnlockSchema(t.Context(), db); err == nil || !strings.Contains(err.Error(), "must pool sessions") {
		t.Error(err)
	}
}

// TestALargeRowWaitsForRoom reads rows while there is no memory for large ones: those fail as when the database is not
// available, small ones are read, and everything is once there is room.
func TestALargeRowWaitsForRoom(t *testing.T) {
	t.Parallel()
	db, err := pgengine.Open(pgtest.Database(t), pgengine.Options{
		MaxConns: 4, StatementTimeout: 200 * time.Millisecond, ConnectTimeout: 5 * time.Second, Log: slog.New(slog.DiscardHandler),
	})
	check(t, err)
	s := openStore(t, db)
	read := func(bytes int) error {
		got := 0
		err := db.Read(t.Context(), engine.Query{Text: "SELECT repeat('a', $1)", Args: []any{bytes}}, func(row engine.Scanner) error {
			text := ""
			err := row.Scan(&text)
			got = len(text)
			return err
		})
		if err == nil && got != bytes {
			t.Errorf("%d of %d bytes", got, bytes)
		}
		return err
	}
	empty := pgengine.FillInbox(db)
	wantUnavailable(t, "a large row", read(1<<20))
	eventually(t, "a small row", func() bool { return read(1000) == nil })
	empty()
	eventually(t, "a large row, with room", func() bool { return read(1<<20) == nil })
	check(t, s.Ping(t.Context()))
}
