package pgtest_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/store/pgtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestPostgreSQL finds neither tables nor rows of the test before. `make test` runs it by name to say whether
// tests on PostgreSQL were skipped.
func TestPostgreSQL(t *testing.T) {
	for range 2 {
		t.Run("NewDatabase", func(t *testing.T) {
			execute(t, pgtest.NewDatabase(t), "CREATE TABLE numbers (n BIGINT PRIMARY KEY)")
		})
		t.Run("Database", func(t *testing.T) {
			execute(t, pgtest.Database(t), `CREATE TABLE IF NOT EXISTS numbers (n BIGINT PRIMARY KEY);
				CREATE TABLE IF NOT EXISTS squares (n BIGINT PRIMARY KEY REFERENCES numbers);
				INSERT INTO numbers VALUES (1); INSERT INTO squares VALUES (1)`)
		})
		t.Run("Database with another table", func(t *testing.T) {
			execute(t, pgtest.Database(t), "CREATE TABLE IF NOT EXISTS cubes (n BIGINT PRIMARY KEY); INSERT INTO cubes VALUES (1)")
		})
	}
}

// TestApart has two databases at once: neither sees what is in the other.
func TestApart(t *testing.T) {
	for range 2 {
		execute(t, pgtest.NewDatabase(t), "CREATE TABLE numbers (n BIGINT)")
	}
}

// execute leaves its connection open.
func execute(t *testing.T, database, statements string) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), statements); err != nil {
		t.Fatal(err)
	}
}
