// Command hostile measures what one account that means harm costs the others, on SQLite or on a PostgreSQL of its own. It
// starts a server with a bound on its address space and three friendly accounts that call GET /sessions/{id}, each over one
// connection, while another account alternates between lawful requests over 32 connections and hostile ones over 16. It
// prints how long the friends waited, what memory the server took, and which targets were missed; then it exits with 1.
//
// Build it with CGO_ENABLED=0, as the programs are: with cgo, glibc reserves 64 MiB of address space for each of up to eight
// threads for a processor, which it uses hardly any of.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/cloud-sessions/sessions/server/internal/child"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
)

// options are the command line.
type options struct {
	db           string
	total, phase time.Duration
	repeat       int // phases for each lawful one
	addressSpace uint64
	pprof        bool
}

// round is how long a lawful phase and the hostile ones after it take.
func (o options) round() time.Duration { return time.Duration(1+o.repeat) * o.phase }

func main() {
	if job := os.Getenv(jobVariable); job != "" {
		fail(serveJob(job))
		return
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	fail(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(run(ctx, os.Stdout, o))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "hostile:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("hostile", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.db, "db", "sqlite", "the database: sqlite or postgres, which is started and removed again")
	flags.DurationVar(&o.total, "for", 2*time.Minute, "how long all phases take together")
	flags.DurationVar(&o.phase, "phase", 15*time.Second, "how long a phase takes")
	flags.IntVar(&o.repeat, "hostile", 1, "how many hostile phases follow a lawful one")
	flags.Uint64Var(&o.addressSpace, "address-space", 2<<30, "bytes of address space that the server may use; Linux only")
	flags.BoolVar(&o.pprof, "pprof", false, "serve profiles of the server, at an address that is printed")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case o.db != "sqlite" && o.db != "postgres":
		return o, errors.New("set --db to sqlite or postgres")
	case o.repeat < 1:
		return o, errors.New("set --hostile to at least 1")
	case o.phase <= 0 || o.total < o.round():
		return o, fmt.Errorf("set --for to at least %d phases", 1+o.repeat)
	case flags.NArg() > 0:
		return o, errors.New("give no arguments")
	}
	return o, nil
}

// run measures a server on a database of its own.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	dsn, remove, err := database(o.db)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	process, baseURL, err := child.Start(ctx, jobVariable, job{DB: dsn, AddressSpace: o.addressSpace, Pprof: o.pprof})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Stop(20*time.Second)) }()
	friends, enemy, err := prepare(ctx, strings.TrimSpace(baseURL), dsn)
	if err != nil {
		return err
	}
	m := measurement{options: o, friends: friends, enemy: enemy, process: process, progress: progressOn(os.Stderr)}
	if err := m.measure(ctx); err != nil {
		return err
	}
	missed := m.report(out)
	fmt.Fprint(out, "\n", enemy.summary())
	if missed {
		return errors.New("targets were missed")
	}
	return nil
}

// database creates an empty database and returns its name and what removes it.
func database(kind string) (dsn string, remove func() error, err error) {
	if kind == "postgres" {
		server, err := pgserver.Start("")
		if err != nil {
			return "", nil, err
		}
		return server.URL, server.Close, nil
	}
	dir, err := os.MkdirTemp("", "hostile")
	return "sqlite:" + filepath.Join(dir, "sessions.db"), func() error { return os.RemoveAll(dir) }, err
}
