package migrations

import (
	"context"
	"database/sql"

	"github.com/pressly/goose/v3"
)

// UpTo migrates an empty database up to a version.
func UpTo(ctx context.Context, db *sql.DB, dialect goose.Dialect, version int64) error {
	provider, err := newProvider(dialect, db)
	if err == nil {
		_, err = provider.UpTo(ctx, version)
	}
	return err
}
