package server_test

import (
	"bytes"
	"context"
	"database/sql"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// secret is what the deleted session's messages hold.
const secret = "SECRETBODY123"

// TestTheServerSweeps starts a server on a database with expired keys and what is left of a deleted session, of which no
// trace stays in the files.
func TestTheServerSweeps(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	fillForSweep(t, path)
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	count := func() (n int) {
		t.Helper()
		err := db.QueryRowContext(t.Context(), `SELECT (SELECT count(*) FROM events) + (SELECT count(*) FROM idempotency_keys)`).Scan(&n)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	if count() == 0 {
		t.Fatal("there is nothing to sweep")
	}
	_, stop, done := running(t, server.Config{DB: "sqlite:" + path})
	eventually(t, "no row is left", func() bool { return count() == 0 })
	traces := func() (n int) {
		t.Helper()
		for _, file := range []string{path, path + "-wal"} {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			n += bytes.Count(data, []byte(secret))
		}
		return n
	}
	eventually(t, "no trace is left of what was deleted", func() bool { return traces() == 0 })
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func fillForSweep(t *testing.T, path string) {
	t.Helper()
	db, err := sqlstore.Open(t.Context(), "sqlite:"+path, sqlstore.Options{Now: func() time.Time { return time.Now().Add(-2 * store.KeyLifetime) }})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Atomically(t.Context(), func(ctx context.Context) error {
		key := store.Key{Account: "acc", Value: "k", Fingerprint: "f"}
		if _, err := db.ClaimKey(ctx, key); err != nil {
			return err
		}
		if err := db.RecordResponse(ctx, key, store.RecordedResponse{Status: 201}); err != nil {
			return err
		}
		agent, err := db.CreateAgent(ctx, "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
		if err != nil {
			return err
		}
		environment, err := db.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
		if err != nil {
			return err
		}
		v, err := db.CreateSession(ctx, "acc", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
		if err != nil {
			return err
		}
		_, _, err = db.AppendEvents(ctx, "acc", v.ID, func(*store.Session) ([]store.NewEvent, error) {
			// More than go with the session at once, and than one batch.
			return slices.Repeat([]store.NewEvent{{Type: "user.message", Payload: []byte(`{"text":"` + secret + `"}`)}}, 500), nil
		})
		if err != nil {
			return err
		}
		return db.DeleteSession(ctx, "acc", v.ID, func(store.Session) error { return nil })
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
