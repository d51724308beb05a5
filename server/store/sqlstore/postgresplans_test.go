package sqlstore

import (
	"context"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// TestPostgresPlans asserts, on tables of some size, that every query that may meet many rows walks along an
// index: it neither scans nor sorts.
func TestPostgresPlans(t *testing.T) {
	t.Parallel()
	url := pgtest.NewDatabase(t) // whose rows are not worth deleting
	s := openTest(t, url)
	_, err := onPostgres(t, url).Exec(t.Context(), ManyRows+`ANALYZE`)
	check(t, err)
	for bits := range 8 {
		page := store.Page{Limit: 20, Ascending: bits&1 != 0, IncludeArchived: bits&2 != 0}
		var byAgeCursor, positionCursor *place
		if bits&4 != 0 {
			byAgeCursor, positionCursor = &place{int64(cursorAt), "sess_10000"}, &place{int64(10000)}
		}
		for _, only := range filters() {
			f := sessionsFor("acc_7", only)
			if f.from != nil && f.until != nil && *f.from > *f.until {
				continue // nothing to find
			}
			if !page.IncludeArchived {
				f.and("r.archived_at IS NULL")
			}
			walksPostgres(t, s, pageQuery(sessionRows().selection, f, byAge, byAgeCursor, page), f.args)
		}
		for _, only := range []store.EventFilter{{}, {AfterPosition: 15000}, {Types: []string{"user.message", "agent.message"}}} {
			f := eventsFor("acc_7", "sess_00007", only)
			walksPostgres(t, s, pageQuery(eventRows().selection, f, byPosition, positionCursor, page), f.args)
		}
	}
	walksPostgres(t, s, countBusy(10), []any{"acc_7"})
	walksPostgres(t, s, selectUses, []any{"acc_7", "env_unused"})
	walksPostgres(t, s, `SELECT id FROM sessions WHERE account_id = $1 AND id = $2 FOR UPDATE`, []any{"acc_7", "sess_00007"})
	// Which keys are old is read along the index, in order, until there are enough.
	walksPostgres(t, s, `SELECT account_id, key FROM idempotency_keys WHERE created_at <= $1 ORDER BY created_at LIMIT $2`, []any{1500, sweepStep})
}

// ManyRows makes 20,000 sessions of 10 accounts, half of them archived, and as many events, keys, files, work items and
// memories. Foreign keys are not checked, which would take half of the time.
const ManyRows = `
	SET session_replication_role = replica;
	INSERT INTO agents (account_id, id, version, created_at, updated_at) SELECT 'acc_' || a, 'agent_x', 1, 1, 1 FROM generate_series(0, 9) AS a;
	INSERT INTO agent_versions (account_id, agent_id, version, name, description, model, system, tools, mcp_servers, skills, default_environment, metadata, created_at)
		SELECT account_id, id, 1, '', '', '', '', '[]', '[]', '[]', '', '{}', 1 FROM agents;
	INSERT INTO environments (account_id, id, name, description, config, metadata, created_at, updated_at)
		SELECT account_id, 'env_x', '', '', '{}', '{}', 1, 1 FROM agents;
	INSERT INTO sessions (account_id, id, agent_id, agent_version, environment_id, title, status, metadata, environment_variables,
			delta_flush_interval, memory_store_ids, vault_ids, resources, created_at, updated_at, archived_at)
		SELECT 'acc_' || n % 10, 'sess_' || lpad(n::text, 5, '0'), 'agent_x', 1, 'env_x', 'x', CASE n % 3 WHEN 0 THEN 'cancelled' ELSE 'idle' END,
			'{}', '{}', 0, '[]', '[]', '[]', n / 7, 1, CASE n % 20 / 10 WHEN 0 THEN 1 END
		FROM generate_series(0, 19999) AS n;
	INSERT INTO events (account_id, session_id, position, id, turn_id, type, payload, created_at)
		SELECT 'acc_7', 'sess_00007', n + 1, 'evt_' || lpad(n::text, 5, '0'), 'turn_x', 'agent.message', '{}', n FROM generate_series(0, 19999) AS n;
	INSERT INTO idempotency_keys (account_id, key, fingerprint, created_at) SELECT 'acc_7', n::text, '', n FROM generate_series(0, 19999) AS n;
	INSERT INTO files (account_id, id, name, media_type, size, sha256, purpose, metadata, blob, created_at, updated_at)
		SELECT 'acc_7', 'file_' || n, '', '', n, '', '', '{}', n::text, n, n FROM generate_series(0, 19999) AS n;
	INSERT INTO work_items (account_id, id, environment_id, session_id, state, metadata, created_at, queued_at)
		SELECT 'acc_7', 'work_' || n, 'env_x', 'sess_' || n, 'stopped', '{}', n, n FROM generate_series(0, 19999) AS n;
	INSERT INTO memory_stores (account_id, id, name, description, metadata, created_at, updated_at) VALUES ('acc_7', 'memstore_x', '', '', '{}', 1, 1);
	INSERT INTO memories (account_id, id, store_id, path, version, version_id, created_at, updated_at)
		SELECT 'acc_7', 'mem_' || n, 'memstore_x', n::text, 1, 'memver_' || n, n, n FROM generate_series(0, 19999) AS n;
	INSERT INTO memory_versions (account_id, id, store_id, memory_id, operation, number, path, content, metadata, size, sha256, written_in, written_with, occupied, created_at)
		SELECT account_id, version_id, store_id, id, 'created', 1, path, '', '{}', 0, '', '', '', 0, created_at FROM memories;
	RESET session_replication_role;
`

func walksPostgres(t *testing.T, s *Store, query string, args []any) {
	t.Helper()
	var steps []string
	check(t, s.Atomically(t.Context(), func(ctx context.Context) (err error) {
		steps, err = all(ctx, s, func(row engine.Scanner) (step string, err error) { return step, row.Scan(&step) }, "EXPLAIN (COSTS OFF) "+query, args...)
		return err
	}))
	plan := strings.Join(steps, "\n")
	for _, bad := range []string{"Sort", "Seq Scan on sessions", "Seq Scan on events", "Seq Scan on idempotency_keys", "Bitmap"} {
		if strings.Contains(plan, bad) {
			t.Errorf("%s\n%v\n%s", query, args, plan)
			return
		}
	}
}
