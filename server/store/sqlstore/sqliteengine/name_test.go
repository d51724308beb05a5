package sqliteengine

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// TestNamesThatMeanSomethingElse has names for which SQLite, its drivers or a shell have a meaning that they do not have
// here. The message has the right spelling.
func TestNamesThatMeanSomethingElse(t *testing.T) {
	t.Setenv("HOME", "/home/me")
	t.Chdir(t.TempDir())
	for name, right := range map[string]string{
		"file:/abs/x.db":                         "/abs/x.db",
		"file:x.db":                              "x.db",
		"FILE:x.db":                              "x.db",
		"file:///abs/x.db?mode=ro":               "/abs/x.db",
		"file://localhost/abs/x.db":              "/abs/x.db",
		"file::memory:":                          ":memory:",
		"file::memory:?cache=shared":             ":memory:",
		"memory:":                                ":memory:",
		":Memory:":                               ":memory:",
		":MEMORY:":                               ":memory:",
		"~/x.db":                                 "/home/me/x.db",
		"~":                                      "/home/me",
		"~other/x.db":                            "/path/to/x.db",
		"/abs/x.db?_pragma=journal_mode(delete)": "/abs/x.db",
		"x.db?_txlock=immediate&_pragma=user_v(1)": "x.db",
		"x.db?mode=ro&_pragma=user_version(1)":     "x.db",
	} {
		_, err := Open(t.Context(), name, Options{})
		if err == nil || !strings.Contains(err.Error(), `write "sqlite:`+right+`"`) {
			t.Errorf("%q: want the spelling %q, got %v", name, right, err)
		}
	}
	for _, name := range []string{"", ":mem:", ":", "//host/x.db"} {
		if _, err := Open(t.Context(), name, Options{}); !errors.Is(err, engine.ErrDSN) {
			t.Errorf("%q: %v", name, err)
		}
	}
	if left := list(t, "."); len(left) > 0 {
		t.Errorf("refused names leave %s", left)
	}
}

// TestNamesOfFiles has names that look like those that are refused. Each is a file's.
func TestNamesOfFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{
		"memory", "x~", "./~x.db", "./file:x.db", "x?mode=ro.db", "x?_a.db", "a?_b=c/x.db", "x_a=b", "%20", "x#y.db", "a b.db", "./:memory:",
	} {
		check(t, open(t, name).Close())
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// list returns the names of the files in a folder.
func list(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	check(t, err)
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// TestNoDatabase has files and folders that are no database: the message names the file, and nothing is left behind.
func TestNoDatabase(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	check(t, os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600))
	folder := filepath.Join(dir, "folder")
	check(t, os.Mkdir(folder, 0o700))
	toFolder := filepath.Join(dir, "link")
	check(t, os.Symlink(folder, toFolder))
	loop := filepath.Join(dir, "loop")
	check(t, os.Symlink(loop, loop))
	before := list(t, dir)
	for path, named := range map[string]string{
		text: text, folder: folder, toFolder: folder, filepath.Join(text, "x.db"): text, loop: loop,
	} {
		db, err := Open(t.Context(), path, Options{Serve: true})
		if err == nil {
			check(t, db.Close())
		}
		if err == nil || !strings.Contains(err.Error(), named) {
			t.Errorf("%s: %v", path, err)
		}
	}
	if after := list(t, dir); len(after) != len(before) || len(list(t, folder)) > 0 {
		t.Errorf("%s became %s", before, after)
	}
}

// TestLinks opens a file by all its names: whoever serves it bars the others, and revocations reach it.
func TestLinks(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "real", "x.db")
	links := map[string]string{"link.db": path, "chain.db": filepath.Join(dir, "link.db"), "relative.db": "real/x.db", "folder": filepath.Join(dir, "real")}
	for name, target := range links {
		check(t, os.Symlink(target, filepath.Join(dir, name)))
	}
	// A link to a file that does not exist yet creates that file.
	first, err := Open(t.Context(), filepath.Join(dir, "chain.db"), Options{Serve: true})
	check(t, err)
	defer func() { check(t, first.Close()) }()
	if info, err := os.Lstat(path); err != nil || info.Mode() != 0o600 {
		t.Fatalf("the file: %v, %v", info, err)
	}
	for _, name := range []string{"link.db", "chain.db", "relative.db", "folder/x.db", "real/../real/x.db", "real/x.db"} {
		name = filepath.Join(dir, name)
		if db, err := Open(t.Context(), name, Options{Serve: true}); err == nil {
			t.Errorf("%s is served twice", name)
			check(t, db.Close())
		} else if !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", name, err)
		}
		second, err := Open(t.Context(), name, Options{})
		check(t, err)
		before := first.Revocations.Number()
		check(t, second.Revocations.Add())
		if first.Revocations.Number() == before {
			t.Errorf("a revocation by %s is not seen", name)
		}
		check(t, second.Close())
	}
	for _, name := range list(t, dir) {
		if _, ok := links[name]; !ok && name != "real" {
			t.Errorf("%s is left beside the links", name)
		}
	}
}
