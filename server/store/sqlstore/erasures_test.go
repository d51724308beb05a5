package sqlstore

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// The columns of all tables of the store: table, name, type, whether it must have a value and has no default.
const (
	sqliteColumns = `SELECT t.name, c.name, lower(c.type), c."notnull" = 1 AND c.dflt_value IS NULL
		FROM sqlite_master t, pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'`
	postgresColumns = `SELECT table_name, column_name, data_type, CASE WHEN is_nullable = 'NO' AND column_default IS NULL THEN 1 ELSE 0 END
		FROM information_schema.columns WHERE table_schema = 'public'`
)

// sqliteReferences are the columns that refer to sessions by a foreign key, whatever their names.
const sqliteReferences = `SELECT t.name, f."from" FROM sqlite_master t, pragma_foreign_key_list(t.name) f
	WHERE t.type = 'table' AND f."table" = 'sessions' AND f."to" = 'id'`

// TestEveryTableIsErased puts a row of two sessions into every table that refers to sessions, as the schema says, deletes
// one session and looks for what is left of it. A new table with the columns account_id and session_id is erased without more
// code; one that refers to sessions in another way fails here until DeleteSession or SweepEvents erases it.
func TestEveryTableIsErased(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		dsn     func(t *testing.T) string
		columns string
	}{
		"SQLite":     {func(*testing.T) string { return "sqlite::memory:" }, sqliteColumns},
		"PostgreSQL": {pgDatabase, postgresColumns},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := openTest(t, c.dsn(t))
			tables := sessionTables(t, s, c.columns)
			for _, known := range []string{"events", "erasures"} {
				if tables[known] == nil {
					t.Fatalf("the schema has no %s, or its column that names the session is not found: %v", known, tables)
				}
			}
			gone, kept := beginTurn(t, s, "acc", store.StatusIdle).Session, beginTurn(t, s, "acc", store.StatusIdle).Session
			for table, columns := range tables {
				for _, session := range []store.SessionRef{gone, kept} {
					fill(t, s, table, columns, session)
				}
			}
			check(t, s.DeleteSession(t.Context(), "acc", gone.ID, func(store.Session) error { return nil }))
			if _, err := s.SweepEvents(t.Context(), 1000); err != nil {
				t.Fatal(err)
			}
			for table, columns := range tables {
				column := columns[slices.IndexFunc(columns, func(c schemaColumn) bool { return c.session })].name
				count := func(session string) int {
					n, err := one(t.Context(), s, func(row engine.Scanner) (n int, err error) { return n, row.Scan(&n) },
						`SELECT count(*) FROM `+table+` WHERE `+column+` = $1`, session)
					check(t, err)
					return n
				}
				if n := count(gone.ID); n != 0 {
					t.Errorf("%s has %d rows of a deleted session: name its columns account_id and session_id, or erase them in erase or sweepLog (erasures.go)", table, n)
				}
				// The other session's rows stay, except the order to erase its log, which SweepEvents has carried out.
				if n := count(kept.ID); n != 1 && !slices.Contains([]string{"events", "event_memos", "erasures"}, table) {
					t.Errorf("%s has %d rows of the other session", table, n)
				}
			}
		})
	}
}

func pgDatabase(t *testing.T) string { return pgtest.Database(t) }

// schemaColumn is a column of a table that refers to sessions.
type schemaColumn struct {
	name, kind string
	required   bool
	session    bool // it holds a session's id
}

// sessionTables returns the tables that refer to sessions: by a foreign key, or by a column whose name says so.
func sessionTables(t *testing.T, s *Store, columns string) map[string][]schemaColumn {
	t.Helper()
	references := map[[2]string]bool{}
	if columns == sqliteColumns {
		list, err := all(t.Context(), s, func(row engine.Scanner) (c [2]string, err error) { return c, row.Scan(&c[0], &c[1]) }, sqliteReferences)
		check(t, err)
		for _, c := range list {
			references[c] = true
		}
	}
	tables := map[string][]schemaColumn{}
	check(t, s.query(t.Context(), engine.Query{Text: columns}, func(row engine.Scanner) error {
		var table string
		var c schemaColumn
		var required int
		err := row.Scan(&table, &c.name, &c.kind, &required)
		c.required = required != 0
		c.session = strings.Contains(c.name, "session") || references[[2]string{table, c.name}]
		tables[table] = append(tables[table], c)
		return err
	}))
	for table, columns := range tables {
		if !slices.ContainsFunc(columns, func(c schemaColumn) bool { return c.session }) {
			delete(tables, table)
		}
	}
	return tables
}

// fill inserts a row of a session into a table.
func fill(t *testing.T, s *Store, table string, columns []schemaColumn, session store.SessionRef) {
	t.Helper()
	var names, places []string
	var args []any
	for _, c := range columns {
		var value any
		switch {
		case c.session:
			value = session.ID
		case c.name == "account_id":
			value = session.Account
		case !c.required:
			continue
		case c.kind == "bigint":
			value = int64(1)
		default:
			value = "of " + session.ID
		}
		names, args = append(names, c.name), append(args, value)
		places = append(places, fmt.Sprint("$", len(args)))
	}
	check(t, s.Atomically(t.Context(), func(ctx context.Context) error {
		_, err := s.exec(ctx, `INSERT INTO `+table+` (`+strings.Join(names, ", ")+`) VALUES (`+strings.Join(places, ", ")+`)`, args...)
		return err
	}))
}
