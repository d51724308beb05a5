package sqlstore

import (
	"context"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// noteChannel is the channel of the notes.
const noteChannel = "sessions_notes"

const (
	// listenCheck is how often a silent connection is asked whether it is still there, listenPatience how long it may
	// take to answer.
	listenCheck    = 2 * time.Second
	listenPatience = 5 * time.Second
	// listenAgain is how long to wait before another connection is made.
	listenAgain = 250 * time.Millisecond
)

// pgListen calls told for each note until ctx ends, over a connection of its own, and missed whenever it has begun to
// listen: whatever happened until then.
func pgListen(ctx context.Context, config *pgx.ConnConfig, told func(payload string), missed func()) {
	pgKeep(ctx, config, func(conn *pgx.Conn) bool {
		return answers(ctx, func(ctx context.Context) error {
			_, err := conn.Exec(ctx, "LISTEN "+noteChannel)
			return err
		})
	}, missed, told)
}

// pgKeep keeps a connection until ctx ends: it calls begin with it, then begun, then notified for each notification.
// When the connection is lost, does not answer, or begin fails, it makes another.
func pgKeep(ctx context.Context, config *pgx.ConnConfig, begin func(conn *pgx.Conn) bool, begun func(), notified func(payload string)) {
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

// answers reports whether a call succeeds in time.
func answers(ctx context.Context, call func(ctx context.Context) error) bool {
	ctx, cancel := context.WithTimeout(ctx, listenPatience)
	defer cancel()
	return call(ctx) == nil
}
