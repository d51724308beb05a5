package sqlstore_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
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

func benchmarkSessions(b *testing.B, s *sqlstore.Store, run func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec)) {
	agent, err := s.CreateAgent(b.Context(), "acc", store.AgentSpec{Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]")})
	if err != nil {
		b.Fatal(err)
	}
	environment, err := s.CreateEnvironment(b.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
	if err != nil {
		b.Fatal(err)
	}
	run(b, s, store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
}

// engines are the ways to run statements that benchmarks compare: the database's own, and one that leaves
// everything to database/sql.
func engines(b *testing.B, dsn func(b *testing.B) string, run func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec)) {
	b.Run("engine=own", func(b *testing.B) { benchmarkSessions(b, mustOpen(b, dsn(b), sqlstore.Options{}), run) })
	b.Run("engine=plain", func(b *testing.B) { benchmarkSessions(b, openPlain(b, dsn(b), sqlstore.Options{}), run) })
}

// durable are the databases that keep what they are given.
func durable(b *testing.B, run func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec)) {
	b.Run("db=sqlite", func(b *testing.B) { engines(b, func(b *testing.B) string { return fileDSN(b) }, run) })
	b.Run("db=postgres", func(b *testing.B) { engines(b, func(b *testing.B) string { return pgtest.Database(b) }, run) })
}

func BenchmarkCreateSession(b *testing.B) {
	for _, callers := range []int{1, 8, 32} {
		b.Run(fmt.Sprintf("callers=%d", callers), func(b *testing.B) {
			durable(b, func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
				b.ReportAllocs()
				b.ResetTimer()
				var left atomic.Int64
				left.Store(int64(b.N))
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := s.CreateSession(b.Context(), "acc", spec); err != nil {
								b.Error(err)
								return
							}
						}
					})
				}
				all.Wait()
			})
		})
	}
}

// BenchmarkCreateSessionMemory has no disk to wait for.
func BenchmarkCreateSessionMemory(b *testing.B) {
	engines(b, func(*testing.B) string { return "sqlite::memory:" }, func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.CreateSession(b.Context(), "acc", spec); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkGetSession(b *testing.B) {
	durable(b, func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
		v, err := s.CreateSession(b.Context(), "acc", spec)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.GetSession(b.Context(), "acc", v.ID); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkListSessions reads a page of 20 out of the middle of 2000 sessions.
func BenchmarkListSessions(b *testing.B) {
	durable(b, func(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
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
		b.ReportAllocs()
		for b.Loop() {
			if _, err := s.ListSessions(b.Context(), "acc", store.SessionFilter{}, store.Page{Limit: 20, Cursor: middle}); err != nil {
				b.Fatal(err)
			}
		}
	})
}
