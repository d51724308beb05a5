// Command bench measures the server against itself: what the checks, the storage and everything around
// them cost, as ratios to the generated echo handler, all measured side by side in one run. README.md
// says how to read its tables.
//
// Every variant is a process of its own, this program again, so that the server's processor time is told
// apart from the load generator's. Variants take turns, and each ratio is taken within one round: what
// slows the machine down for a while slows down both sides of a ratio.
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
	only        string
	variant     string
	cpuProfile  string
	scale       []int
	parent      string // where dir and the folder of a PostgreSQL are
	dir         string
	skipStartup bool
	footprint   int
	base        string // a git revision
	rows        string
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
	flags.IntVar(&o.rounds, "rounds", 9, "how often each variant is measured; tables show medians")
	flags.DurationVar(&o.duration, "duration", time.Second, "how long each variant is measured in a round")
	connections := flags.String("connections", "1,32", "numbers of keep-alive connections")
	flags.StringVar(&o.only, "only", "abcdefghi", "variants to measure, by letter: g, h and i need PostgreSQL; also k, (d) with an Idempotency-Key")
	flags.StringVar(&o.variant, "variant", "", "measure this variant alone, at the last of --connections")
	flags.StringVar(&o.cpuProfile, "cpuprofile", "", "with --variant: write the server process's CPU profile to this file")
	scale := flags.String("scale", "", "measure create, get and list at these numbers of sessions, such as 1000,100000")
	flags.StringVar(&o.parent, "dir", os.TempDir(), "folder for the databases, which are removed at the end")
	flags.BoolVar(&o.skipStartup, "skip-startup", false, "do not measure how the program starts")
	flags.IntVar(&o.footprint, "footprint", 0, "count what that many sessions, and their turns, add to a PostgreSQL")
	flags.StringVar(&o.base, "base", "", "compare the program of this git revision with the working tree's")
	flags.StringVar(&o.rows, "rows", "", "with --base: only the rows with this text in their names")
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
	if o.rounds < 1 || o.duration <= 0 || flags.NArg() > 0 {
		return o, errors.New("--rounds and --duration must be positive, and there are no arguments")
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
	case o.base != "":
		return runCompare(ctx, out, o)
	case o.footprint > 0:
		return runFootprint(ctx, out, o)
	case len(o.scale) > 0:
		return runScale(ctx, out, o)
	case o.variant != "":
		return runOne(ctx, out, o)
	}
	return runAll(ctx, out, o)
}
