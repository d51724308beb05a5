package pgengine

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// channel is the channel of the stores' notifications.
const channel = "sessions_notes"

// notifier implements engine.Notifier with LISTEN and NOTIFY.
type notifier struct{ config *pgx.ConnConfig }

// Notify implements engine.Notifier.
func (n *notifier) Notify(ctx context.Context, tx engine.Tx, payload string) error {
	_, err := tx.Exec(ctx, `SELECT pg_notify($1, $2)`, []any{channel, payload})
	return err
}

const (
	// listenCheck is how often a silent connection is checked, listenPatience how long a check may take.
	listenCheck    = 2 * time.Second
	listenPatience = 5 * time.Second
	// listenAgain is how long to wait before the next attempt to connect.
	listenAgain = 250 * time.Millisecond
)

// Listen uses a connection of its own. It calls missed whenever that has begun to listen.
func (n *notifier) Listen(ctx context.Context, notified func(payload string), missed func()) {
	keepConn(ctx, n.config, func(conn *pgx.Conn) bool {
		return answers(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "LISTEN "+channel)
			return err
		})
	}, missed, notified)
}

// keepConn keeps a connection until ctx ends: it calls begin with it, then begun, then notified for each notification.
// When the connection is lost, does not respond, or begin fails, it opens another.
func keepConn(ctx context.Context, config *pgx.ConnConfig, begin func(conn *pgx.Conn) bool, begun func(), notified func(payload string)) {
	for {
		if conn, err := pgx.ConnectConfig(ctx, config); err == nil {
			if begin(conn) {
				begun()
				keep(ctx, conn, notified)
			}
			closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), listenPatience)
			_ = conn.Close(closing)
			cancel()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(listenAgain):
		}
	}
}

// keep returns when the connection is lost, or ctx ends.
func keep(ctx context.Context, conn *pgx.Conn, notified func(payload string)) {
	for {
		quiet, cancel := context.WithTimeout(ctx, listenCheck)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			notified(n.Payload)
		case ctx.Err() != nil, !errors.Is(err, context.DeadlineExceeded) || conn.IsClosed():
			return
		case !answers(ctx, conn.Ping):
			return
		}
	}
}

// answers reports whether a call succeeds within listenPatience.
func answers(ctx context.Context, call func(ctx context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	return call(ctx) == nil
}
