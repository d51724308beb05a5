package sqlstore

import (
	"database/sql"
	"io/fs"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/pressly/goose/v3"

	"github.com/cloud-sessions/sessions/server/store"
)

// TestUpgrade opens a database of the first version: what it holds is there, and has what came later.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	makeFirstVersion(t, path)
	s := openTest(t, "sqlite:"+path)
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
	list, err := s.ListSessions(ctx, "acc", store.SessionFilter{}, store.Page{Limit: 10})
	check(t, err)
	if diff := cmp.Diff([]store.Session{want}, list.Items); diff != "" {
		t.Errorf("sessions (-want +got):\n%s", diff)
	}
	if _, err := s.ListSessions(ctx, "acc", store.SessionFilter{}, store.Page{Limit: 10, Cursor: "sess_deleted"}); err != nil {
		t.Errorf("a deleted session is no cursor any more: %v", err)
	}
	busy, err := s.CountBusySessions(ctx, "acc", 10)
	check(t, err)
	events, err := s.ListEvents(ctx, "acc", "sess_1", store.EventFilter{}, store.Page{Limit: 10})
	check(t, err)
	if busy != 0 || len(events.Items) != 0 {
		t.Errorf("%d busy sessions and %d events in a database that had neither", busy, len(events.Items))
	}

	_, err = s.AppendEvents(ctx, "acc", "sess_1", func(v *store.Session, add func(store.NewEvent) (store.Event, error)) error {
		v.Status, v.Turn = store.StatusProcessing, store.Turn{ID: "turn_1", Lease: 1}
		_, err := add(store.NewEvent{Type: "user.message", TurnID: "turn_1", Payload: []byte("{}")})
		return err
	})
	check(t, err)
	check(t, s.DeleteSession(ctx, "acc", "sess_1", func(store.Session) error { return nil }))
	equalCount(t, s, "events", 0)
}

// makeFirstVersion makes a database as the first version left it.
func makeFirstVersion(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	files, err := fs.Sub(migrations, "migrations")
	check(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	check(t, err)
	_, err = provider.UpTo(t.Context(), 1)
	check(t, err)
	for _, statement := range []string{
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
			('acc', 'sess_deleted', 'agent_1', 1, 'env_1', '', 'idle', '{}', '{}', 0, '[]', '[]', '[]', 0, 1779117975747298, 1779117975747298, 1)`,
	} {
		_, err := db.ExecContext(t.Context(), statement)
		check(t, err)
	}
}
