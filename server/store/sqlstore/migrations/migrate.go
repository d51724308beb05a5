// Package migrations brings a database's schema up to date. The files are the same for both databases. It is the only
// package that imports goose.
package migrations

import (
	"context"
	"database/sql"
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

// The files are the migrations, which only go forward and are never changed once released, and the schema that they lead to.
//
//go:embed *.sql
var files embed.FS

const (
	// pattern is that of the migrations' names.
	pattern = "0*.sql"
	// schema is what all migrations together make of an empty SQLite database, with their versions. schemagen writes it.
	schema = "schema.gen.sql"
)

// SQLite brings the schema of a SQLite database up to date.
func SQLite(ctx context.Context, db *sql.DB) error {
	if created, err := create(ctx, db); err != nil || created {
		return err
	}
	return UpgradeSQLite(ctx, db)
}

// UpgradeSQLite is SQLite by the migrations alone, also for an empty database.
func UpgradeSQLite(ctx context.Context, db *sql.DB) error {
	provider, err := newProvider(goose.DialectSQLite3, db)
	if err != nil {
		return err
	}
	return migrate(ctx, provider)
}

// create gives an empty SQLite database the schema in one transaction, in place of one for each migration, which waits for the
// disk and changes what the migrations before it made. It does nothing if the database has a schema.
func create(ctx context.Context, db *sql.DB) (created bool, err error) {
	text, err := files.ReadFile(schema)
	if err != nil {
		return false, nil // it is about to be generated
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer func() { _ = tx.Rollback() }() // it has no effect after a commit
	if err := tx.QueryRowContext(ctx, `SELECT count(*) = 0 FROM sqlite_schema`).Scan(&created); err != nil || !created {
		return false, err
	}
	if _, err := tx.ExecContext(ctx, string(text)); err != nil {
		return false, fmt.Errorf("sqlstore: create the schema: %w", err)
	}
	return true, tx.Commit()
}

// Postgres brings the schema of a PostgreSQL database up to date. locker makes processes that migrate the same database
// take turns.
func Postgres(ctx context.Context, db *sql.DB, locker lock.SessionLocker) error {
	provider, err := newProvider(goose.DialectPostgres, db, goose.WithSessionLocker(locker))
	if err != nil {
		return err
	}
	return migrate(ctx, provider)
}

func newProvider(dialect goose.Dialect, db *sql.DB, options ...goose.ProviderOption) (*goose.Provider, error) {
	steps, err := stepsFor(dialect)
	if err != nil {
		return nil, err
	}
	var list []*goose.Migration
	for _, s := range steps {
		list = append(list, goose.NewGoMigration(s.version, &goose.GoFunc{RunTx: s.run}, nil))
	}
	options = append(options, goose.WithGoMigrations(list...), goose.WithDisableGlobalRegistry(true))
	return goose.NewProvider(dialect, db, nil, options...)
}

// step is a migration for a database.
type step struct {
	version int64
	text    string
}

// run executes the text as a whole: both drivers accept several statements at a time. Goose's own reader of files would
// allocate a buffer of 4 MiB for each line.
func (s step) run(ctx context.Context, tx *sql.Tx) error {
	_, err := tx.ExecContext(ctx, s.text)
	return err
}

// stepsFor returns the migrations for a database, in order.
func stepsFor(dialect goose.Dialect) (steps []step, err error) {
	names, err := fs.Glob(files, pattern)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			return nil, err
		}
		data, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		text := string(data)
		if dialect == goose.DialectPostgres {
			text = inPostgres(text)
		}
		steps = append(steps, step{version, text})
	}
	return steps, nil
}

// migrate applies the migrations that are missing.
//
// Goose has no lock for SQLite, so another process may migrate the same database at the same time. Each migration is one
// transaction, so the slower process fails cleanly, and continues from the version that it then finds. It stops when it
// fails twice at the same version.
func migrate(ctx context.Context, provider *goose.Provider) error {
	failedAt := int64(-1)
	for {
		err := upgrade(ctx, provider)
		if err == nil {
			return nil
		}
		version, versionErr := provider.GetDBVersion(ctx)
		if versionErr != nil || version <= failedAt {
			return fmt.Errorf("sqlstore: migrate the schema: %w", err)
		}
		failedAt = version
	}
}

// upgrade applies the migrations that are missing, and refuses a schema that is newer than this program.
func upgrade(ctx context.Context, provider *goose.Provider) error {
	current, target, err := provider.GetVersions(ctx)
	if err != nil {
		return err
	}
	if current > target {
		return fmt.Errorf("the schema has version %d, this program knows %d at most", current, target)
	}
	if current < target {
		_, err = provider.Up(ctx)
	}
	return err
}

// Latest returns the version of the schema that this program brings databases to.
func Latest() (int64, error) {
	names, err := fs.Glob(files, pattern)
	if err != nil || len(names) == 0 {
		return 0, fmt.Errorf("sqlstore: no migrations: %w", err)
	}
	return goose.NumericComponent(names[len(names)-1]) // the names are sorted
}

// SelectVersion selects the version of a database's schema. The table does not exist in a database without a schema.
const SelectVersion = `SELECT COALESCE(MAX(version_id), 0) FROM ` + VersionTable + ` WHERE is_applied`

// VersionTable is the table of the migrations that were applied.
const VersionTable = "goose_db_version"

// inPostgres adapts a migration. Text compares by bytes, as it does in SQLite, whatever the database's own collation is.
// Tables have no rowid that could be left out.
func inPostgres(migration string) string {
	return strings.NewReplacer(" TEXT ", ` TEXT COLLATE "C" `, " WITHOUT ROWID", "").Replace(migration)
}
