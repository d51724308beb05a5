package sqlstore_test

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

func mustOpen(tb testing.TB, dsn string, opts sqlstore.Options) *sqlstore.Store {
	tb.Helper()
	s, err := sqlstore.Open(context.Background(), dsn, opts)
	if err != nil {
		tb.Fatalf("Open(%q): %v", dsn, err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Errorf("Close: %v", err)
		}
	})
	return s
}

func fileDSN(tb testing.TB) string { return "sqlite:" + filepath.Join(tb.TempDir(), "test.db") }

func benchmarkOpen(b *testing.B, dsn string) {
	for b.Loop() {
		s, err := sqlstore.Open(b.Context(), dsn, sqlstore.Options{})
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkOpenMemory makes a database, with its whole schema, each time.
func BenchmarkOpenMemory(b *testing.B) { benchmarkOpen(b, "sqlite::memory:") }

// BenchmarkOpenFile opens a database that is up to date.
func BenchmarkOpenFile(b *testing.B) { benchmarkOpen(b, fileDSN(b)) }

func benchmarkSessions(b *testing.B, dsn string, run func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec)) {
	s := mustOpen(b, dsn, sqlstore.Options{})
	agent, err := s.CreateAgent(b.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), McpServers: []byte("[]"), Skills: []byte("[]")})
	if err != nil {
		b.Fatal(err)
	}
	environment, err := s.CreateEnvironment(b.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	run(b, s, store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
}

func createSessions(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
	for b.Loop() {
		if _, err := s.CreateSession(b.Context(), "acc", spec); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCreateSessionMemory(b *testing.B) {
	benchmarkSessions(b, "sqlite::memory:", createSessions)
}

func BenchmarkCreateSessionFile(b *testing.B) { benchmarkSessions(b, fileDSN(b), createSessions) }

func BenchmarkGetSessionFile(b *testing.B) {
	benchmarkSessions(b, fileDSN(b), func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
		v, err := s.CreateSession(b.Context(), "acc", spec)
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.GetSession(b.Context(), "acc", v.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkListSessionsFile reads a page of 20 out of the middle of 2000 sessions.
func BenchmarkListSessionsFile(b *testing.B) {
	benchmarkSessions(b, fileDSN(b), func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
		var middle string
		err := s.Atomically(b.Context(), func(ctx context.Context) error {
			for i := range 2000 {
				v, err := s.CreateSession(ctx, "acc", spec)
				if err != nil {
					return err
				}
				if i == 1000 {
					middle = v.ID
				}
			}
			return nil
		})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if _, err := s.ListSessions(b.Context(), "acc", store.SessionFilter{}, store.Page{Limit: 20, Cursor: middle}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
