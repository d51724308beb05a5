package migrations_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func open(t *testing.T, dsn string) *sqlstore.Store {
	t.Helper()
	s, err := sqlstore.Open(t.Context(), dsn, sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, s.Close()) })
	return s
}

// TestUpgrade opens a database of the first version: what it holds is there, and has what came later.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sql.Open("sqlite", path)
	check(t, err)
	makeVersion(t, db, goose.DialectSQLite3, 1)
	check(t, db.Close())
	s := open(t, "sqlite:"+path)
	ctx := t.Context()

	at := time.UnixMicro(1_779_117_975_747_298).UTC()
	agent := store.Agent{
		AgentSpec: store.AgentSpec{
			Name: "old", Model: "ultimate", Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]"), Metadata: map[string]string{"a": "b"},
		},
		ID: "agent_1", Version: 1, CreatedAt: at, UpdatedAt: at,
	}
	want := store.Session{
		ID: "sess_1", Agent: agent, EnvironmentID: "env_1", Title: "我的会话", Status: store.StatusIdle,
		Metadata: map[string]string{"purpose": "x"}, EnvironmentVariables: map[string]string{}, DeltaFlushInterval: 100 * time.Millisecond,
		MemoryStoreIDs: []string{}, VaultIDs: []string{},
		Resources: []store.Resource{{ID: "sesr_1", FileID: "file_1", MountPath: "/x", CreatedAt: at, UpdatedAt: at}},
		Usage:     store.Usage{InputTokens: 5}, CreatedAt: at, UpdatedAt: at,
	}
	list, err := s.ListSessions(ctx, "acc", store.SessionFilter{}, store.Page{Limit: 1})
	check(t, err)
	if diff := cmp.Diff([]store.Session{want}, list.Items); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	if _, err := s.ListSessions(ctx, "acc", store.SessionFilter{}, store.Page{Limit: 10, Cursor: "sess_deleted"}); err != nil {
		t.Errorf("a deleted session is no longer a cursor: %v", err)
	}
	busy, err := s.CountBusySessions(ctx, "acc", 10)
	check(t, err)
	events, err := s.ListEvents(ctx, "acc", "sess_1", store.EventFilter{}, store.Page{Limit: 10})
	check(t, err)
	if busy != 0 || len(events.Items) != 0 {
		t.Errorf("%d busy sessions and %d events in a database that had neither", busy, len(events.Items))
	}

	_, _, err = s.AppendEvents(ctx, "acc", "sess_1", func(v *store.Session) ([]store.NewEvent, error) {
		v.Status, v.Turn = store.StatusProcessing, store.Turn{ID: "turn_1", Lease: 1}
		return []store.NewEvent{{Type: "user.message", TurnID: "turn_1", Payload: []byte("{}")}}, nil
	})
	check(t, err)
	check(t, s.DeleteSession(ctx, "acc", "sess_1", func(store.Session) error { return nil }))
	db, err = sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	left := -1
	check(t, db.QueryRowContext(ctx, "SELECT count(*) FROM events").Scan(&left))
	if left != 0 {
		t.Errorf("%d events of a deleted session", left)
	}
}

// TestUpgradeToPositions opens databases whose events had no positions: they get them in the order of their ids, log by
// log, and new events follow.
func TestUpgradeToPositions(t *testing.T) {
	t.Parallel()
	for name, old := range oldDatabases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, db, dialect := old(t)
			makeVersion(t, db, dialect, 5)
			insert(t, db, oldEvents)
			check(t, db.Close())
			s := open(t, dsn)
			for session, want := range map[string][]string{
				"sess_1": {"1 evt_0a", "2 evt_1", "3 evt_Z", "4 evt_a"}, "sess_2": {"1 evt_1", "2 evt_2"},
			} {
				if diff := cmp.Diff(want, positions(t, s, session)); diff != "" {
					t.Errorf("%s (-want +got):\n%s", session, diff)
				}
			}
			_, added, err := s.AppendEvents(t.Context(), "acc", "sess_1", func(*store.Session) ([]store.NewEvent, error) {
				return []store.NewEvent{{ID: "evt_00", Type: "user.message", Payload: []byte("{}")}}, nil
			})
			check(t, err)
			if added[0].Position != 5 || added[0].ID != "evt_00" {
				t.Errorf("the next event: %+v", added[0])
			}
			after, err := s.ListEvents(t.Context(), "acc", "sess_1", store.EventFilter{}, store.Page{Limit: 10, Ascending: true, Cursor: "evt_Z"})
			check(t, err)
			if len(after.Items) != 2 || after.Items[0].ID != "evt_a" || after.Items[1].ID != "evt_00" {
				t.Errorf("after an old event: %+v", after.Items)
			}
			old := store.Event{
				Position: 2, ID: "evt_1", SessionID: "sess_2", TurnID: "turn_1", Type: "user.message", Payload: []byte(`{"n":1}`),
				CreatedAt: time.UnixMicro(7).UTC(),
			}
			list, err := s.ListEvents(t.Context(), "acc", "sess_2", store.EventFilter{}, store.Page{Limit: 1, Ascending: true})
			check(t, err)
			if old.Position = 1; !cmp.Equal(old, list.Items[0]) {
				t.Error(cmp.Diff(old, list.Items[0]))
			}
		})
	}
}

// oldEvents are logs without positions. Their rows are not in the order of their ids.
const oldEvents = `INSERT INTO events (account_id, session_id, id, turn_id, type, payload, created_at) VALUES
	('acc', 'sess_1', 'evt_a', '', 'x', '{}', 9), ('acc', 'sess_2', 'evt_2', '', 'x', '{}', 8), ('acc', 'sess_1', 'evt_1', '', 'x', '{}', 2),
	('acc', 'sess_1', 'evt_Z', '', 'x', '{}', 3), ('acc', 'sess_2', 'evt_1', 'turn_1', 'user.message', '{"n":1}', 7),
	('acc', 'sess_1', 'evt_0a', '', 'x', '{}', 1)`

// positions returns the positions and ids of a session's log.
func positions(t *testing.T, s *sqlstore.Store, session string) (list []string) {
	t.Helper()
	log, err := s.ListEvents(t.Context(), "acc", session, store.EventFilter{}, store.Page{Limit: 10, Ascending: true})
	check(t, err)
	for _, e := range log.Items {
		list = append(list, fmt.Sprint(e.Position, " ", e.ID))
	}
	return list
}

// makeVersion makes a database as a version of the schema left it, with three sessions of which one is deleted.
func makeVersion(t *testing.T, db *sql.DB, dialect goose.Dialect, version int64) {
	t.Helper()
	check(t, migrations.UpTo(t.Context(), db, dialect, version))
	insert(t, db,
		`INSERT INTO agents (account_id, id, version, created_at, updated_at) VALUES ('acc', 'agent_1', 1, 1779117975747298, 1779117975747298)`,
		`INSERT INTO agent_versions (account_id, agent_id, version, name, description, model, system, tools, mcp_servers, skills, default_environment,
			metadata, created_at) VALUES ('acc', 'agent_1', 1, 'old', '', 'ultimate', '', '[]', '[]', '[]', '', '{"a":"b"}', 1779117975747298)`,
		`INSERT INTO environments (account_id, id, name, description, config, metadata, created_at, updated_at)
			VALUES ('acc', 'env_1', 'old', '', '{}', '{}', 1779117975747298, 1779117975747298)`,
		`INSERT INTO sessions (account_id, id, agent_id, agent_version, environment_id, title, status, metadata, environment_variables,
			delta_flush_interval, memory_store_ids, vault_ids, resources, input_tokens, created_at, updated_at, deleted_at)
			VALUES ('acc', 'sess_1', 'agent_1', 1, 'env_1', '我的会话', 'idle', '{"purpose":"x"}', '{}', 100000, '[]', '[]',
			'[{"id":"sesr_1","file_id":"file_1","mount_path":"/x","created_at":1779117975747298,"updated_at":1779117975747298}]',
			5, 1779117975747298, 1779117975747298, NULL),
			('acc', 'sess_2', 'agent_1', 1, 'env_1', '', 'idle', '{}', '{}', 0, '[]', '[]', '[]', 0, 1779117975747297, 1779117975747297, NULL),
			('acc', 'sess_deleted', 'agent_1', 1, 'env_1', '', 'idle', '{}', '{}', 0, '[]', '[]', '[]', 0, 1779117975747298, 1779117975747298, 1)`)
}

// TestUpgradeToKeyReferences opens databases whose keys have refusals recorded for them: those keys are free, what
// succeeded is replayed and counted.
func TestUpgradeToKeyReferences(t *testing.T) {
	t.Parallel()
	for name, old := range oldDatabases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, db, dialect := old(t)
			makeVersion(t, db, dialect, 8)
			insert(t, db, fmt.Sprintf(`INSERT INTO idempotency_keys (account_id, key, fingerprint, status, content_type, body, created_at)
				VALUES ('acc', 'created', 'f1', 201, 'text/x', 'body', %[1]d), ('acc', 'refused', 'f2', 404, 'text/x', 'body', %[1]d)`,
				time.Now().UnixMicro()))
			check(t, db.Close())
			s := open(t, dsn)
			key := store.Key{Account: "acc", Value: "created", Fingerprint: "f1"}
			want := &store.RecordedKey{Key: key, Response: store.RecordedResponse{Status: 201, ContentType: "text/x", Body: []byte("body")}}
			got, err := s.ClaimKey(t.Context(), store.Key{Account: "acc", Value: "created", Request: "POST /x", Fingerprint: "f"})
			check(t, err)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			got, err = s.ClaimKey(t.Context(), store.Key{Account: "acc", Value: "refused"})
			if err != nil || got != nil {
				t.Errorf("refused: %+v, %v", got, err)
			}
			if n, err := s.KeyBytes(t.Context(), "acc"); err != nil || n < 4 {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

// oldDatabases makes empty databases without a schema.
func oldDatabases() map[string]func(t *testing.T) (dsn string, db *sql.DB, dialect goose.Dialect) {
	return map[string]func(t *testing.T) (string, *sql.DB, goose.Dialect){
		"SQLite": func(t *testing.T) (string, *sql.DB, goose.Dialect) {
			path := filepath.Join(t.TempDir(), "test.db")
			db, err := sql.Open("sqlite", path)
			check(t, err)
			return "sqlite:" + path, db, goose.DialectSQLite3
		},
		"PostgreSQL": func(t *testing.T) (string, *sql.DB, goose.Dialect) {
			url := pgtest.NewDatabase(t)
			db, err := sql.Open("pgx", url)
			check(t, err)
			return url, db, goose.DialectPostgres
		},
	}
}

// insert runs statements.
func insert(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, statement := range statements {
		_, err := db.ExecContext(t.Context(), statement)
		check(t, err)
	}
}

// TestUpgradeToBoundedUsage opens databases with usage beyond the contract's bounds: it is at the bounds.
func TestUpgradeToBoundedUsage(t *testing.T) {
	t.Parallel()
	for name, old := range oldDatabases() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dsn, db, dialect := old(t)
			makeVersion(t, db, dialect, 7)
			insert(t, db, `UPDATE sessions SET input_tokens = 9007199254740992, output_tokens = 9223372036854775807,
				cache_read_input_tokens = 9007199254740991, cache_creation_5m = 9007199254740992, cache_creation_1h = 18014398509481982,
				credit_cents = 100000000001 WHERE id = 'sess_1'`)
			check(t, db.Close())
			s, err := open(t, dsn).GetSession(t.Context(), "acc", "sess_1")
			check(t, err)
			const most = 9007199254740991
			want := store.Usage{
				InputTokens: most, OutputTokens: most, CacheReadInputTokens: most, CacheCreation5m: most, CacheCreation1h: most,
				CreditCents: 100_000_000_000,
			}
			if diff := cmp.Diff(want, s.Usage); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// TestCreate compares a database that is created in one step with one that goes through all migrations.
func TestCreate(t *testing.T) {
	t.Parallel()
	content := func(db *sql.DB) (rows []string) {
		t.Helper()
		found, err := db.QueryContext(t.Context(), `
			SELECT coalesce(sql, name) FROM sqlite_schema UNION ALL
			SELECT id || ' ' || version_id || ' ' || is_applied FROM `+migrations.VersionTable+` ORDER BY 1`)
		check(t, err)
		defer found.Close()
		for found.Next() {
			var row string
			check(t, found.Scan(&row))
			rows = append(rows, row)
		}
		check(t, found.Err())
		return rows
	}
	database := func(name string, migrate func(db *sql.DB) error) *sql.DB {
		db, err := sql.Open("sqlite", filepath.Join(t.TempDir(), name))
		check(t, err)
		t.Cleanup(func() { check(t, db.Close()) })
		check(t, migrate(db))
		return db
	}
	migrated := database("migrated", func(db *sql.DB) error { return migrations.UpgradeSQLite(t.Context(), db) })
	created := database("created", func(db *sql.DB) error {
		for range 2 { // the second time there is nothing to do
			if err := migrations.SQLite(t.Context(), db); err != nil {
				return err
			}
		}
		return nil
	})
	if diff := cmp.Diff(content(migrated), content(created)); diff != "" {
		t.Errorf("schema.gen.sql is stale: run 'make gen' (-migrated +created):\n%s", diff)
	}
}
