package pgengine

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// Version connects to the database with that URL and returns the version of its schema, 0 for one without a schema.
func Version(ctx context.Context, url string, opts Options) (version int64, err error) {
	config, _, err := configOf(url, opts)
	if err != nil {
		return 0, err
	}
	conn, err := pgx.ConnectConfig(ctx, config.ConnConfig)
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %w", err)
	}
	defer func() { err = errors.Join(err, conn.Close(context.WithoutCancel(ctx))) }()
	exists := false
	err = conn.QueryRow(ctx, `SELECT to_regclass($1) IS NOT NULL`, migrations.VersionTable).Scan(&exists)
	if err == nil && exists {
		err = conn.QueryRow(ctx, migrations.SelectVersion).Scan(&version)
	}
	if err != nil {
		return 0, fmt.Errorf("sqlstore: %w", err)
	}
	return version, nil
}
