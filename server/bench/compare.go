package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"
)

// load is what a row asks of a program for a time.
type load interface {
	measure(ctx context.Context, duration time.Duration) (sample, error)
}

// row is what is measured of two programs, side by side.
type row struct {
	name   string
	engine engine
	// prepare returns the row's load of a program that serves its own database, with seeded sessions.
	prepare func(ctx context.Context, p *program) (load, error)
	goals   []goal
}

// goal is a bound on what a row measures.
type goal struct {
	what string
	// got is measured by the samples of the working tree and those of the base, round by round.
	got    func(work, base []sample) float64
	bound  float64
	atMost bool
}

// times is the goal that throughput is so many times that of the base.
func times(n float64) goal {
	return goal{what: "requests per second to the base", got: func(work, base []sample) float64 {
		return ratioOf(work, base, perSecond).middle
	}, bound: n}
}

// rowsOf are the rows of a comparison.
func rowsOf() []row {
	talk := func(conversations, length int) func(context.Context, *program) (load, error) {
		return func(_ context.Context, p *program) (load, error) { return turns{p, conversations, length}, nil }
	}
	tail := goal{what: "p99 to p50", bound: 3, atMost: true, got: func(work, _ []sample) float64 {
		return median(each(work, func(s sample) float64 { return seconds(s.p99) / seconds(s.p50) }))
	}}
	return []row{
		{"turns of one session, SQLite", sqlite, talk(1, 20), nil},
		{"turns of 32 sessions, SQLite", sqlite, talk(32, 20), []goal{times(4)}},
		{"whole turns, 1 at a time, PostgreSQL", postgres, talk(1, 1), []goal{times(30), tail}},
		{"whole turns, 4 at a time, PostgreSQL", postgres, talk(4, 1), []goal{tail}},
		{"whole turns, 16 at a time, PostgreSQL", postgres, talk(16, 1), []goal{times(15), tail}},
	}
}

// side is one of the two programs.
type side struct {
	name, binary string
	running      map[engine]*program
	loads        []load     // by row
	samples      [][]sample // by row, one of each round
}

// runCompare builds the program as the base revision has it and as the working tree has it, measures both in turn, and
// prints the table.
func runCompare(ctx context.Context, out io.Writer, o options) (err error) {
	var rows []row
	for _, r := range rowsOf() {
		if o.rows == "" || strings.Contains(r.name, o.rows) {
			rows = append(rows, r)
		}
	}
	sides := []*side{{name: "base"}, {name: "work"}}
	for _, s := range sides {
		s.binary = filepath.Join(o.dir, "sessionsd-"+s.name)
		s.running, s.loads, s.samples = map[engine]*program{}, make([]load, len(rows)), make([][]sample, len(rows))
	}
	if err := errors.Join(buildRevision(ctx, o.dir, o.base, sides[0].binary), build(ctx, "", sides[1].binary)); err != nil {
		return err
	}
	variants := make([]variant, len(rows))
	for i, r := range rows {
		variants[i].engine = r.engine
	}
	dbs, _, err := prepareDatabases(out, o.parent, o.dir, variants)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dbs.close()) }()
	defer func() {
		for _, s := range sides {
			for _, p := range s.running {
				err = errors.Join(err, p.stop())
			}
		}
	}()
	for i, r := range rows {
		for _, s := range sides {
			if s.loads[i], err = s.prepare(ctx, dbs, r); err != nil {
				return fmt.Errorf("%s, %s: %w", r.name, s.name, err)
			}
		}
	}
	for round := range o.rounds {
		for i, r := range rows {
			for turn := range sides {
				s := sides[(turn+round)%len(sides)]
				got, err := s.loads[i].measure(ctx, o.duration)
				if err != nil {
					return fmt.Errorf("%s, %s: %w", r.name, s.name, err)
				}
				s.samples[i] = append(s.samples[i], got)
			}
		}
	}
	printComparison(out, rows, sides[0], sides[1], o)
	return nil
}

// prepare starts the side's program on the row's engine, unless it runs already, and prepares the row.
func (s *side) prepare(ctx context.Context, dbs databases, r row) (load, error) {
	p := s.running[r.engine]
	if p == nil {
		db, err := dbs.fresh(variant{engine: r.engine}, "compared_"+s.name)
		if err != nil {
			return nil, err
		}
		if p, err = startProgram(ctx, s.binary, db, "--max-streams", "100000"); err != nil {
			return nil, err
		}
		s.running[r.engine] = p
	}
	return r.prepare(ctx, p)
}

func printComparison(out io.Writer, rows []row, base, work *side, o options) {
	fmt.Fprintf(out, "\n%s and the working tree; %d rounds of %s: medians; ratios within one round: median (lowest-highest)\n\n", o.base, o.rounds, o.duration)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tbase/s\twork/s\tratio\tbase p50 µs\twork p50 µs\tratio\tbase p99 µs\twork p99 µs\tserver CPU µs\tclient CPU µs\t")
	var list []target
	for i, r := range rows {
		was, is := base.samples[i], work.samples[i]
		fmt.Fprintf(table, "%s\t%.0f\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.name,
			median(each(was, perSecond)), median(each(is, perSecond)), ratioOf(is, was, perSecond),
			microseconds(median(each(was, p50))), microseconds(median(each(is, p50))), ratioOf(is, was, p50Seconds),
			microseconds(median(each(was, p99))), microseconds(median(each(is, p99))),
			microseconds(median(each(is, serverCPU))), microseconds(median(each(is, clientCPU))))
		for _, g := range r.goals {
			list = append(list, target{r.name + ": " + g.what, g.got(is, was), "%.2f", g.bound, g.atMost})
		}
	}
	_ = table.Flush()
	printTargets(out, list)
}
