package pgengine_test

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// TestAFullFileSystem has a database on a file system of its own, which is full for a while.
func TestAFullFileSystem(t *testing.T) {
	t.Parallel()
	admin := pgtest.NewDatabase(t)
	if os.Getenv(pgtest.ServerVariable) != "" {
		t.Skip("skipped, since the server may be on another machine")
	}
	dir, err := os.MkdirTemp("", "full-")
	check(t, err)
	t.Cleanup(func() { check(t, os.RemoveAll(dir)) })
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size=32m,mode=0777"); err != nil {
		t.Skipf("skipped, since it needs to mount a file system: %v", err)
	}
	t.Cleanup(func() { check(t, syscall.Unmount(dir, 0)) })
	check(t, os.Chmod(dir, 0o777))
	place := filepath.Join(dir, "place")
	check(t, os.Mkdir(place, 0o700))
	check(t, pgserver.GiveAway(place))
	tablespace := "full_" + strings.ToLower(rand.Text())
	check(t, pgserver.Execute(admin, fmt.Sprintf("CREATE TABLESPACE %s LOCATION '%s'", tablespace, place)))
	t.Cleanup(func() { check(t, pgserver.Execute(admin, "DROP TABLESPACE "+tablespace)) })
	database := pgtest.NewDatabase(t)
	check(t, pgserver.Execute(admin, fmt.Sprintf("ALTER DATABASE %s SET TABLESPACE %s", databaseName(t, database), tablespace)))
	s, _ := open(t, database)
	check(t, s.Ping(t.Context()))

	filler, err := os.Create(filepath.Join(dir, "filler"))
	check(t, err)
	defer filler.Close()
	if _, err := io.Copy(filler, rand.Reader); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	written := 0
	for err = nil; err == nil; written++ {
		if err = addLarge(t.Context(), s); written > 1000 {
			t.Fatal("the file system is not full")
		}
	}
	wantUnavailable(t, "write", err)
	wantUnavailable(t, "ready", s.Ping(t.Context()))
	list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
	check(t, err)
	check(t, filler.Truncate(0))
	wantUnavailable(t, "ready, before a write passes", s.Ping(t.Context()))
	check(t, addLarge(t.Context(), s))
	check(t, s.Ping(t.Context()))
	if len(list.Items) != min(written-1, 1) {
		t.Errorf("%d environments of %d are read", len(list.Items), written-1)
	}
}

// addLarge writes 200 KB that nothing compresses to less than the half.
func addLarge(ctx context.Context, s *sqlstore.Store) error {
	random := make([]byte, 100<<10)
	_, _ = rand.Read(random)
	config, err := json.Marshal(map[string]string{"x": hex.EncodeToString(random)})
	if err != nil {
		return err
	}
	_, err = s.CreateEnvironment(ctx, "acc", store.EnvironmentSpec{Config: config})
	return err
}
