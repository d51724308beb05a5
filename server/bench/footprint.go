package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
)

const (
	// footprintTurns is how many turns each session has.
	footprintTurns = 3
	// footprintCallers is how many requests are under way at a time.
	footprintCallers = 32
	// footprintWords is the length of each message; the answer has two words more.
	footprintWords = 100
)

// runFootprint makes sessions and their turns through the API on a PostgreSQL, and prints what each adds to it.
func runFootprint(ctx context.Context, out io.Writer, o options) (err error) {
	pg, err := pgserver.Start(o.parent)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, pg.Close()) }()
	db, err := pgserver.CreateDatabase(pg.URL, "footprint")
	if err != nil {
		return err
	}
	conn, err := pgx.Connect(ctx, db)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	ids, created, err := footprintOf(ctx, conn, db, o.footprint, func(c *http.Client, baseURL string) error { return createSessions(ctx, c, baseURL, o.footprint) })
	if err != nil {
		return err
	}
	_, turned, err := footprintOf(ctx, conn, db, o.footprint*footprintTurns, func(c *http.Client, baseURL string) error {
		for range footprintTurns {
			if err := sendMessages(ctx, c, baseURL, ids); err != nil {
				return err
			}
			if err := untilIdle(ctx, conn); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	printFootprint(out, fmt.Sprintf("a session, of %d", o.footprint), created)
	printFootprint(out, fmt.Sprintf("a turn, of %d, with a message of %d words", o.footprint*footprintTurns, footprintWords), turned)
	return nil
}

// used is what one of many took.
type used struct {
	rows, bytes  map[string]float64 // by table
	wal, commits float64            // bytes, transactions
	cpu          float64            // seconds of all processes of PostgreSQL; 0 where there is no /proc
}

// footprintOf serves while work is done n times over, and returns the ids of the sessions and what one time took.
func footprintOf(ctx context.Context, conn *pgx.Conn, db string, n int, work func(c *http.Client, baseURL string) error) (ids []string, u used, err error) {
	serve := func(work func(c *http.Client, baseURL string) error) error {
		s, err := openServer(ctx, db)
		if err != nil {
			return err
		}
		ctx, stop := context.WithCancel(ctx)
		defer stop()
		listening, ended := make(chan string, 1), make(chan error, 1)
		go func() { ended <- s.Run(ctx, func(baseURL string) { listening <- baseURL }) }()
		transport := &http.Transport{MaxIdleConnsPerHost: footprintCallers}
		err = work(&http.Client{Transport: transport}, <-listening)
		transport.CloseIdleConnections()
		stop()
		return errors.Join(err, <-ended, s.Close())
	}
	if err := serve(func(*http.Client, string) error { return nil }); err != nil { // migrates, once
		return nil, u, err
	}
	before, err := takeStock(ctx, conn)
	if err != nil {
		return nil, u, err
	}
	if err := serve(work); err != nil {
		return nil, u, err
	}
	after, err := takeStock(ctx, conn)
	if err != nil {
		return nil, u, err
	}
	per := func(before, after map[string]float64) map[string]float64 {
		each := map[string]float64{}
		for name := range after {
			if d := (after[name] - before[name]) / float64(n); d > 0.01 {
				each[name] = d
			}
		}
		return each
	}
	u.rows, u.bytes = per(before.rows, after.rows), per(before.bytes, after.bytes)
	u.wal, u.commits = (after.wal-before.wal)/float64(n), (after.commits-before.commits)/float64(n)
	u.cpu = (after.cpu - before.cpu) / float64(n)
	rows, err := conn.Query(ctx, `SELECT id FROM sessions ORDER BY id`)
	if err != nil {
		return nil, u, err
	}
	ids, err = pgx.CollectRows(rows, pgx.RowTo[string])
	return ids, u, err
}

// cpuOfPostgres sums up the processes that are there and those that have ended, in seconds.
const cpuOfPostgres = `
	SELECT coalesce(sum(t[12]::float8 + t[13]::float8 + t[14]::float8 + t[15]::float8), 0) / 100 FROM (
		SELECT string_to_array(split_part(pg_read_file('/proc/' || pid || '/stat', 0, 1000, true), ') ', 2), ' ') FROM (
			SELECT pid::text FROM pg_stat_activity UNION ALL SELECT split_part(pg_read_file('postmaster.pid'), E'\n', 1)
		) AS processes (pid)
	) AS times (t)`

// takeStock counts what is in the database, vacuumed, while nobody else is connected to it.
func takeStock(ctx context.Context, conn *pgx.Conn) (u used, err error) {
	u.rows, u.bytes = map[string]float64{}, map[string]float64{}
	if _, err := conn.Exec(ctx, `VACUUM`); err != nil {
		return u, err
	}
	err = conn.QueryRow(ctx, `SELECT pg_current_wal_lsn() - '0/0', xact_commit FROM pg_stat_database WHERE datname = current_database()`).Scan(&u.wal, &u.commits)
	if err != nil {
		return u, err
	}
	if err := conn.QueryRow(ctx, cpuOfPostgres).Scan(&u.cpu); err != nil {
		return u, err
	}
	rows, err := conn.Query(ctx, `SELECT relname, pg_total_relation_size(oid) FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace`)
	if err != nil {
		return u, err
	}
	var name string
	var bytes int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &bytes}, func() error {
		u.bytes[name] = float64(bytes)
		return nil
	}); err != nil {
		return u, err
	}
	for name := range u.bytes {
		var n int64
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM `+pgx.Identifier{name}.Sanitize()).Scan(&n); err != nil {
			return u, err
		}
		u.rows[name] = float64(n)
	}
	return u, nil
}

// createSessions makes n sessions, each with an idempotency key.
func createSessions(ctx context.Context, c *http.Client, baseURL string, n int) error {
	body := createBody(server.DemoAgent, server.DemoEnvironment)
	return eachOf(n, func(i int) error { return post(ctx, c, baseURL+mount+"/sessions", fmt.Sprintf("create-%d", i), body) })
}

// sendMessages sends each session a message, with an idempotency key.
func sendMessages(ctx context.Context, c *http.Client, baseURL string, ids []string) error {
	body := `{"events":[{"type":"user.message","content":"` + strings.TrimSpace(strings.Repeat("words ", footprintWords)) + `"}]}`
	run := time.Now().UnixNano()
	return eachOf(len(ids), func(i int) error {
		return post(ctx, c, baseURL+mount+"/sessions/"+ids[i]+"/events", fmt.Sprintf("send-%d-%d", run, i), body)
	})
}

func post(ctx context.Context, c *http.Client, url, key, body string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Idempotency-Key", key)
	answer, err := c.Do(r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err == nil && answer.StatusCode/100 != 2 {
		err = fmt.Errorf("POST %s: status %d: %s", url, answer.StatusCode, text)
	}
	return err
}

// eachOf calls do with 0 to n-1, footprintCallers at a time.
func eachOf(n int, do func(i int) error) error {
	errs := make([]error, footprintCallers)
	var callers sync.WaitGroup
	for c := range footprintCallers {
		callers.Go(func() {
			for i := c; i < n && errs[c] == nil; i += footprintCallers {
				errs[c] = do(i)
			}
		})
	}
	callers.Wait()
	return errors.Join(errs...)
}

// untilIdle waits for the end of all turns.
func untilIdle(ctx context.Context, conn *pgx.Conn) error {
	for {
		var busy int
		if err := conn.QueryRow(ctx, `SELECT count(*) FROM sessions WHERE turn_id <> ''`).Scan(&busy); err != nil || busy == 0 {
			return err
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func printFootprint(out io.Writer, what string, u used) {
	fmt.Fprintf(out, "\n%s: %.1f transactions, %.0f bytes of WAL, %.1f ms of PostgreSQL's CPU time\n\n", what, u.commits, u.wal, 1e3*u.cpu)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "table\trows\tbytes, with indexes\t")
	for _, name := range slices.Sorted(maps.Keys(u.rows)) {
		fmt.Fprintf(table, "%s\t%.2f\t%.0f\t\n", name, u.rows[name], u.bytes[name])
	}
	_ = table.Flush()
}
