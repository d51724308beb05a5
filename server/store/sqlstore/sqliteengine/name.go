package sqliteengine

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// spelled is a name that means something else to SQLite or a shell than it does here, where it would be a file's.
func spelled(name, why, right string) error {
	return fmt.Errorf(`sqlstore: the database "sqlite:%s" %s; write "sqlite:%s"`, name, why, right)
}

// options are a driver's settings at the end of a name, such as ?_pragma=journal_mode(delete).
var options = regexp.MustCompile(`\?([^/?]*&)?_\w+=[^/]*$`)

// checkName refuses names that are not files, and those that are probably meant to be something else. Every other name is
// a file's, literally.
func checkName(name string) error {
	lower := strings.ToLower(name)
	switch rest, isURI := strings.CutPrefix(lower, "file:"); {
	case lower == memory || lower == "memory:" || isURI && strings.Trim(strings.SplitN(rest, "?", 2)[0], ":/") == "memory":
		return spelled(name, "would be a file", memory)
	case isURI:
		path, _, _ := strings.Cut(name[len("file:"):], "?")
		if strings.HasPrefix(path, "//") { // file:///path, file://localhost/path
			_, path, _ = strings.Cut(path[len("//"):], "/")
			path = "/" + path
		}
		return spelled(name, "is a URI, not a path", path)
	case strings.HasPrefix(name, "~"):
		return spelled(name, "begins with ~, which only a shell replaces by a folder", expanded(name))
	case options.MatchString(name):
		path, _, _ := strings.Cut(name, options.FindString(name))
		return spelled(path+"?...", "ends with settings, which it cannot have", path)
	case name == "" || strings.HasPrefix(name, ":") || strings.HasPrefix(name, "//"):
		return engine.ErrDSN
	}
	return nil
}

// expanded is the path that a shell makes of one that begins with ~, as far as this process can know.
func expanded(name string) string {
	folder, rest, _ := strings.Cut(name, "/")
	home, err := os.UserHomeDir()
	if folder != "~" || err != nil {
		return "/path/to/" + strings.TrimPrefix(filepath.ToSlash(rest), "/")
	}
	return filepath.ToSlash(filepath.Join(home, rest))
}

// existing returns the absolute path of a file that exists, without symbolic links. It creates nothing.
func existing(path string) (string, error) {
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// maxLinks bounds the symbolic links that lead to a file, as systems do.
const maxLinks = 40

// resolve returns the absolute path of a file, which need not exist, without symbolic links: SQLite names its own
// companion files by that path. It creates the file's folder.
func resolve(path string) (string, error) {
	for range maxLinks {
		var err error
		if path, err = filepath.Abs(path); err != nil {
			return "", err
		}
		dir := filepath.Dir(path)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return "", err
		}
		if dir, err = filepath.EvalSymlinks(dir); err != nil {
			return "", err
		}
		path = filepath.Join(dir, filepath.Base(path))
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, nil
		case err != nil:
			return "", err
		case info.IsDir():
			return "", isFolder(path)
		case info.Mode()&fs.ModeSymlink == 0:
			return path, nil
		}
		target, err := os.Readlink(path)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(dir, target)
		}
		path = target
	}
	return "", fmt.Errorf("%s: more than %d symbolic links", path, maxLinks)
}

// makeFile creates a database file with the schema, that only its owner can read; SQLite gives its companion files the
// same mode. The file gets its name when it is complete, on disk and closed: closing a file on which SQLite holds locks, for
// another store in this process, would drop those locks. Where a file system has no links, SQLite creates the file, with
// the usual mode.
func makeFile(ctx context.Context, path string) error {
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	file, err := os.CreateTemp(filepath.Dir(path), ".new-*.db") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	err = createSchema(ctx, file.Name())
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	_ = os.Link(file.Name(), path) // also fails when another process was faster
	return nil
}

// createSchema makes an empty file a database as fileDSN opens it. It does not wait for the disk, as SQLite would for each
// setting: nobody else knows the file, and a failure leaves nothing to repair.
func createSchema(ctx context.Context, path string) (err error) {
	pool, err := openPool(dsnOf(path, url.Values{}), 1, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pool.Close()) }()
	_, err = pool.ExecContext(ctx, `PRAGMA synchronous = off; PRAGMA journal_mode = memory; PRAGMA auto_vacuum = incremental`)
	if err == nil {
		err = migrations.SQLite(ctx, pool)
	}
	if err == nil {
		_, err = pool.ExecContext(ctx, `PRAGMA journal_mode = wal`)
	}
	return err
}

// isFolder is the error for the name of a folder.
func isFolder(path string) error { return fmt.Errorf("%s is a folder; name a file in it", path) }
