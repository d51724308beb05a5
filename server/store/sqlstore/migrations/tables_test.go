package migrations_test

import (
	"database/sql"
	"maps"
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
	rows, err := db.QueryContext(t.Context(), `SELECT t.name, c.name FROM sqlite_schema t, pragma_table_info(t.name) c
		WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%' AND t.name <> 'goose_db_version' ORDER BY t.name, c.cid`)
	check(t, err)
	defer rows.Close()
	made := map[string][]string{}
	for rows.Next() {
		var table, column string
		check(t, rows.Scan(&table, &column))
		made[table] = append(made[table], column)
	}
	check(t, rows.Err())
	if diff := cmp.Diff(made, migrations.Columns()); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(slices.Sorted(maps.Keys(made)), migrations.Tables()); diff != "" {
		t.Error(diff)
	}
}
