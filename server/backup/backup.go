// Package backup copies the SQLite database of a server, with the contents of its files, into one archive, and back. The
// server may serve the database meanwhile.
//
// An archive is a tar file that is compressed by gzip: manifest.json, then blobs/KEY for the content of each file, then
// sessions.db. The database comes last, so that an archive with it is complete. The vault key is never in it.
package backup

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// The names in an archive.
const (
	manifestName = "manifest.json"
	blobFolder   = "blobs/"
	databaseName = "sessions.db"
)

// format is the version of the archive's format.
const format = 1

// manifest describes an archive.
type manifest struct {
	Format    int       `json:"format"`
	CreatedAt time.Time `json:"created_at"`
	// Program is the version of the program that made it.
	Program string `json:"program"`
	// Files reports whether the contents of files are in it.
	Files bool `json:"files"`
}

// Place is where a server's data is.
type Place struct {
	// DB is the database, sqlite:PATH.
	DB string
	// Blobs is the folder with the contents of files. It is "" to leave them out: where they are in a bucket, or nowhere.
	Blobs string
}

// Copied is what was copied.
type Copied struct {
	// Database is the size of the database in bytes.
	Database int64
	// Files is the number of contents of files, Bytes their size together.
	Files int
	Bytes int64
}

// onlySQLite refuses what this package does not copy.
func onlySQLite(db string) (path string, err error) {
	path, onSQLite := strings.CutPrefix(db, "sqlite:")
	switch {
	case !onSQLite:
		return "", errors.New("only a SQLite file is backed up by this program; PostgreSQL has pg_dump and pg_restore " +
			"(pg_dump --format=custom --file=FILE DATABASE), and the files have the means of their place")
	case path == ":memory:":
		return "", errors.New("a database in memory cannot be backed up; name a file with --db")
	}
	return path, nil
}

// snapshots bounds how often Write begins anew because a file was deleted meanwhile.
const snapshots = 20

// Write writes an archive. The database in it is as it was at one moment, and every file of that moment has its content.
// folder is where it keeps a copy of the database until it returns; program is the version of this program.
func Write(ctx context.Context, w io.Writer, from Place, folder, program string) (c Copied, err error) {
	if _, err := onlySQLite(from.DB); err != nil {
		return c, err
	}
	temporary, err := os.MkdirTemp(folder, ".backup-*") // mode 0700
	if err != nil {
		return c, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(temporary)) }()
	a := newArchive(w)
	described := manifest{Format: format, CreatedAt: time.Now().UTC(), Program: program, Files: from.Blobs != ""}
	if err := a.manifest(described); err != nil {
		return c, err
	}
	copied := map[string]int64{} // sizes by key
	for try := 1; ; try++ {
		snapshot := filepath.Join(temporary, fmt.Sprint(try, ".db"))
		if err := sqlstore.Snapshot(ctx, from.DB, snapshot); err != nil {
			return c, err
		}
		// The file of a content that is missing was deleted after the snapshot. The next snapshot does not have it, and
		// contents do not change, so what is copied by then remains right.
		missing, err := a.blobs(ctx, snapshot, from.Blobs, copied)
		if err != nil {
			return c, err
		}
		if missing == "" {
			if c.Database, err = a.file(databaseName, snapshot); err != nil {
				return c, err
			}
			break
		}
		if try == snapshots {
			return c, fmt.Errorf("the content %s is missing in %s", missing, from.Blobs)
		}
		if err := os.Remove(snapshot); err != nil {
			return c, err
		}
	}
	for _, size := range copied {
		c.Files, c.Bytes = c.Files+1, c.Bytes+size
	}
	return c, a.close()
}

// archive is an archive that is being written.
type archive struct {
	packed *gzip.Writer
	tar    *tar.Writer
}

func newArchive(w io.Writer) *archive {
	packed, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
	return &archive{packed, tar.NewWriter(packed)}
}

func (a *archive) close() error { return errors.Join(a.tar.Close(), a.packed.Close()) }

// add adds an entry of a size.
func (a *archive) add(name string, size int64, from io.Reader) error {
	header := tar.Header{Name: name, Size: size, Mode: 0o600, ModTime: time.Now(), Format: tar.FormatPAX}
	if err := a.tar.WriteHeader(&header); err != nil {
		return err
	}
	n, err := io.Copy(a.tar, from)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return fmt.Errorf("%s: %d of %d bytes: %w", name, n, size, err)
	}
	return nil
}

func (a *archive) manifest(m manifest) error {
	text, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return a.add(manifestName, int64(len(text)), strings.NewReader(string(text)))
}

// file adds a file and returns its size.
func (a *archive) file(name, path string) (int64, error) {
	file, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), a.add(name, info.Size(), file)
}

// blobs adds the contents of the files of a snapshot that were not copied before, and stops at one that is missing.
func (a *archive) blobs(ctx context.Context, snapshot, folder string, copied map[string]int64) (missing string, err error) {
	if folder == "" {
		return "", nil
	}
	place, err := blob.Open(ctx, folder)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, place.Close()) }()
	err = sqlstore.SnapshotBlobs(ctx, snapshot, func(b sqlstore.BlobRef) error {
		if _, is := copied[b.Key]; is {
			return nil
		}
		content, err := place.Open(ctx, b.Key, 0, -1)
		if err != nil {
			if errors.Is(err, blob.ErrNotFound) {
				missing = b.Key
			}
			return err
		}
		defer content.Close()
		copied[b.Key] = b.Size
		return a.add(blobFolder+b.Key, b.Size, content)
	})
	if missing != "" {
		return missing, nil
	}
	return "", err
}
