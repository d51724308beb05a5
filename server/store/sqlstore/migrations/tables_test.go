package migrations_test

import (
	"database/sql"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// TestTables compares what is read from the migrations with what they make.
func TestTables(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	check(t, open(t, "sqlite:"+path).Close())
	db, err := sql.Open("sqlite", path)
	check(t, err)
	defer db.Close()
	rows, err := db.QueryContext(t.Context(), `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'goose_db_version'`)
	check(t, err)
	defer rows.Close()
	var made []string
	for rows.Next() {
		name := ""
		check(t, rows.Scan(&name))
		made = append(made, name)
	}
	check(t, rows.Err())
	slices.Sort(made)
	if diff := cmp.Diff(made, migrations.Tables()); diff != "" {
		t.Error(diff)
	}
}
