package sqlstore

import (
	"context"
	"embed"
	"fmt"
	"io/fs"

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
func (d database) migrate(ctx context.Context) error {
	failedAt := int64(-1)
	for {
		err := d.upgrade(ctx)
		if err == nil {
			return nil
		}
		version, versionErr := d.version(ctx)
		if versionErr != nil || version <= failedAt {
			return fmt.Errorf("sqlstore: migrate the schema: %w", err)
		}
		failedAt = version
	}
}

// upgrade applies the migrations that are missing.
func (d database) upgrade(ctx context.Context) error {
	provider, err := d.provider()
	if err != nil {
		return err
	}
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

func (d database) version(ctx context.Context) (int64, error) {
	provider, err := d.provider()
	if err != nil {
		return 0, err
	}
	return provider.GetDBVersion(ctx)
}

func (d database) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, err
	}
	return goose.NewProvider(d.migrations, d.write, files, goose.WithDisableGlobalRegistry(true))
}
