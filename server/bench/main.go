// Command bench measures the program of the working tree, beside that of another revision and the generated echo handler, as
// ratios within one run. README.md explains its tables.
//
// All that is measured are processes of their own, so that the server's processor time is told apart from the load
// generator's. They take turns, and each ratio is taken within one round: what slows the machine down for some time slows down
// both sides of a ratio.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options are the command line.
type options struct {
	rounds      int
	duration    time.Duration
	connections []int
	variant     string
	cpuProfile  string
	scale       []int
	parent      string // where dir and the folder of a PostgreSQL are
	dir         string
	skipStartup bool
	footprint   int
	base        string // a git revision
	rows        string
	streams     int
}

func main() {
	if job := os.Getenv(jobVariable); job != "" {
		fail(serveJob(job, os.Stdin, os.Stdout))
		return
	}
	opts, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	fail(err)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	fail(run(ctx, os.Stdout, opts))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.base, "base", "", "compare the working tree with the program of this git revision")
	flags.StringVar(&o.rows, "rows", "", "measure only the rows with this text in their names")
	flags.IntVar(&o.streams, "streams", 5000, "how many streams of one session are open at once in the rows about streams; those beyond 20,000 come from several loopback addresses")
	flags.IntVar(&o.rounds, "rounds", 7, "how often each row is measured; tables show medians")
	flags.DurationVar(&o.duration, "duration", time.Second, "how long each row is measured in a round")
	connections := flags.String("connections", "32", "with --variant or --scale: numbers of keep-alive connections")
	flags.StringVar(&o.variant, "variant", "", "measure one variant alone, in a process of this program: a to i, as 'go test -bench Pipeline' has them, or k, (d) with an Idempotency-Key")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "with --variant: write the server process's CPU profile to this file")
	scale := flags.String("scale", "", "measure create, get and list at these numbers of sessions, such as 1000,100000")
	flags.StringVar(&o.parent, "dir", os.TempDir(), "folder for the databases, which are removed at the end")
	flags.BoolVar(&o.skipStartup, "skip-startup", false, "do not measure how the program starts")
	flags.IntVar(&o.footprint, "footprint", 0, "count what that many sessions, and their turns, add to a PostgreSQL")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if *scale != "" && !given(flags, "connections") {
		*connections = "1"
	}
	var errs [2]error
	o.connections, errs[0] = numbers("--connections", *connections)
	if *scale != "" {
		o.scale, errs[1] = numbers("--scale", *scale)
	}
	if o.cpuProfile != "" && o.variant == "" {
		return o, errors.New("--cpuprofile needs --variant")
	}
	if o.rounds < 1 || o.streams < 1 || o.duration <= 0 || flags.NArg() > 0 {
		return o, errors.New("--rounds, --streams and --duration must be positive, and there are no arguments")
	}
	return o, errors.Join(errs[:]...)
}

func given(flags *flag.FlagSet, name string) (found bool) {
	flags.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// numbers reads positive numbers, separated by commas.
func numbers(flag, text string) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.ReplaceAll(part, "_", ""))
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s: %q is not a positive number", flag, part)
		}
		list = append(list, n)
	}
	return list, nil
}

// run measures what the options ask for, in a folder of its own that it removes.
func run(ctx context.Context, out io.Writer, o options) (err error) {
	if o.dir, err = os.MkdirTemp(o.parent, "sessions-bench-"); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(o.dir)) }()
	describeMachine(out, o.dir)
	switch {
	case o.footprint > 0:
		return runFootprint(ctx, out, o)
	case len(o.scale) > 0:
		return runScale(ctx, out, o)
	case o.variant != "":
		return runOne(ctx, out, o)
	}
	return runCompare(ctx, out, o)
}
