package pgengine

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgxpool"
)

const (
	// refusedFor is how long the pool opens no connection after PostgreSQL has refused one for being too many.
	refusedFor = 250 * time.Millisecond
	// freedCheck is how often a caller looks for a connection that others than callers have released.
	freedCheck = 50 * time.Millisecond
	// resetEvery bounds how often all connections of the pool are replaced.
	resetEvery = 5 * time.Second
)

// connections is what is known about the connections of a pool. Its zero value is ready for use.
type connections struct {
	mu      sync.Mutex
	refused error     // the last refusal of a connection for being too many
	until   time.Time // while the pool does not ask for another
	freed   chan struct{}
	reset   time.Time
}

// open returns nil when the pool may ask PostgreSQL for a connection, and otherwise why PostgreSQL has just refused one.
func (c *connections) open() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Now().Before(c.until) {
		return c.refused
	}
	return nil
}

// refuse remembers that PostgreSQL has refused a connection.
func (c *connections) refuse(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if now := time.Now(); !now.Before(c.until) {
		c.refused, c.until = err, now.Add(refusedFor)
	}
}

// nextFreed returns a channel that is closed when a caller releases a connection.
func (c *connections) nextFreed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.freed == nil {
		c.freed = make(chan struct{})
	}
	return c.freed
}

// free wakes the callers that wait for a connection.
func (c *connections) free() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.freed != nil {
		close(c.freed)
		c.freed = nil
	}
}

// mayReset reports whether the last reset was long enough ago, and counts as one then.
func (c *connections) mayReset() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	if now.Sub(c.reset) < resetEvery {
		return false
	}
	c.reset = now
	return true
}

// acquire returns a connection of the pool. Where PostgreSQL refuses more connections than are open, the caller waits
// until another one releases its own, or PostgreSQL accepts one.
func (e *postgres) acquire(ctx context.Context) (*pgxpool.Conn, error) {
	var refused error
	for {
		freed := e.conns.nextFreed()
		conn, err := e.pool.Acquire(ctx)
		switch {
		case err == nil:
			return conn, nil
		case tooMany(err):
			refused = err
			e.conns.refuse(err)
		case refused != nil && ctx.Err() != nil:
			return nil, refused // which says more than that the time is over
		default:
			return nil, err
		}
		select {
		case <-freed:
		case <-time.After(freedCheck):
		case <-ctx.Done():
			return nil, refused
		}
	}
}

// giveWay closes a connection of the pool that is not in use, if there is one, for a connection of another kind.
func (e *postgres) giveWay(ctx context.Context) {
	for i, conn := range e.pool.AcquireAllIdle(ctx) {
		if i == 0 {
			_ = conn.Conn().Close(ctx)
		}
		conn.Release()
	}
}

// replace has the pool close its connections once they are not in use. Those to a server that can only read are open
// after a failover that has moved the address to another server.
func (e *postgres) replace() {
	if e.conns.mayReset() {
		e.pool.Reset()
	}
}

// tooMany reports whether PostgreSQL, or a pooler, has refused a connection because there are too many.
func tooMany(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && (said.Code == "53300" || strings.Contains(said.Message, "no more connections allowed"))
}

// readOnly reports whether a statement failed since the server, or the session, can only read.
func readOnly(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Code == "25006"
}

// errReadOnly is a connection to a server that can only read.
var errReadOnly = errors.New("the server of the database can only read: it is a standby, or set so")

// writable returns nil when a connection can write.
func writable(ctx context.Context, conn *pgx.Conn) error {
	only := false
	if err := conn.QueryRow(ctx, selectReadOnly).Scan(&only); err != nil {
		return err
	}
	if only {
		return errReadOnly
	}
	return nil
}

const selectReadOnly = `SELECT current_setting('transaction_read_only') = 'on'`
