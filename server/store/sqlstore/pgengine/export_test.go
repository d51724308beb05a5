package pgengine

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// countingConn counts the round trips on a connection: writes that follow a read.
type countingConn struct {
	net.Conn
	trips *int
	wrote bool
}

func (c *countingConn) Write(p []byte) (int, error) {
	if !c.wrote {
		c.wrote = true
		*c.trips++
	}
	return c.Conn.Write(p)
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.wrote = false
	return n, err
}

// CountTrips has a database use one connection and count its round trips.
func CountTrips(t *testing.T, db engine.Database) (trips *int) {
	t.Helper()
	trips = new(int)
	e := db.Engine.(*postgres)
	db.Notifier.(*notifier).send = func(context.Context, string) error { return errors.New("proofs would be counted") }
	config := e.pool.Config()
	dial := config.ConnConfig.DialFunc
	config.MaxConns = 1
	config.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		conn, err := dial(ctx, network, address)
		return &countingConn{Conn: conn, trips: trips}, err
	}
	e.pool.Close()
	pool, err := pgxpool.NewWithConfig(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	e.pool = pool
	return trips
}

// Settings returns settings as they are on a new connection that is kept for one purpose.
func Settings(ctx context.Context, db engine.Database, names []string) (values []string, err error) {
	conn, err := db.Engine.(*postgres).kept.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT array_agg(current_setting(name, true) ORDER BY at) FROM unnest($1::text[]) WITH ORDINALITY AS s(name, at)`, names).Scan(&values)
	return values, err
}

// ReplaceProofs has a listener send its proofs by another function.
func ReplaceProofs(db engine.Database, send func(ctx context.Context, payload string) error) (original func(ctx context.Context, payload string) error) {
	n := db.Notifier.(*notifier)
	original, n.send = n.send, send
	return original
}

// UnlockSchema releases the lock of the schema over a connection of its own, which does not hold it.
func UnlockSchema(ctx context.Context, db engine.Database) error {
	pool := stdlib.OpenDB(*db.Engine.(*postgres).kept.config)
	defer pool.Close()
	conn, err := pool.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return schemaLock{slog.New(slog.DiscardHandler)}.SessionUnlock(ctx, conn)
}

// LookEvery sets how often the queue looks for turns that nothing has notified it of.
func LookEvery(db engine.Database, d time.Duration) { db.Queue.(*queue).every = d }

// FillInbox leaves no room for large rows until the function that it returns is called.
func FillInbox(db engine.Database) (empty func()) {
	i := db.Engine.(*postgres).inbox
	if !i.room.TryAcquire(inboxBytes) {
		panic("something is read")
	}
	return func() { i.room.Release(inboxBytes) }
}

// HoldReads takes all round trips of shared reads until the function that it returns is called, HoldWrites those of writes.
func HoldReads(db engine.Database) (let func())  { return holdTrips(&db.Engine.(*postgres).reads) }
func HoldWrites(db engine.Database) (let func()) { return holdTrips(&db.Engine.(*postgres).writes) }

func holdTrips(r *trips) (let func()) {
	for range r.most {
		if r.join(nil) {
			panic("something is read")
		}
	}
	return func() {
		for range r.most {
			r.leave()
		}
	}
}

// WaitingReads returns how many shared reads wait, WaitingWrites how many writes.
func WaitingReads(db engine.Database) int  { return db.Engine.(*postgres).reads.count() }
func WaitingWrites(db engine.Database) int { return db.Engine.(*postgres).writes.count() }

func (r *trips) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.waiting)
}

// LeaveWithLead has a read that is to send another one with its own when its caller leaves, and returns the other's error.
func LeaveWithLead(ctx context.Context, db engine.Database) error {
	r := &db.Engine.(*postgres).reads
	var both []*sharedTrip
	for range 2 {
		read := &sharedTrip{query: engine.Query{Text: "SELECT 1"}, each: func(engine.Scanner) error { return nil }, lead: make(chan []*sharedTrip, 1), done: make(chan struct{})}
		r.join(read)
		both = append(both, read)
	}
	r.leave()
	left, leave := context.WithCancel(ctx)
	leave()
	_ = r.abandon(left, both[0])
	select {
	case <-both[1].done:
		return both[1].err
	default:
		return errors.New("it was not sent")
	}
}

// Held returns how many turns the workers of this process run, or are about to.
func Held(db engine.Database) int {
	q := db.Queue.(*queue)
	q.mu.Lock()
	h := q.here
	q.mu.Unlock()
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.held)
}
