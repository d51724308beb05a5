package sqlstore_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

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

// BenchmarkDeleteSession deletes sessions with seven events of 600 bytes. "sweep-ns/op" is the part for one session of what
// the sweeper then takes to empty the write-ahead log, in batches of 1,000 deletions. The plain engine neither overwrites
// what is deleted nor empties the log. It has SQLite on a disk and in memory, without a disk to wait for.
func BenchmarkDeleteSession(b *testing.B) {
	for where, dsn := range map[string]func(*testing.B) string{
		"disk": func(b *testing.B) string { return fileDSN(b) }, "memory": func(b *testing.B) string { return shmDSN(b) },
	} {
		b.Run("file="+where, func(b *testing.B) { engines(b, dsn, benchmarkDeletions) })
	}
}

// shmDSN is a file in memory. Where there is no place for such files the benchmark is skipped.
func shmDSN(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "bench")
	if err != nil {
		b.Skip(err)
	}
	b.Cleanup(func() { _ = os.RemoveAll(dir) })
	return "sqlite:" + filepath.Join(dir, "test.db")
}

func benchmarkDeletions(b *testing.B, s *sqlstore.Store, spec store.SessionSpec) {
	events := slices.Repeat([]store.NewEvent{{Type: "user.message", TurnID: "turn_1", Payload: []byte(`{"a":"` + strings.Repeat("a", 592) + `"}`)}}, 7)
	var swept time.Duration
	b.ResetTimer()
	for left := b.N; left > 0; left -= 1000 {
		b.StopTimer()
		ids := make([]string, min(left, 1000))
		for i := range ids {
			session, err := s.CreateSession(b.Context(), "acc", spec)
			if err != nil {
				b.Fatal(err)
			}
			ids[i] = session.ID
			if _, _, err := s.AppendEvents(b.Context(), "acc", session.ID, func(*store.Session) ([]store.NewEvent, error) { return events, nil }); err != nil {
				b.Fatal(err)
			}
		}
		sweep(b, s)
		b.StartTimer()
		for _, id := range ids {
			if err := s.DeleteSession(b.Context(), "acc", id, func(store.Session) error { return nil }); err != nil {
				b.Fatal(err)
			}
		}
		b.StopTimer()
		swept += sweep(b, s)
	}
	b.ReportMetric(float64(swept.Nanoseconds())/float64(b.N), "sweep-ns/op")
}

// sweep empties the log and returns how long that took.
func sweep(b *testing.B, s *sqlstore.Store) time.Duration {
	b.Helper()
	start := time.Now()
	for {
		if n, err := s.SweepSpace(b.Context(), 200); err != nil {
			b.Fatal(err)
		} else if n < 200 {
			return time.Since(start)
		}
	}
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
