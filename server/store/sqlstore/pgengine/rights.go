package pgengine

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/migrations"
)

// checkRights returns an error that names the first right of the role that is missing.
func checkRights(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, missingRights, migrations.Tables())
	if err != nil {
		return fmt.Errorf("sqlstore: %w", err)
	}
	defer rows.Close()
	if rows.Next() {
		var role, right, object string
		if err := rows.Scan(&role, &right, &object); err != nil {
			return fmt.Errorf("sqlstore: %w", err)
		}
		return fmt.Errorf("sqlstore: the role %q lacks a right: %s on %s; it needs SELECT, INSERT, UPDATE and DELETE on all tables",
			role, right, object)
	}
	return rows.Err()
}

// missingRights selects the rights that the role lacks. A table that does not exist gives no right.
const missingRights = `
	WITH tables AS (SELECT name, to_regclass(name) AS id FROM unnest($1::text[]) AS name)
	SELECT current_user, needed, name FROM tables, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) AS needed
	WHERE id IS NULL OR NOT has_table_privilege(id, needed)`
