package pgengine

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// setting is a setting of PostgreSQL that is asked for on each connection, whatever the role, the database or the server
// has as its default.
type setting struct {
	name, value string
	// optional settings do not exist in every version of PostgreSQL.
	optional bool
}

// relied are the settings without which the store is wrong. A URL cannot change them.
var relied = []setting{
	{name: "client_encoding", value: "UTF8"},
	{name: "default_transaction_isolation", value: "read committed"},
}

// pooled are the bounds of a connection that runs statements. A URL may have others.
func pooled(opts Options) []setting {
	return []setting{
		{name: "statement_timeout", value: inMillis(opts.StatementTimeout)},
		// A transaction that holds locks is idle only briefly, unless its process hangs or is cut off.
		{name: "idle_in_transaction_session_timeout", value: inMillis(2 * opts.StatementTimeout)},
		{name: "lock_timeout", value: "0"},
		{name: "transaction_timeout", value: "0", optional: true},
		{name: "idle_session_timeout", value: "0", optional: true},
	}
}

// unbounded are the settings of a connection that migrates, listens or holds a lock. A URL cannot change them: migrations
// may take long, and the others are silent for long.
var unbounded = []setting{
	{name: "statement_timeout", value: "0"},
	{name: "idle_in_transaction_session_timeout", value: "0"},
	{name: "lock_timeout", value: "0"},
	{name: "transaction_timeout", value: "0", optional: true},
	{name: "idle_session_timeout", value: "0", optional: true},
	// So that the death of a process's machine is noticed soon.
	{name: "tcp_keepalives_idle", value: "5"},
	{name: "tcp_keepalives_interval", value: "2"},
	{name: "tcp_keepalives_count", value: "3"},
}

// atStartup are the parameters that only the start of a connection can have, or that every pooler accepts there.
var atStartup = []string{"application_name", "options", "replication"}

// splitParams separates what a URL asks for into parameters of the start and settings. Poolers refuse most settings at the
// start of a connection, or drop them.
func splitParams(params map[string]string) (startup map[string]string, settings []setting) {
	startup = map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		if slices.Contains(atStartup, name) {
			startup[name] = params[name]
		} else {
			settings = append(settings, setting{name: name, value: params[name]})
		}
	}
	return startup, settings
}

// ask returns a function for pgconn.Config.AfterConnect that makes settings in this order, so that later ones replace
// earlier ones, and verifies that the connection keeps them. It takes no longer than a timeout.
func ask(timeout time.Duration, settings ...setting) func(ctx context.Context, conn *pgconn.PgConn) error {
	var set, show string
	var args, names [][]byte
	last := map[string]setting{}
	for _, s := range settings {
		last[s.name] = s
	}
	separator := "SELECT "
	for i, name := range slices.Sorted(maps.Keys(last)) {
		s := last[name]
		args = append(args, []byte(s.name), []byte(s.value))
		names = append(names, []byte(s.name))
		call := fmt.Sprintf("set_config($%d, $%d, false)", 2*i+1, 2*i+2)
		if s.optional {
			call = fmt.Sprintf("CASE WHEN current_setting($%d, true) IS NOT NULL THEN %s END", 2*i+1, call)
		}
		set += separator + call
		show += separator + fmt.Sprintf("current_setting($%d, true)", i+1)
		separator = ", "
	}
	return func(ctx context.Context, conn *pgconn.PgConn) error {
		ctx, cancel := context.WithTimeout(ctx, timeout)
		defer cancel()
		made := conn.ExecParams(ctx, set, args, nil, nil, nil).Read()
		if made.Err != nil {
			return made.Err
		}
		kept := conn.ExecParams(ctx, show, names, nil, nil, nil).Read()
		if kept.Err != nil {
			return kept.Err
		}
		for i, name := range names {
			if string(made.Rows[0][i]) != string(kept.Rows[0][i]) {
				return fmt.Errorf("the connection does not keep the setting %s: a pooler between the server and PostgreSQL must pool sessions", name)
			}
		}
		return nil
	}
}

func inMillis(d time.Duration) string { return strconv.FormatInt(d.Milliseconds(), 10) }
