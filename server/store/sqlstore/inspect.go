package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/pgengine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/sqliteengine"
)

// Schema is the version of a database's schema, 0 for none, and the version that Open brings it to.
type Schema struct{ Current, Latest int64 }

// Inspect returns the schema of the database that dsn names, without changing it, and an error for one that Open with
// Options.Serve would refuse: the name of no database, a server that does not respond, a file that another process serves
// or that cannot be created, or a schema that is newer than this program.
func Inspect(ctx context.Context, dsn string, opts Options) (s Schema, err error) {
	opts, err = opts.withDefaults()
	if err != nil {
		return s, err
	}
	if s.Latest, err = migrations.Latest(); err != nil {
		return s, err
	}
	switch scheme, rest, _ := strings.Cut(dsn, ":"); scheme {
	case "sqlite":
		s.Current, err = sqliteengine.Version(ctx, rest)
	case "postgres", "postgresql":
		s.Current, err = pgengine.Version(ctx, dsn, pgOptions(opts))
	default:
		err = engine.ErrDSN
	}
	if err == nil && s.Current > s.Latest {
		err = fmt.Errorf("sqlstore: the schema has version %d, this program knows %d at most", s.Current, s.Latest)
	}
	return s, err
}

// BlobRef is the blob of a file.
type BlobRef struct {
	Key  string
	Size int64 // in bytes
	// SHA256 is the hash of the content, in 64 lower-case hexadecimal digits.
	SHA256 string
}

// Snapshot writes a copy of the SQLite file that dsn names, as it is at one moment, to the file at target, which is empty or
// does not exist. A server may serve the original meanwhile. After an error, target must be removed.
func Snapshot(ctx context.Context, dsn, target string) error {
	name, onSQLite := strings.CutPrefix(dsn, "sqlite:")
	if !onSQLite {
		return errors.New("sqlstore: only a SQLite file is copied; use pg_dump for PostgreSQL")
	}
	return sqliteengine.Snapshot(ctx, name, target)
}

// CheckSnapshot returns an error for a copy that is damaged, or that is not a database of this program.
func CheckSnapshot(ctx context.Context, path string) error {
	path, err := filepath.Abs(path) // a relative one might begin with ~ or file:
	if err != nil {
		return err
	}
	if err := sqliteengine.Check(ctx, path); err != nil {
		return err
	}
	s, err := Inspect(ctx, "sqlite:"+path, Options{})
	if err == nil && s.Current == 0 {
		err = fmt.Errorf("sqlstore: %s is not a database of this program", path)
	}
	return err
}

// SnapshotBlobs calls each for the blob of every file in a copy, in the order of their keys.
func SnapshotBlobs(ctx context.Context, path string, each func(BlobRef) error) error {
	old := false // of a time before files
	err := sqliteengine.ReadFile(ctx, path, `SELECT count(*) FROM sqlite_schema WHERE name = 'files'`, func(row engine.Scanner) error {
		var tables int
		err := row.Scan(&tables)
		old = tables == 0
		return err
	})
	if err != nil || old {
		return err
	}
	const query = `SELECT blob, size, sha256 FROM files WHERE deleted_at IS NULL AND blob <> '' ORDER BY blob`
	return sqliteengine.ReadFile(ctx, path, query, func(row engine.Scanner) error {
		var b BlobRef
		if err := row.Scan(&b.Key, &b.Size, &b.SHA256); err != nil {
			return err
		}
		return each(b)
	})
}

// Reservation is the name of a SQLite file that this process keeps for itself.
type Reservation = sqliteengine.Reservation

// Reserve keeps the SQLite file that dsn names for this process, as Open does with Options.Serve, without creating it. It
// creates the file's folder. It fails while another process serves or restores the file.
func Reserve(dsn string) (*Reservation, error) {
	name, onSQLite := strings.CutPrefix(dsn, "sqlite:")
	if !onSQLite {
		return nil, errors.New("sqlstore: only a SQLite file is reserved")
	}
	return sqliteengine.Reserve(name)
}
