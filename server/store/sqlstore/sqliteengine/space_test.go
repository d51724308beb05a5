package sqliteengine

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// secret is what the rows to delete hold.
const secret = "SECRETBODY123"

// traces counts how often secret is in the files of a database.
func traces(t *testing.T, path string) (n int) {
	t.Helper()
	for _, companion := range companions {
		data, err := os.ReadFile(path + companion)
		if !errors.Is(err, os.ErrNotExist) {
			check(t, err)
		}
		n += bytes.Count(data, []byte(secret))
	}
	return n
}

// sound fails when SQLite finds fault with the file.
func sound(t *testing.T, e *pools) {
	t.Helper()
	check(t, e.Read(t.Context(), engine.Query{Text: "PRAGMA integrity_check"}, func(row engine.Scanner) error {
		var found string
		err := row.Scan(&found)
		if found != "ok" {
			t.Error(found)
		}
		return err
	}))
}

func sizeOf(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	check(t, err)
	return info.Size()
}

// fill inserts n rows with texts of random sizes, some of which take several pages.
func fill(t *testing.T, e *pools, n, size int, text string) {
	t.Helper()
	random := rand.New(rand.NewPCG(1, uint64(n)))
	for i := 0; i < n; {
		check(t, e.Transact(t.Context(), func(tx engine.Tx) error {
			for ; i < n; i++ {
				name := fmt.Sprint(random.Uint64(), strings.Repeat(text, 1+random.IntN(size)))
				if err := insert(t.Context(), tx, name); err != nil {
					return err
				}
				if i%50 == 49 {
					i++
					break
				}
			}
			return nil
		}))
	}
}

func exec(ctx context.Context, e *pools, statement string) error {
	return e.Transact(ctx, func(tx engine.Tx) error {
		_, err := tx.Exec(ctx, statement, nil)
		return err
	})
}

// giveAll gives back in small steps all that there is and returns how many steps it took.
func giveAll(t *testing.T, e *pools) (steps int) {
	t.Helper()
	for steps = 1; ; steps++ {
		n, err := e.giveBack(t.Context(), 50)
		check(t, err)
		if n < 50 {
			return steps
		}
	}
}

// TestDeletedDataIsGone deletes rows among others that stay, in small and large steps, and rewrites some: after a step of
// the sweeper no file has a trace of them.
func TestDeletedDataIsGone(t *testing.T) {
	t.Parallel()
	for name, remove := range map[string]string{
		"deleted":   `DELETE FROM things WHERE name LIKE '%SECRET%'`,
		"shortened": `UPDATE things SET name = substr(name, 1, 15) || 'x' WHERE name LIKE '%SECRET%'`,
		"replaced":  `UPDATE things SET name = name || 'x'; UPDATE things SET name = replace(name, 'SECRET', 'PUBLIC')`,
		"in parts": `DELETE FROM things WHERE name LIKE '1%SECRET%'; DELETE FROM things WHERE name LIKE '%SECRET%' AND length(name) > 3000;
			DELETE FROM things WHERE name LIKE '%SECRET%'`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := openFile(t)
			fill(t, e, 200, 5, "public")
			rows := 150
			if name == "deleted" {
				rows = 1000 // more than the log holds
			}
			fill(t, e, rows, 600, secret)
			giveAll(t, e)
			fill(t, e, 151, 600, secret)
			fill(t, e, 201, 5, "public")
			if traces(t, e.files.path) == 0 {
				t.Fatal("there is nothing to find")
			}
			for statement := range strings.SplitSeq(remove, ";") {
				check(t, exec(t.Context(), e, statement))
			}
			giveAll(t, e)
			if n := traces(t, e.files.path); n > 0 {
				t.Errorf("%d traces", n)
			}
			sound(t, e)
		})
	}
}

// TestDeletedDataIsGoneAfterClosing closes the database instead of sweeping it.
func TestDeletedDataIsGoneAfterClosing(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	fill(t, e, 300, 5, "public")
	fill(t, e, 301, 600, secret)
	fill(t, e, 302, 5, "public")
	check(t, exec(t.Context(), e, "DELETE FROM things WHERE name LIKE '%SECRET%'"))
	check(t, e.Close())
	if n := traces(t, e.files.path); n > 0 {
		t.Errorf("%d traces", n)
	}
}

// TestTheLogStaysShort writes much: commits copy the log into the database and begin it anew.
func TestTheLogStaysShort(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	for n := 500; sizeOf(t, e.files.path) < 3*logLimit; n++ {
		fill(t, e, n, 200, "x234567890")
		if size := sizeOf(t, e.scrubber.path); size > 2*logLimit {
			t.Fatalf("the log has %d bytes", size)
		}
	}
	sound(t, e)
}

// TestTheLogBeginsAnew writes until the log has been copied, and then a little: the log's file keeps its length, which makes
// commits quick, and what is left in it from before is not copied again with each of them.
func TestTheLogBeginsAnew(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	for n := 500; sizeOf(t, e.scrubber.path) < logLimit; n++ {
		fill(t, e, n, 200, "x234567890")
	}
	for i := range 5 {
		check(t, exec(t.Context(), e, "UPDATE things SET name = 'x' || name WHERE rowid = 1"))
		size, full := sizeOf(t, e.scrubber.path), e.scrubber.holds(logLimit)
		if i >= 2 && (size < logLimit || full) { // the first of them may copy the log, the second begins it
			t.Errorf("the log's file has %d bytes, and is full: %v", size, full)
		}
	}
	sound(t, e)
}

// TestGaps has pages of each kind.
func TestGaps(t *testing.T) {
	t.Parallel()
	page := func(at int, header ...byte) []byte {
		p := bytes.Repeat([]byte{'x'}, 512)
		copy(p[at:], header)
		return p
	}
	for name, test := range map[string]struct {
		number uint32
		page   []byte
		want   int
	}{
		"a leaf":                        {2, page(0, 13, 0, 0, 0, 3, 1, 0, 0), 256 - 8 - 6},
		"an index's leaf":               {2, page(0, 10, 0, 0, 0, 3, 1, 0, 0), 256 - 8 - 6},
		"an inner page":                 {2, page(0, 5, 0, 0, 0, 3, 1, 0, 0), 256 - 12 - 6},
		"an index's inner page":         {2, page(0, 2, 0, 0, 0, 3, 1, 0, 0), 256 - 12 - 6},
		"an empty leaf":                 {2, page(0, 13, 0, 0, 0, 0, 2, 0, 0), 512 - 8},
		"the first page":                {1, page(100, 13, 0, 0, 0, 3, 1, 0, 0), 256 - 100 - 8 - 6},
		"an overflow page":              {2, page(0, 0, 0, 0, 7, 3, 1, 0, 0), 0},
		"a full leaf":                   {2, page(0, 13, 0, 0, 0, 124, 1, 0, 0), 0},
		"cells before the list's end":   {2, page(0, 13, 0, 0, 0, 200, 1, 0, 0), 0},
		"cells after the page":          {2, page(0, 13, 0, 0, 0, 3, 9, 0, 0), 0},
		"a page that does not exist":    {2, nil, 0},
		"content at the end of 64 KiB":  {2, append(page(0, 13, 0, 0, 0, 0, 0, 0, 0), make([]byte, 65536-512)...), 65536 - 8},
		"content at the end, but short": {2, page(0, 13, 0, 0, 0, 0, 0, 0, 0), 0},
	} {
		if got := len(gapOf(test.number, test.page)); got != test.want {
			t.Errorf("%s: %d bytes, want %d", name, got, test.want)
		}
	}
}

// TestSpaceIsGivenBack deletes most of a file: it shrinks in steps, but not down to nothing.
func TestSpaceIsGivenBack(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	fill(t, e, 2000, 600, "x234567890")
	giveAll(t, e)
	before := sizeOf(t, e.files.path)
	check(t, exec(t.Context(), e, "DELETE FROM things WHERE name NOT LIKE '1%'"))
	kept := names(t, e)
	if steps := giveAll(t, e); steps < 5 {
		t.Errorf("%d steps", steps)
	}
	after, spare := sizeOf(t, e.files.path), int64(spareFreePages*4096)
	if after > before*2/3 || after < spare {
		t.Errorf("%d bytes became %d", before, after)
	}
	if !slices.Equal(names(t, e), kept) {
		t.Error("rows have changed")
	}
	sound(t, e)
	// Some free pages stay, and are used again without growing the file.
	fill(t, e, 60, 300, "x234567890")
	giveAll(t, e)
	if again := sizeOf(t, e.files.path); again > after {
		t.Errorf("%d bytes became %d", after, again)
	}
	if steps := giveAll(t, e); steps != 1 {
		t.Errorf("%d steps for nothing", steps)
	}
}

// TestAnEmptyFileGivesSpaceBack opens an empty file, as one is that SQLite itself creates where a file system has no links.
func TestAnEmptyFileGivesSpaceBack(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "empty.db")
	check(t, os.WriteFile(path, nil, 0o600))
	e := open(t, path)
	check(t, e.onWriter(t.Context(), func(c *rawConn) error {
		mode, err := c.number(t.Context(), "PRAGMA auto_vacuum")
		if mode != incremental {
			t.Errorf("auto_vacuum is %d", mode)
		}
		return err
	}))
}

// TestAReaderKeepsTheLog has a reader of another process that keeps deleted data in the log: writers hardly wait, and the
// error names the log.
func TestAReaderKeepsTheLog(t *testing.T) {
	t.Parallel()
	e := openFile(t)
	fill(t, e, 10, 10, secret)
	other, err := sql.Open("sqlite", e.files.path)
	check(t, err)
	defer other.Close()
	tx, err := other.BeginTx(t.Context(), nil)
	check(t, err)
	var n int
	check(t, tx.QueryRowContext(t.Context(), "SELECT count(*) FROM things").Scan(&n))
	check(t, exec(t.Context(), e, "DELETE FROM things"))
	if _, err := e.giveBack(t.Context(), 10); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), e.files.path+"-wal") {
		t.Errorf("want an error about the log, got %v", err)
	}
	check(t, write(t, e, "meanwhile"))
	check(t, tx.Rollback())
	giveAll(t, e)
	if n := traces(t, e.files.path); n > 0 {
		t.Errorf("%d traces", n)
	}
	conn, err := e.writers.Conn(t.Context())
	check(t, err)
	defer conn.Close()
	check(t, onConn(conn, func(c *rawConn) error {
		if n, err := c.number(t.Context(), "PRAGMA busy_timeout"); err != nil || n != busyTimeout.Milliseconds() {
			t.Errorf("the timeout afterwards: %d, %v", n, err)
		}
		return nil
	}))
}

// oldFile makes a file as versions before did: it keeps free space, and deleted data in it.
func oldFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "old.db")
	db, err := sql.Open("sqlite", path+"?_pragma=journal_mode(wal)")
	check(t, err)
	defer db.Close()
	for _, statement := range []string{
		"CREATE TABLE old (name TEXT)",
		"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40000) INSERT INTO old SELECT i || replace(hex(zeroblob(40)), '00', '" + secret + "') FROM n",
		"DELETE FROM old WHERE rowid % 10 > 0",
	} {
		_, err := db.ExecContext(t.Context(), statement)
		check(t, err)
	}
	return path
}

// TestOldFilesAreLeftAlone opens a file that an older version made: it neither shrinks nor changes at the start.
func TestOldFilesAreLeftAlone(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	size := sizeOf(t, path)
	e := open(t, path)
	if steps := giveAll(t, e); steps != 1 {
		t.Errorf("%d steps", steps)
	}
	if got := sizeOf(t, path); got < size {
		t.Errorf("%d bytes became %d", size, got)
	}
}

// TestCompact compacts a file that an older version made. It is refused while the file is served, and a file cannot be
// served meanwhile.
func TestCompact(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	before := sizeOf(t, path)
	e, _ := serving(t, path)
	refused := func(engine.Space) { t.Error("it begins") }
	if _, err := Compact(t.Context(), path, refused); err == nil || !strings.Contains(err.Error(), "another process serves the database file "+path) {
		t.Errorf("while it is served: %v", err)
	}
	check(t, e.Close())
	var found engine.Space
	after, err := Compact(t.Context(), path, func(s engine.Space) {
		found = s
		if db, err := Open(t.Context(), path, Options{Serve: true}); err == nil {
			t.Error("it is served meanwhile")
			check(t, db.Close())
		}
	})
	check(t, err)
	if found.File != path || found.Size < before || found.Free < before/2 || after > before/3 || after != sizeOf(t, path) {
		t.Errorf("%d bytes, found %+v, became %d, really %d", before, found, after, sizeOf(t, path))
	}
	if n := traces(t, path); n != 4000*40 { // of the rows that stay
		t.Errorf("%d traces", n)
	}
	e, _ = servingAgain(t, path)
	check(t, exec(t.Context(), e, "DELETE FROM old"))
	giveAll(t, e)
	if n := traces(t, path); n != 0 {
		t.Errorf("%d traces", n)
	}
	if got := sizeOf(t, path); got >= after {
		t.Errorf("%d bytes became %d", after, got)
	}
}

// TestCompactRefuses has names that are no file, of which none is created.
func TestCompactRefuses(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	text := filepath.Join(dir, "text")
	check(t, os.WriteFile(text, []byte(strings.Repeat("not a database\n", 100)), 0o600))
	for _, name := range []string{filepath.Join(dir, "x.db"), filepath.Join(dir, "y", "x.db"), memory, "file:x.db", dir, text} {
		if _, err := Compact(t.Context(), name, func(engine.Space) {}); err == nil {
			t.Errorf("%s is compacted", name)
		}
	}
	if left := list(t, dir); len(left) != 1 {
		t.Errorf("left are %s", left)
	}
}

// TestCompactIsInterrupted leaves the file as it was.
func TestCompactIsInterrupted(t *testing.T) {
	t.Parallel()
	path := oldFile(t)
	before := sizeOf(t, path)
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := Compact(ctx, path, func(engine.Space) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if after := sizeOf(t, path); after < before {
		t.Errorf("%d bytes became %d", before, after)
	}
	_, err := Compact(t.Context(), path, func(engine.Space) {})
	check(t, err)
}
