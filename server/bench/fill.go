package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

const (
	// fillAgents share the sessions in turn.
	fillAgents = 10
	// fillBatch is how many rows one statement adds.
	fillBatch = 100_000
	// fillSample is how many sessions are got, in turn; more than fit the connections' caches.
	fillSample = 5000
)

// filled is a database with n sessions of one account.
type filled struct {
	n           int
	agents      []string
	environment string
	middle      string
	sample      []string
	megabytes   float64
}

// fill makes a database with n sessions. The store makes the account, its agents, the environment and one
// session of each agent; those are then copied inside SQLite, under new ids and times, a millisecond apart
// and in the order of the ids, as the store would have made them. That is some thirty times as fast as
// the store, and knows no column but those it changes.
func fill(ctx context.Context, path string, n int) (filled, error) {
	f := filled{n: n}
	if n < fillAgents {
		return f, fmt.Errorf("at least %d sessions", fillAgents)
	}
	if err := f.begin(ctx, "sqlite:"+path); err != nil {
		return f, err
	}
	first := time.Now().Add(-time.Duration(n+1000) * time.Millisecond).UnixMilli()
	if err := copySessions(ctx, path, first, n-fillAgents); err != nil {
		return f, err
	}
	copyID := func(i int) string {
		return fmt.Sprintf("sess_%012x7%03x8%015x", first+int64(i), i%4096, i)
	}
	copies := max(n-fillAgents, 1)
	f.middle = copyID(copies / 2)
	for range min(copies, fillSample) {
		f.sample = append(f.sample, copyID(rand.IntN(copies)))
	}
	info, err := os.Stat(path)
	if err != nil {
		return f, err
	}
	f.megabytes = float64(info.Size()) / 1e6
	return f, nil
}

// begin makes, through the store, what is copied.
func (f *filled) begin(ctx context.Context, dsn string) (err error) {
	const account = server.DemoAccount // whose token openServer takes
	db, err := sqlstore.Open(ctx, dsn, sqlstore.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return db.Atomically(ctx, func(ctx context.Context) error {
		if _, err := db.CreateToken(ctx, store.NewToken{Account: account, Name: "bench", Hash: auth.Hash(token)}); err != nil {
			return err
		}
		environment, err := db.CreateEnvironment(ctx, account, store.EnvironmentSpec{Name: "default", Config: []byte(`{"type":"cloud"}`)})
		if err != nil {
			return err
		}
		f.environment = environment.ID
		for i := range fillAgents {
			agent, err := db.CreateAgent(ctx, account, store.AgentSpec{
				Name: fmt.Sprintf("agent %d", i), Description: "E2E 测试用 Agent", Model: "ultimate", System: "你是一个测试助手",
				Tools: []byte("[]"), MCPServers: []byte("[]"), Skills: []byte("[]"),
			})
			if err != nil {
				return err
			}
			f.agents = append(f.agents, agent.ID)
			if _, err := db.CreateSession(ctx, account, sessionSpec(agent.ID, environment.ID)); err != nil {
				return err
			}
		}
		return nil
	})
}

// copySessions adds n copies of the sessions that are there, from first on, in milliseconds since 1970.
func copySessions(ctx context.Context, path string, first int64, n int) (err error) {
	db, err := sql.Open("sqlite", path+"?_pragma=synchronous(off)&_pragma=cache_size(-200000)")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	db.SetMaxOpenConns(1) // the temporary table belongs to a connection
	var columns []string
	rows, err := db.QueryContext(ctx, `SELECT name FROM pragma_table_info('sessions')`)
	if err != nil {
		return err
	}
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return errors.Join(err, rows.Close())
		}
		columns = append(columns, name)
	}
	if err := rows.Err(); err != nil {
		return err
	}
	values := make([]string, len(columns))
	for i, name := range columns {
		switch name {
		case "id":
			values[i] = `printf('sess_%012x7%03x8%015x', $1 + n.i, n.i % 4096, n.i)`
		case "created_at", "updated_at":
			values[i] = `($1 + n.i) * 1000`
		default:
			values[i] = "t." + name
		}
	}
	if _, err := db.ExecContext(ctx, `CREATE TEMP TABLE template AS SELECT *, row_number() OVER (ORDER BY id) - 1 AS turn FROM sessions`); err != nil {
		return err
	}
	for from := 0; from < n; from += fillBatch {
		_, err := db.ExecContext(ctx, fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT $2 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < $3)
			INSERT INTO sessions (%s) SELECT %s FROM n JOIN template t ON t.turn = n.i %% %d`,
			strings.Join(columns, ", "), strings.Join(values, ", "), fillAgents), first, from, min(from+fillBatch, n))
		if err != nil {
			return err
		}
	}
	_, err = db.ExecContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`)
	return err
}
