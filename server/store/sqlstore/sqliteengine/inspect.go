package sqliteengine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"

	"github.com/cloud-sessions/sessions/server/internal/folder"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// Version returns the version of a file's schema, 0 for a file that does not exist or is empty. It refuses a file that a
// process serves, and one that could not be created or written to. It creates nothing.
func Version(ctx context.Context, name string) (int64, error) {
	if name == memory {
		return 0, nil
	}
	if err := checkName(name); err != nil {
		return 0, err
	}
	switch info, err := os.Stat(name); {
	case errors.Is(err, fs.ErrNotExist):
		return 0, writable(filepath.Dir(name))
	case err == nil && info.IsDir():
		return 0, fmt.Errorf("sqlstore: open the database file: %w", isFolder(name))
	}
	path, err := existing(name)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: open the database file: %w", err)
	}
	if err := checkServed(path); err != nil {
		return 0, err
	}
	if err := canWrite(path); err != nil {
		return 0, fmt.Errorf("sqlstore: open the database file: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() == 0 {
		return 0, nil
	}
	version := int64(0)
	err = onReader(ctx, path, func(c *rawConn) error {
		exists, err := c.number(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = '"+migrations.VersionTable+"'")
		if err == nil && exists > 0 {
			version, err = c.number(ctx, migrations.SelectVersion)
		}
		return err
	})
	return version, err
}

// writable returns an error unless a database can be created in a folder.
func writable(path string) error {
	if err := folder.Writable(path); err != nil {
		return fmt.Errorf("sqlstore: make the database file: %w", err)
	}
	return nil
}

// canWrite returns an error unless this process may write to a database file, which nobody serves, and create others next to it.
func canWrite(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	return errors.Join(file.Close(), folder.WritableNow(filepath.Dir(path)))
}

// checkServed returns an error when a process serves the database.
func checkServed(path string) error {
	file, err := os.OpenFile(path+helperSuffix, os.O_RDWR, 0)
	if err != nil { // a start creates it
		return nil
	}
	defer file.Close()
	switch err := lock(file); {
	case errors.Is(err, errLocked):
		return fmt.Errorf("sqlstore: %w", served(path))
	case err != nil:
		return fmt.Errorf("sqlstore: lock %s: %w", file.Name(), err)
	}
	return unlock(file)
}

// onReader calls run with a connection to a file that cannot write to it.
func onReader(ctx context.Context, path string, run func(c *rawConn) error) error {
	return onFile(ctx, path, url.Values{"_query_only": {"on"}}, run)
}

// onFile calls run with a connection to a file, next to those of a server.
func onFile(ctx context.Context, path string, options url.Values, run func(c *rawConn) error) (err error) {
	path, err = filepath.Abs(path)
	if err != nil {
		return err
	}
	f := &files{path: path}
	pool, err := openPool(fileDSN(path, options), 1, f)
	if err != nil {
		return err
	}
	defer func() { err = f.named(errors.Join(err, pool.Close())) }()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return onConn(conn, run)
}

// Snapshot writes a copy of a file, as it is at one moment, to a file that is empty or does not exist. The original may be
// served meanwhile, and be written to; its write-ahead log cannot be emptied until the copy is complete. The copy has nothing
// of deleted rows. After an error, what there is of the copy must be removed.
func Snapshot(ctx context.Context, name, target string) error {
	if name == memory {
		return errors.New("sqlstore: a database in memory cannot be copied")
	}
	if err := checkName(name); err != nil {
		return err
	}
	path, err := existing(name)
	switch { // a file that does not exist would be created
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("sqlstore: there is no database file %s to copy", name)
	case err != nil:
		return fmt.Errorf("sqlstore: the database file cannot be copied: %w", err)
	}
	return onFile(ctx, path, url.Values{}, func(c *rawConn) error { // query_only would refuse to write the copy
		_, err := c.run(ctx, "VACUUM INTO ?", []any{target})
		return err
	})
}

// Check returns an error when a file is damaged. It reads all of it.
func Check(ctx context.Context, path string) error {
	return onReader(ctx, path, func(c *rawConn) error {
		return c.read(ctx, "PRAGMA quick_check(1)", nil, func(row engine.Scanner) error {
			var found string
			if err := row.Scan(&found); err != nil || found == "ok" {
				return err
			}
			return fmt.Errorf("sqlstore: the database file %s is damaged: %s", path, found)
		})
	})
}

// ReadFile calls each for every row that a query yields in a file that nothing else uses.
func ReadFile(ctx context.Context, path, query string, each func(engine.Scanner) error) error {
	return onReader(ctx, path, func(c *rawConn) error { return c.read(ctx, query, nil, each) })
}
