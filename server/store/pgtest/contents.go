package pgtest

import (
	"testing"

	"github.com/jackc/pgx/v5"
)

// Contents returns the rows of every table of a database as PostgreSQL writes them, by the name of the table: bytes are in
// hexadecimal digits.
func Contents(t testing.TB, database string) map[string]string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	check(t, err)
	defer func() { _ = conn.Close(t.Context()) }()
	rows, err := conn.Query(t.Context(), "SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema')")
	check(t, err)
	tables, err := pgx.CollectRows(rows, pgx.RowTo[string])
	check(t, err)
	contents := map[string]string{}
	for _, table := range tables {
		var text string
		err := conn.QueryRow(t.Context(), "SELECT coalesce(string_agg(r::text, E'\\n'), '') FROM "+table+" r").Scan(&text) // regclass quotes the name
		check(t, err)
		contents[table] = text
	}
	return contents
}
