package sqlitetest_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlitetest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// TestDatabase has a database that can be used at once, and that no other test sees.
func TestDatabase(t *testing.T) {
	t.Parallel()
	for range 2 {
		dsn := sqlitetest.Database(t)
		folder := filepath.Dir(strings.TrimPrefix(dsn, "sqlite:"))
		if files, err := os.ReadDir(folder); err != nil || len(files) != 1 {
			t.Errorf("not one file alone: %v, %v", files, err)
		}
		s, err := sqlstore.Open(t.Context(), dsn, sqlstore.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		list, err := s.ListEnvironments(t.Context(), "acc", store.Page{Limit: 1})
		if err != nil || len(list.Items) != 0 {
			t.Errorf("%v, %v", list.Items, err)
		}
		if _, err := s.CreateEnvironment(t.Context(), "acc", store.EnvironmentSpec{Config: []byte("{}")}); err != nil {
			t.Error(err)
		}
	}
}
