package backup_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/backup"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

const account = "acme"

// data is a database with files.
type data struct {
	*testing.T
	backup.Place
	store *sqlstore.Store
	blobs blob.Store
	files []store.File // in the order of their blobs' keys
}

func newData(t *testing.T, files int) *data {
	t.Helper()
	d := &data{T: t, Place: placeIn(t.TempDir())}
	var err error
	if d.store, err = sqlstore.Open(t.Context(), d.DB, sqlstore.Options{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.store.Close() })
	if d.blobs, err = blob.Open(t.Context(), d.Blobs); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.blobs.Close() })
	for range files {
		content := make([]byte, 100<<10) // that gzip cannot make smaller
		_, _ = rand.Read(content)
		b, err := d.blobs.Create(t.Context(), bytes.NewReader(content))
		if err != nil {
			t.Fatal(err)
		}
		file, err := d.store.CreateFile(t.Context(), account, store.FileSpec{Name: b.SHA256, MediaType: "text/plain", Size: b.Size, SHA256: b.SHA256, Blob: b.Key}, 1<<30)
		if err != nil {
			t.Fatal(err)
		}
		d.files = append(d.files, file)
	}
	slices.SortFunc(d.files, func(a, b store.File) int { return strings.Compare(a.Blob, b.Blob) })
	return d
}

func placeIn(dir string) backup.Place {
	path := filepath.Join(dir, "x.db")
	return backup.Place{DB: "sqlite:" + path, Blobs: path + ".blobs"}
}

// archive makes a backup.
func (d *data) archive() []byte {
	d.Helper()
	var archive bytes.Buffer
	if _, err := backup.Write(d.Context(), &archive, d.Place, d.TempDir(), "v1"); err != nil {
		d.Fatal(err)
	}
	return archive.Bytes()
}

// delete deletes a file and its content, as a caller and the server's sweeper do.
func (d *data) delete(f store.File) {
	if err := d.store.DeleteFile(context.WithoutCancel(d.Context()), account, f.ID); err != nil {
		d.Error(err)
	}
	if err := d.blobs.Delete(d.Context(), f.Blob); err != nil {
		d.Error(err)
	}
}

// onWrite is a writer that calls do once it was given more than after bytes.
type onWrite struct {
	bytes.Buffer
	after int
	do    func()
}

func (w *onWrite) Write(p []byte) (int, error) {
	if w.Len() > w.after && w.do != nil {
		w.do()
		w.do = nil
	}
	return w.Buffer.Write(p)
}

// TestAFileThatIsDeletedMeanwhile deletes a file after the snapshot of the database and before its content is copied, and
// another one whose content is copied already: neither is in the backup.
func TestAFileThatIsDeletedMeanwhile(t *testing.T) {
	t.Parallel()
	d := newData(t, 3)
	archive := onWrite{after: 20 << 10, do: func() { d.delete(d.files[0]); d.delete(d.files[2]) }}
	if _, err := backup.Write(t.Context(), &archive, d.Place, t.TempDir(), "v1"); err != nil {
		t.Fatal(err)
	}
	to := placeIn(t.TempDir())
	copied, err := backup.Restore(t.Context(), &archive, to)
	if err != nil || copied.Files != 1 || copied.Bytes != 100<<10 {
		t.Fatalf("%+v, %v", copied, err)
	}
	entries, err := os.ReadDir(to.Blobs)
	if err != nil || len(entries) != 1 || entries[0].Name() != d.files[1].Blob {
		t.Errorf("%v, %v", entries, err)
	}
}

func TestAContentThatIsMissing(t *testing.T) {
	t.Parallel()
	d := newData(t, 1)
	if err := d.blobs.Delete(t.Context(), d.files[0].Blob); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if _, err := backup.Write(t.Context(), io.Discard, d.Place, folder, "v1"); err == nil || !strings.Contains(err.Error(), "is missing in") {
		t.Error(err)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestRestoreLeavesNothingOfABadBackup restores archives that are damaged in one way each.
func TestRestoreLeavesNothingOfABadBackup(t *testing.T) {
	t.Parallel()
	archive := newData(t, 1).archive()
	damaged := bytes.Clone(archive)
	damaged[len(damaged)-6] ^= 1 // the checksum
	for what, bad := range map[string][]byte{
		"empty": nil, "no archive": []byte("SQLite format 3"), "half of it": archive[:len(archive)/2], "damaged": damaged,
		"without its last bytes": archive[:len(archive)-4],
	} {
		dir := t.TempDir()
		if _, err := backup.Restore(t.Context(), bytes.NewReader(bad), placeIn(filepath.Join(dir, "new", "folder"))); err == nil {
			t.Errorf("%s: was restored", what)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", what, left, err)
		}
	}
}

// TestRestoreOverwritesNothing restores where something is already.
func TestRestoreOverwritesNothing(t *testing.T) {
	t.Parallel()
	archive := newData(t, 1).archive()
	for _, name := range []string{"x.db", "x.db-wal", "x.db.blobs/blob-a"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := backup.Restore(t.Context(), bytes.NewReader(archive), placeIn(dir)); err == nil || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("%s: %v", name, err)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(archive), backup.Place{DB: placeIn(t.TempDir()).DB}); err == nil || !strings.Contains(err.Error(), "--blobs") {
		t.Errorf("without a place for files: %v", err)
	}
}

// onRead is a reader that calls do before the first byte.
type onRead struct {
	io.Reader
	do func()
}

func (r *onRead) Read(p []byte) (int, error) {
	if r.do != nil {
		r.do()
		r.do = nil
	}
	return r.Reader.Read(p)
}

// TestNobodyServesWhatIsRestored begins to serve a database while it is restored: that fails, and leaves nothing.
func TestNobodyServesWhatIsRestored(t *testing.T) {
	t.Parallel()
	to := placeIn(t.TempDir())
	archive := onRead{bytes.NewReader(newData(t, 1).archive()), func() {
		db, err := sqlstore.Open(t.Context(), to.DB, sqlstore.Options{Serve: true})
		if err == nil {
			t.Error(db.Close())
		} else if !strings.Contains(err.Error(), "or restores it") {
			t.Error(err)
		}
	}}
	if copied, err := backup.Restore(t.Context(), &archive, to); err != nil || copied.Files != 1 {
		t.Fatalf("%+v, %v", copied, err)
	}
	db, err := sqlstore.Open(t.Context(), to.DB, sqlstore.Options{Serve: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	path := strings.TrimPrefix(to.DB, "sqlite:")
	for _, name := range []string{path, path + "-wal", path + "-shm"} { // the database is served: its place is its own
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(nil), to); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Error(err)
	}
	if _, err := backup.Restore(t.Context(), bytes.NewReader(nil), backup.Place{DB: to.DB}); err == nil || !strings.Contains(err.Error(), "another process serves") {
		t.Error(err)
	}
}

// TestWhatAppearsDuringARestoreStays creates a file where the restore is about to put its own.
func TestWhatAppearsDuringARestoreStays(t *testing.T) {
	t.Parallel()
	archive := newData(t, 1).archive()
	for _, name := range []string{"x.db", "x.db-wal", "x.db.blobs"} {
		dir := t.TempDir()
		path := filepath.Join(dir, name)
		from := onRead{bytes.NewReader(archive), func() {
			if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
				t.Error(err)
			}
		}}
		if _, err := backup.Restore(t.Context(), &from, placeIn(dir)); err == nil {
			t.Errorf("%s: was restored", name)
		}
		if text, err := os.ReadFile(path); err != nil || string(text) != "mine" {
			t.Errorf("%s: %q, %v", name, text, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
			t.Errorf("%s: %v is left, %v", name, left, err)
		}
	}
}

func TestPlaceNewReplacesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	from, to := filepath.Join(dir, "from"), filepath.Join(dir, "to")
	for path, text := range map[string]string{from: "new", to: "mine"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := backup.PlaceNew(from, to); err == nil || !strings.Contains(err.Error(), "is not overwritten") {
		t.Error(err)
	}
	if text, err := os.ReadFile(to); err != nil || string(text) != "mine" {
		t.Errorf("%q, %v", text, err)
	}
	if err := backup.PlaceNew(from, to+"2"); err != nil {
		t.Error(err)
	}
	if text, err := os.ReadFile(to + "2"); err != nil || string(text) != "new" {
		t.Errorf("%q, %v", text, err)
	}
}

// entry is a file in an archive.
type entry struct{ name, content string }

// unpacked returns the entries of an archive.
func unpacked(t *testing.T, archive []byte) (entries []entry) {
	t.Helper()
	packed, err := gzip.NewReader(bytes.NewReader(archive))
	if err != nil {
		t.Fatal(err)
	}
	for from := tar.NewReader(packed); ; {
		header, err := from.Next()
		if err == io.EOF {
			return entries
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(from)
		if err != nil {
			t.Fatal(err)
		}
		entries = append(entries, entry{header.Name, string(content)})
	}
}

// packed returns an archive of entries.
func packed(t *testing.T, entries ...entry) io.Reader {
	t.Helper()
	var archive bytes.Buffer
	zip := gzip.NewWriter(&archive)
	to := tar.NewWriter(zip)
	for _, e := range entries {
		err := to.WriteHeader(&tar.Header{Name: e.name, Size: int64(len(e.content)), Mode: 0o600})
		if err == nil {
			_, err = io.WriteString(to, e.content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(to.Close(), zip.Close()); err != nil {
		t.Fatal(err)
	}
	return &archive
}

// TestRestoreRefusesOtherArchives restores archives that are whole, and not what a backup writes.
func TestRestoreRefusesOtherArchives(t *testing.T) {
	t.Parallel()
	entries := unpacked(t, newData(t, 1).archive())
	if len(entries) != 3 {
		t.Fatalf("%d entries", len(entries))
	}
	described, content, database := entries[0], entries[1], entries[2]
	for want, bad := range map[string][]entry{
		"its SHA-256 is another":     {described, {content.name, strings.Repeat("x", len(content.content))}, database},
		"is missing":                 {described, database},
		"99999 of":                   {described, {content.name, content.content[:99999]}, database},
		"begins with manifest.json":  {content, described, database},
		`"manifest.json": it is the`: {described, described, content, database},
		`"sessions.db": it is there`: {described, content, database, database},
		"its format is -1":           {{described.name, `{"format": -1}`}, content, database},
		"its format is 0":            {{described.name, `{}`}, content, database},
		`"\x1b[31mred"`:              {{described.name, `{"format": 9, "program": "\u001b[31mred"}`}},
		`"\x1b[2J": it is not`:       {described, {"\x1b[2J", ""}},
	} {
		dir := t.TempDir()
		_, err := backup.Restore(t.Context(), packed(t, bad...), placeIn(dir))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "\x1b") {
			t.Errorf("%s: %v", want, err)
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: %v is left, %v", want, left, err)
		}
	}
	if _, err := backup.Restore(t.Context(), packed(t, entries...), placeIn(t.TempDir())); err != nil {
		t.Error(err)
	}
}

func TestOnlyFilesAreBackedUp(t *testing.T) {
	t.Parallel()
	for db, want := range map[string]string{
		"postgres://h/db": "pg_dump", "sqlite::memory:": "in memory", "sqlite:" + filepath.Join(t.TempDir(), "none.db"): "there is no database file",
	} {
		if _, err := backup.Write(t.Context(), io.Discard, backup.Place{DB: db}, t.TempDir(), "v1"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", db, err)
		}
	}
}
