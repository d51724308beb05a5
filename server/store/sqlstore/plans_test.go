package sqlstore

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// TestQueryPlans asserts that every query that may meet many rows walks along its index, within all the
// bounds that the index can take: no scan, no sort. It looks at a schema just made and at one read from a
// file, for SQLite may rank their indexes differently.
func TestQueryPlans(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	check(t, openTest(t, dsn).Close())
	for _, s := range []*Store{openTest(t, "sqlite::memory:"), openTest(t, dsn)} {
		for bits := range 8 {
			page := store.Page{Limit: 10, Ascending: bits&1 != 0, IncludeArchived: bits&2 != 0}
			var cursor *place
			if bits&4 != 0 {
				cursor = &place{int64(cursorAt), "x"}
			}
			walk := walk{s, cursor, page}
			walk.along(t, "agents", agentRows().selection, filterFor("acc"))
			walk.along(t, "environments", environmentRows().selection, filterFor("acc"))
			if page.IncludeArchived { // files have no archive
				walk.along(t, "files", fileRows().selection, filesFor("acc", store.FileFilter{Name: "x", Purpose: "x"}))
			}
			walk.along(t, "vaults", vaultRows().selection, filterFor("acc"))
			walk.along(t, "vault_credentials", credentialRows().selection, credentialsOf("acc", "vault_x"))
			walk.along(t, "memory_stores", memoryStoreRows().selection, filterFor("acc"))
			for i, only := range filters() {
				walk.page.Limit = []int{1, 20, 100}[i%3]
				walk.along(t, "sessions", sessionRows().selection, sessionsFor("acc", only))
			}
			walk.alongMemories(t)
			walk.alongVersions(t)
			walk.alongEvents(t)
		}
		plan(t, s, countBusy(10), []any{"acc"},
			"CO-ROUTINE busy", "SEARCH sessions USING INDEX sessions_busy (account_id=?)", "SCAN busy")
		plan(t, s, engine.SelectBusy, nil, "SCAN sessions USING INDEX sessions_busy")
		log := "PRIMARY KEY (account_id=? AND session_id=?"
		plan(t, s, selectLastEvent, []any{"acc", "sess_x"}, "SEARCH events USING "+log+")")
		plan(t, s, selectLastPosition, []any{"acc", "sess_x"},
			"SEARCH s USING INDEX sqlite_autoindex_sessions_1 (account_id=? AND id=?)", "CORRELATED SCALAR SUBQUERY 1", "SEARCH e USING "+log+")")
		plan(t, s, selectMemos, []any{"acc", "sess_x", 1, 10}, "SEARCH event_memos USING INDEX sqlite_autoindex_event_memos_1 (account_id=? AND session_id=? AND position>?)")
		plan(t, s, selectPosition, []any{"acc", "sess_x", "evt_x"},
			"SEARCH events USING COVERING INDEX events_ids (account_id=? AND session_id=? AND id=?)")
		plan(t, s, deleteSomeEvents, []any{"acc", "sess_x", 1},
			"LIST SUBQUERY 1", "SEARCH events USING "+log+")", "SEARCH events USING "+log+" AND position=?)")
		plan(t, s, selectUses, []any{"acc", "env_x"},
			"SEARCH sessions USING INDEX sessions_by_environment (account_id=? AND environment_id=?)")
		plan(t, s, selectFileUses, []any{"acc", "file_x"},
			"SEARCH f USING COVERING INDEX session_files_by_file (account_id=? AND file_id=?)",
			"SEARCH s USING INDEX sqlite_autoindex_sessions_1 (account_id=? AND id=?)")
		plan(t, s, selectOverdue, []any{1, 1, 1, 10}, append(slices.Repeat([]string{
			"CORRELATED SCALAR SUBQUERY 1", "SEARCH w USING INDEX work_items_leased (account_id=? AND environment_id=? AND free_at>?)",
			"CORRELATED SCALAR SUBQUERY 2", "SEARCH p USING INDEX sqlite_autoindex_work_pollers_1 (account_id=? AND environment_id=?)",
		}, 2), "SEARCH s USING INDEX sessions_waiting (updated_at<?)")...)
		plan(t, s, selectFileBytes, []any{"acc"}, "SEARCH files USING COVERING INDEX files_sizes (account_id=? AND deleted_at=?)")
		plan(t, s, selectExpiredFiles, []any{1, 2}, "SEARCH files USING INDEX files_expiring (expires_at>? AND expires_at<?)")
		plan(t, s, selectDeletedBlobs, []any{1}, "SEARCH files USING INDEX files_deleted (deleted_at>?)")
		plan(t, s, selectBlob, []any{"x"}, "SEARCH files USING COVERING INDEX files_blobs (blob=?)")
		plan(t, s, forgetBlob, []any{"x"}, "SEARCH files USING INDEX files_blobs (blob=?)")
		inVault := "SEARCH vault_credentials USING INDEX vault_credentials_all (account_id=? AND vault_id=?)"
		plan(t, s, selectCredentialIDs, []any{"acc", "vault_x"}, inVault)
		plan(t, s, selectSealed, []any{"1", 10}, "SCAN vault_credentials USING INDEX vault_credentials_by_key")
		plan(t, s, selectTarget, []any{"acc", "vault_x", "x"},
			"SEARCH r USING INDEX vault_credentials_active (account_id=? AND vault_id=?)", "SEARCH v USING INDEX sqlite_autoindex_vaults_1 (account_id=? AND id=?)")
		plan(t, s, selectKeyBytes, []any{"acc"},
			"SEARCH idempotency_keys USING COVERING INDEX idempotency_keys_by_resource (account_id=?)")
		plan(t, s, eraseSomeResponses, []any{"acc", "sess_x", 1},
			"LIST SUBQUERY 1",
			"SEARCH idempotency_keys USING COVERING INDEX sqlite_autoindex_idempotency_keys_1 (account_id=? AND key=?)",
			"SEARCH idempotency_keys USING INDEX idempotency_keys_by_resource (account_id=? AND resource_id=?)")
		plan(t, s, deleteOldKeys(""), []any{1, 2},
			"LIST SUBQUERY 2",
			"SEARCH idempotency_keys USING COVERING INDEX sqlite_autoindex_idempotency_keys_1 (account_id=? AND key=?)",
			"SEARCH idempotency_keys USING INDEX idempotency_keys_by_age (created_at<?)")
		plan(t, s, selectLapsed, []any{"acc", "env_x", 1},
			"SEARCH work_items USING INDEX work_items_leased (account_id=? AND environment_id=? AND free_at<?)")
		plan(t, s, selectDeliverable, []any{"acc", "env_x", 1, 1},
			"SEARCH r USING INDEX work_items_queued (account_id=? AND environment_id=?)", "CORRELATED SCALAR SUBQUERY 1",
			"SEARCH o USING INDEX work_items_by_session (account_id=? AND session_id=?)")
		plan(t, s, selectDelivery, []any{"hash"}, "MULTI-INDEX OR", "INDEX 1", "SEARCH work_items USING INDEX work_items_by_token (token_hash=?)",
			"INDEX 2", "SEARCH work_items USING INDEX work_items_by_last_token (last_token_hash=?)")
		for _, statement := range eraseStatements() {
			got := steps(t, s, statement, "acc", "sess_x")
			if len(got) != 1 || !strings.HasPrefix(got[0], "SEARCH ") || !strings.Contains(got[0], "session_id=?") {
				t.Errorf("%s: the table needs an index that begins with the account and the session, not %q", statement, got)
			}
		}
	}
}

// cursorAt is when the row at the cursor was created, in microseconds.
const cursorAt = 1000

// filters returns all ways to combine what a filter can ask for; bounds lie on either side of the cursor.
func filters() (all []store.SessionFilter) {
	early, late := time.UnixMicro(cursorAt/2), time.UnixMicro(cursorAt*2)
	for _, from := range []*time.Time{nil, &early, &late} {
		for _, to := range []*time.Time{nil, &early, &late} {
			for _, agent := range []string{"", "agent_x"} {
				all = append(all,
					store.SessionFilter{AgentID: agent, CreatedFrom: from, CreatedTo: to},
					store.SessionFilter{
						AgentID: agent, CreatedAfter: from, CreatedBefore: to,
						Statuses: []store.Status{store.StatusIdle, store.StatusCancelled},
					})
			}
		}
	}
	return all
}

// walk is a page to read; to read it backward is to read one in the other order.
type walk struct {
	s      *Store
	cursor *place
	page   store.Page
}

// along asserts the plan for a page of the rows that pass f, ordered by age.
func (w walk) along(t *testing.T, table, selection string, f *filter) {
	t.Helper()
	index, bounds := table+"_all", "account_id=?"
	if !w.page.IncludeArchived {
		index = table + "_active"
		f.and("r.archived_at IS NULL")
	}
	if slices.ContainsFunc(f.conditions, func(c string) bool { return strings.HasPrefix(c, "r.agent_id = ") }) {
		index, bounds = "sessions_by_agent", "account_id=? AND agent_id=?"
	}
	if table == "vault_credentials" {
		bounds += " AND vault_id=?"
	}
	switch {
	case w.cursor != nil && w.page.Ascending && (f.from == nil || *f.from <= cursorAt):
		bounds += " AND (created_at,id)>(?,?)"
	case f.from != nil:
		bounds += " AND created_at>?"
	}
	switch {
	case w.cursor != nil && !w.page.Ascending && (f.until == nil || *f.until > cursorAt):
		bounds += " AND (created_at,id)<(?,?)"
	case f.until != nil:
		bounds += " AND created_at<?"
	}
	want := []string{"SEARCH r USING INDEX " + index + " (" + bounds + ")"}
	if table == "agents" { // one row of the other table for each, by its primary key
		want = append(want, "SEARCH v USING INDEX sqlite_autoindex_agent_versions_1 (account_id=? AND agent_id=? AND version=?)")
	}
	query := pageQuery(selection, f, byAge, w.cursor, w.page)
	plan(t, w.s, query, f.args, want...)
}

// alongVersions asserts the plan for a page of an agent's versions.
func (w walk) alongVersions(t *testing.T) {
	t.Helper()
	f, bounds, cursor := versionsOf("acc", "agent_x"), "account_id=? AND agent_id=?", w.cursor
	if cursor != nil {
		cursor = &place{int64(7)}
		if w.page.Ascending {
			bounds += " AND version>?"
		} else {
			bounds += " AND version<?"
		}
	}
	query := pageQuery(selectAgents, f, byVersion, cursor, w.page)
	plan(t, w.s, query, f.args,
		"SEARCH r USING INDEX sqlite_autoindex_agents_1 (account_id=? AND id=?)",
		"SEARCH v USING INDEX sqlite_autoindex_agent_versions_1 ("+bounds+")")
}

// alongEvents asserts the plan for a page of a session's events.
func (w walk) alongEvents(t *testing.T) {
	t.Helper()
	f, bounds, cursor := eventsFor("acc", "sess_x", store.EventFilter{Types: []string{"a", "b"}, CreatedFrom: new(time.UnixMicro(1))}), "account_id=? AND session_id=?", w.cursor
	if cursor != nil {
		cursor = &place{int64(7)}
		if w.page.Ascending {
			bounds += " AND position>?"
		} else {
			bounds += " AND position<?"
		}
	}
	query := pageQuery(eventRows().selection, f, byPosition, cursor, w.page)
	plan(t, w.s, query, f.args, "SEARCH r USING PRIMARY KEY ("+bounds+")")
}

// plan asserts that SQLite's plan for a query has these steps, in whatever order: tables that give one
// row may come first or last.
func plan(t *testing.T, s *Store, query string, args []any, want ...string) {
	t.Helper()
	got := steps(t, s, query, args...)
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", query, diff)
	}
}

// steps returns the steps of SQLite's plan for a statement.
func steps(t *testing.T, s *Store, statement string, args ...any) []string {
	t.Helper()
	list, err := all(t.Context(), s, func(row engine.Scanner) (step string, err error) {
		var ignored any
		return step, row.Scan(&ignored, &ignored, &ignored, &step)
	}, "EXPLAIN QUERY PLAN "+statement, args...)
	check(t, err)
	return list
}

// alongMemories asserts the plans for pages of the memories of a store and of their versions, ordered by age.
func (w walk) alongMemories(t *testing.T) {
	t.Helper()
	bounds := ""
	if w.cursor != nil {
		bounds = " AND (created_at,id)<(?,?)"
		if w.page.Ascending {
			bounds = " AND (created_at,id)>(?,?)"
		}
	}
	f := memoriesOf("acc", "memstore_x", store.MemoryFilter{Prefix: "a/"})
	plan(t, w.s, pageQuery(memoryRows(true).selection, f, byAge, w.cursor, w.page), f.args,
		"SEARCH r USING INDEX memories_by_age (account_id=? AND store_id=?"+bounds+")",
		"SEARCH v USING INDEX sqlite_autoindex_memory_versions_1 (account_id=? AND id=?)")
	f = versionsIn("acc", "memstore_x", store.MemoryVersionFilter{Operation: store.MemoryDeleted})
	plan(t, w.s, pageQuery(memoryVersionRows(false).selection, f, byAge, w.cursor, w.page), f.args,
		"SEARCH r USING INDEX memory_versions_by_age (account_id=? AND store_id=?"+bounds+")")
	f = memoriesOf("acc", "memstore_x", store.MemoryFilter{})
	f.and("r.path = " + f.bind("a"))
	plan(t, w.s, "SELECT r.id FROM memories r"+f.where(), f.args, "SEARCH r USING INDEX memories_by_path (account_id=? AND store_id=? AND path=?)")
	plan(t, w.s, "DELETE"+oldVersions, []any{"acc", "mem_x", 1}, "SEARCH memory_versions USING COVERING INDEX memory_versions_by_memory (account_id=? AND memory_id=? AND number<?)")
	plan(t, w.s, deleteSomeMemories, []any{"acc", "memstore_x", 1},
		"LIST SUBQUERY 1", "SEARCH memories USING COVERING INDEX sqlite_autoindex_memories_1 (account_id=? AND id=?)",
		"SEARCH memories USING INDEX memories_by_store (account_id=? AND store_id=?)")
	plan(t, w.s, deleteSomeVersions, []any{"acc", "memstore_x", 1},
		"LIST SUBQUERY 1", "SEARCH memory_versions USING COVERING INDEX memory_versions_by_age (account_id=? AND store_id=?)",
		"SEARCH memory_versions USING COVERING INDEX sqlite_autoindex_memory_versions_1 (account_id=? AND id=?)")
}
