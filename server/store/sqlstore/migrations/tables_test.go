package migrations_test

import (
	"database/sql"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// TestFiles reads the migrations: each is executed as a whole, so that annotations of goose, such as one for a way back,
// would have no effect.
func TestFiles(t *testing.T) {
	t.Parallel()
	names, err := filepath.Glob("0*.sql")
	check(t, err)
	for _, name := range names {
		text, err := os.ReadFile(name)
		check(t, err)
		if _, rest, found := strings.Cut(string(text), "-- +goose Up\n"); !found || strings.Contains(rest, "+goose") {
			t.Errorf("%s: the first line is not the only annotation of goose", name)
		}
	}
}

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
