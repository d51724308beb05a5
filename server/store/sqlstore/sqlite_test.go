package sqlstore

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	for _, dsn := range []string{
		"", "test.db", "sqlite", "sqlite:", "sqlite::mem:", "sqlite://host/test.db", "mysql://u:secret@h/db", "SQLITE:x",
	} {
		s, err := Open(t.Context(), dsn, Options{})
		if err == nil {
			t.Errorf("%q is opened", dsn)
			check(t, s.Close())
			continue
		}
		if !strings.Contains(err.Error(), "sqlite:path/to/file.db") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", dsn, err)
		}
	}
}

// TestOpenFails has paths that cannot be a database.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	check(t, os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600))
	for _, path := range []string{dir, text, filepath.Join(text, "test.db")} {
		if s, err := Open(t.Context(), "sqlite:"+path, Options{}); err == nil {
			t.Errorf("%q is opened", path)
			check(t, s.Close())
		}
	}
	if got, err := os.ReadFile(text); err != nil || !strings.HasPrefix(string(got), "not a database") {
		t.Errorf("the file has changed: %v", err)
	}
}

// TestPaths opens a path with all that a URI would give a meaning to, and sees that only its owner can
// read the files, those that exist only while it is open included.
func TestPaths(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "a?b#c%20d e", "f&g=h")
	path := filepath.Join(dir, "test?mode=ro.db")
	for range 2 {
		s := openTest(t, "sqlite:"+path)
		_, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
		check(t, err)
		entries, err := os.ReadDir(dir)
		check(t, err)
		for _, entry := range entries {
			if info, err := entry.Info(); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s: %v, %v", entry.Name(), info.Mode(), err)
			}
			if !strings.HasPrefix(entry.Name(), "test?mode=ro.db") {
				t.Errorf("%s is left over", entry.Name())
			}
		}
		check(t, s.Close())
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v, %v", info.Mode(), err)
	}
}

// TestReadersDoNotWait reads while a transaction is under way, and sees nothing of it.
func TestReadersDoNotWait(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite:"+filepath.Join(t.TempDir(), "test.db"))
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: []byte("{}")})
		check(t, err)
		list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
		check(t, err)
		if len(list.Items) != 0 {
			t.Error("a row is seen before it is committed")
		}
		return nil
	}))
}

// TestReadThenWrite has two stores, as two processes, read and then write in the same transaction, with
// nothing to make the other wait but the beginning of that transaction.
func TestReadThenWrite(t *testing.T) {
	t.Parallel()
	const writers, rounds = 4, 10
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	stores := []*Store{openTest(t, dsn), openTest(t, dsn)}
	environment := store.Environment{EnvironmentSpec: store.EnvironmentSpec{Config: []byte("{}")}, ID: "env_x"}
	_, err := stores[0].SeedEnvironment(t.Context(), "acc", environment)
	check(t, err)
	var all sync.WaitGroup
	for i := range writers {
		s := stores[i%len(stores)]
		all.Go(func() {
			for range rounds {
				err := s.Atomically(t.Context(), func(ctx context.Context) error {
					e, err := s.GetEnvironment(ctx, "acc", "env_x")
					if err != nil {
						return err
					}
					_, err = s.exec(ctx, `UPDATE environments SET name = $1`, e.Name+"x")
					return err
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	e, err := stores[1].GetEnvironment(t.Context(), "acc", "env_x")
	check(t, err)
	if len(e.Name) != writers*rounds {
		t.Errorf("want %d updates, got %d", writers*rounds, len(e.Name))
	}
}

// TestInterruptedMemory ends contexts in the midst of statements: the database must survive, and its
// only connection must not stay in a transaction.
func TestInterruptedMemory(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	_, err := s.SeedEnvironment(t.Context(), "acc",
		store.Environment{EnvironmentSpec: store.EnvironmentSpec{Config: []byte("{}")}, ID: "env_x"})
	check(t, err)
	const slow = `WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000000)
		INSERT INTO tokens (account_id, id, name, hash, created_at) SELECT '', i, '', i, i FROM n`
	for range 20 {
		err := s.Atomically(t.Context(), func(outer context.Context) error {
			ctx, cancel := context.WithCancel(outer)
			var canceller sync.WaitGroup
			canceller.Go(cancel)
			err := s.Atomically(ctx, func(ctx context.Context) error {
				_, err := s.exec(ctx, slow)
				return err
			})
			canceller.Wait()
			if err != context.Canceled {
				t.Errorf("want the context's error, got %v", err)
			}
			// Whether the transaction is lost depends on when the statement ended.
			_, _ = s.CreateEnvironment(outer, "acc", store.EnvironmentSpec{Config: []byte("{}")})
			return err
		})
		if err != context.Canceled {
			t.Errorf("want the context's error, got %v", err)
		}
	}
	list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 9})
	check(t, err)
	tokens, err := s.ListTokens(t.Context(), "")
	check(t, err)
	if len(list.Items) != 1 || len(tokens) != 0 {
		t.Errorf("want the one environment that was committed, got %d, and %d tokens", len(list.Items), len(tokens))
	}
}

// TestRevocationsOfOthers has two stores, as two processes: a revocation of one is seen by the other at once.
func TestRevocationsOfOthers(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	first, second := openTest(t, dsn), openTest(t, dsn)
	for i, at := range []*Store{first, second, first} {
		token, err := at.CreateToken(t.Context(), store.NewToken{Account: "acc", Hash: string(rune('a' + i))})
		check(t, err)
		before := [2]int64{first.Revocations(), second.Revocations()}
		if again := [2]int64{first.Revocations(), second.Revocations()}; again != before {
			t.Errorf("%d, then %d without a revocation", before, again)
		}
		_, err = at.RevokeToken(t.Context(), token.ID)
		check(t, err)
		if first.Revocations() == before[0] || second.Revocations() == before[1] {
			t.Errorf("revocation %d is not seen: %d, %d", i, first.Revocations(), second.Revocations())
		}
	}
}

// TestNewerSchema opens a database that a later program has migrated.
func TestNewerSchema(t *testing.T) {
	t.Parallel()
	dsn := "sqlite:" + filepath.Join(t.TempDir(), "test.db")
	s := openTest(t, dsn)
	set(t, s, `INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)`)
	check(t, s.Close())
	if _, err := Open(t.Context(), dsn, Options{}); err == nil || !strings.Contains(err.Error(), "version 9999") {
		t.Errorf("want a complaint about version 9999, got %v", err)
	}
}

// TestCloseWhileWriting closes the store while writers come and go: each is either stored or refused.
func TestCloseWhileWriting(t *testing.T) {
	t.Parallel()
	for name, dsn := range map[string]string{"file": "sqlite:" + filepath.Join(t.TempDir(), "test.db"), "memory": "sqlite::memory:"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openTest(t, dsn)
			var all sync.WaitGroup
			started := make(chan struct{}, 8)
			for range 8 {
				all.Go(func() {
					for i := 0; ; i++ {
						_, err := s.CreateEnvironment(context.Background(), "acc", store.EnvironmentSpec{Config: []byte("{}")})
						if i == 0 {
							started <- struct{}{}
						}
						if errors.Is(err, errClosed) {
							return
						}
						if err != nil {
							t.Error(err)
							return
						}
					}
				})
			}
			for range 8 {
				<-started
			}
			check(t, s.Close())
			all.Wait()
		})
	}
}

// TestScanRefuses has columns that do not fit.
func TestScanRefuses(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	for query, dest := range map[string]any{"SELECT 'b'": timeTo{}, "SELECT 3": fromJSON{}} {
		_, err := one(t.Context(), s, func(row engine.Scanner) (none struct{}, err error) { return none, row.Scan(dest) }, query)
		if err == nil {
			t.Errorf("%s fits %T", query, dest)
		}
	}
}
