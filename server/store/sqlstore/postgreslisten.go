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
	listenPatience = 2 * time.Second
	// listenAgain is how long to wait before another connection is made.
	listenAgain = 250 * time.Millisecond
)

// pgListen calls told for each note until ctx ends, over a connection of its own. When that is lost it makes another,
// and calls missed once it listens again.
func pgListen(ctx context.Context, config *pgx.ConnConfig, told func(payload string), missed func()) {
	for first := true; ctx.Err() == nil; first = false {
		if !first {
			select {
			case <-ctx.Done():
				return
			case <-time.After(listenAgain):
			}
		}
		listenOnce(ctx, config, told, missed)
	}
}

// listenOnce returns when the connection is lost, or none is made.
func listenOnce(ctx context.Context, config *pgx.ConnConfig, told func(payload string), missed func()) {
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return
	}
	defer func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), listenPatience)
		defer cancel()
		_ = conn.Close(ctx)
	}()
	if !answers(ctx, func(ctx context.Context) error {
		_, err := conn.Exec(ctx, "LISTEN "+noteChannel)
		return err
	}) {
		return
	}
	missed() // whatever happened until now
	for {
		quiet, cancel := context.WithTimeout(ctx, listenCheck)
		n, err := conn.WaitForNotification(quiet)
		cancel()
		switch {
		case err == nil:
			told(n.Payload)
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
