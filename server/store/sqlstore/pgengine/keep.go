package pgengine

import (
	"context"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
)

// keeper keeps connections open that are used for one purpose each, besides the pool's.
type keeper struct {
	config *pgx.ConnConfig
	log    *slog.Logger
	// giveWay closes a connection of the pool when PostgreSQL refuses this one for being too many.
	giveWay func(ctx context.Context)
}

const (
	// keepAgain is how long to wait before the next attempt to connect.
	keepAgain = 250 * time.Millisecond
	// keepWarn is how often the loss of connections for one purpose is logged.
	keepWarn = time.Minute
)

// keep calls use with a connection to a server that writes, and with another one whenever use returns, until ctx ends. It
// calls failed, unless that is nil, when there is no connection to use.
func (k *keeper) keep(ctx context.Context, purpose string, use func(ctx context.Context, conn *pgx.Conn) error, failed func(error)) {
	var warned time.Time
	for lost := 1; ; lost++ {
		conn, err := k.connect(ctx)
		if err == nil {
			err = use(ctx, conn)
			k.close(ctx, conn)
		} else if failed != nil {
			failed(err)
		}
		if ctx.Err() == nil && time.Since(warned) >= keepWarn {
			k.log.Warn("a connection to PostgreSQL was lost or not established", "for", purpose, "times", lost, "error", err)
			lost, warned = 0, time.Now()
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(keepAgain):
		}
	}
}

func (k *keeper) connect(ctx context.Context) (*pgx.Conn, error) {
	conn, err := pgx.ConnectConfig(ctx, k.config)
	if err != nil {
		if tooMany(err) {
			k.giveWay(ctx)
		}
		return nil, err
	}
	if err := within(ctx, func(ctx context.Context) error { return writable(ctx, conn) }); err != nil {
		k.close(ctx, conn)
		return nil, err
	}
	return conn, nil
}

func (k *keeper) close(ctx context.Context, conn *pgx.Conn) {
	_ = within(context.WithoutCancel(ctx), conn.Close)
}
