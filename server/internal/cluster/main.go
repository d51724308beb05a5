// Command cluster demonstrates many replicas on one PostgreSQL, all on this machine: it starts the database, the
// replicas as processes, and a proxy that sends them requests in turn. When it ends, it stops and removes everything.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store/pgserver"
)

// options are the command line.
type options struct {
	addr     string
	replicas int
	token    string
}

func main() {
	if text := os.Getenv(replicaVariable); text != "" {
		fail(serveReplica(text, os.Stdin, os.Stdout, os.Stderr))
		return
	}
	o, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	fail(err)
	ctx, hurry := stops()
	fail(run(ctx, hurry, os.Stdout, o))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "cluster:", err)
		os.Exit(1)
	}
}

// stops returns contexts that the first and the second SIGINT or SIGTERM cancel.
func stops() (first, second context.Context) {
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	first, stop := context.WithCancel(context.Background())
	second, hurry := context.WithCancel(context.Background())
	go func() {
		<-signals
		stop()
		<-signals
		hurry()
	}()
	return first, second
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("cluster", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.addr, "addr", "127.0.0.1:8080", "the proxy's address, HOST:PORT; port 0 selects a free one")
	flags.IntVar(&o.replicas, "replicas", 3, "how many replicas to start")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.replicas < 1 || flags.NArg() > 0 {
		return o, errors.New("set --replicas to at least 1, and give no arguments")
	}
	if o.token = os.Getenv("QODER_PAT"); o.token == "" {
		o.token = auth.Mint()
	}
	if err := server.CheckDemoToken(o.addr, o.token); err != nil {
		return o, err
	}
	return o, nil
}

// run runs the cluster until ctx ends, then stops it: replicas finish the requests under way, unless hurry ends too.
func run(ctx, hurry context.Context, out io.Writer, o options) (err error) {
	postgres, err := pgserver.Start("")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, postgres.Close()) }()
	all := make([]*replica, o.replicas)
	defer func() { err = errors.Join(err, stopAll(all)) }()
	for i := range all {
		if all[i], err = startReplica(hurry, replicaJob{Number: i + 1, DB: postgres.URL, Token: o.token}); err != nil {
			return err
		}
		fmt.Fprintf(out, "replica %d: %s, process %d\n", i+1, all[i].url, all[i].Cmd.Process.Pid)
	}
	proxy, err := startProxy(o.addr, newBalancer(all))
	if err != nil {
		return err
	}
	demo := server.Demo{Token: o.token}
	fmt.Fprintf(out, "PostgreSQL: %s\nlistening on %s, a proxy to the replicas in turn\n\nCreate a session:\n\n%s\n\n",
		postgres.URL, proxy.url, demo.Curl(proxy.url))
	<-ctx.Done()
	err = stopAll(all) // they end their streams, which the proxy would wait for
	clear(all)
	bounded, cancel := context.WithTimeout(hurry, patience)
	defer cancel()
	proxy.close(bounded)
	return err
}

// patience is how long a replica may take to stop.
const patience = 15 * time.Second
