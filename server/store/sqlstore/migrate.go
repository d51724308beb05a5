package sqlstore

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"
)

// Migrations only go forward, and are never changed once released.
//
//go:embed migrations/*.sql
var migrations embed.FS

// migrate brings the schema up to date.
//
// Goose has no lock for SQLite, so another process may migrate the same database at the same time. Each
// migration is one transaction, so the slower process fails cleanly, and carries on from the version that
// it then finds. It gives up when it fails twice at the same version.
func (d database) migrate(ctx context.Context) (err error) {
	schema := d.schema()
	defer func() { err = errors.Join(err, schema.close()) }()
	provider, err := schema.provider()
	if err != nil {
		return err
	}
	failedAt := int64(-1)
	for {
		err := upgrade(ctx, provider)
		if err == nil {
			return schema.migrateBeside(ctx)
		}
		version, versionErr := provider.GetDBVersion(ctx)
		if versionErr != nil || version <= failedAt {
			return fmt.Errorf("sqlstore: migrate the schema: %w", err)
		}
		failedAt = version
	}
}

// upgrade applies the migrations that are missing.
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

// migrateBeside migrates what is not ours in the database.
func (s schema) migrateBeside(ctx context.Context) (err error) {
	if s.beside == nil {
		return nil
	}
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer conn.Close()
	if err := s.locker.SessionLock(ctx, conn); err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer func() { err = errors.Join(err, s.locker.SessionUnlock(context.WithoutCancel(ctx), conn)) }()
	return s.beside(ctx)
}

func (s schema) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	options := []goose.ProviderOption{goose.WithDisableGlobalRegistry(true)}
	if s.locker != nil {
		options = append(options, goose.WithSessionLocker(s.locker))
	}
	return goose.NewProvider(s.dialect, s.db, adapted{files, s.text}, options...)
}

// adapted is a file system with every file's text changed by a function, unless that is nil.
type adapted struct {
	fs.FS
	text func(string) string
}

// Open implements fs.FS.
func (a adapted) Open(name string) (fs.File, error) {
	file, err := a.FS.Open(name)
	if err != nil || a.text == nil {
		return file, err
	}
	info, err := file.Stat()
	if err != nil || info.IsDir() {
		return file, err
	}
	text, err := io.ReadAll(file)
	return adaptedFile{file, strings.NewReader(a.text(string(text)))}, err
}

type adaptedFile struct {
	fs.File
	text *strings.Reader
}

// Read implements fs.File.
func (f adaptedFile) Read(p []byte) (int, error) { return f.text.Read(p) }
