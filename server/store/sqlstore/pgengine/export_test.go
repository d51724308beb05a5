package pgengine

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"

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
