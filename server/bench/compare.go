package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/cloud-sessions/sessions/server/store/pgserver"
)

// seeded is how many sessions a program has at first.
const seeded = 200

// side is one of the programs that are compared.
type side struct {
	revision string // in git; "" is the working tree
	binary   string
	dbs      databases

	running map[string]*program // by database
	stops   []func() error
	loads   []load     // by row; nil where the row is not about this side
	samples [][]sample // by row, one of each round
	start   startup
}

// name is part of the names of the side's files and databases.
func (s *side) name() string {
	if s.revision == "" {
		return "work"
	}
	return "base"
}

// onStop has a function called at the end.
func (s *side) onStop(stop func() error) { s.stops = append(s.stops, stop) }

func (s *side) stop() (err error) {
	for _, stop := range s.stops {
		err = errors.Join(err, stop())
	}
	return err
}

// program returns the side's program on a database engine, with seeded sessions.
func (s *side) program(ctx context.Context, on engine) (*program, error) {
	return s.ownProgram(ctx, on, fmt.Sprintf("seeded_%d", on))
}

// ownProgram returns the side's program on the database with that name, which it creates with seeded sessions.
func (s *side) ownProgram(ctx context.Context, on engine, name string) (*program, error) {
	if p := s.running[name]; p != nil {
		return p, nil
	}
	db, err := s.dbs.fresh(variant{engine: on}, s.name()+"_"+name)
	if err != nil {
		return nil, err
	}
	return s.serve(ctx, name, db, seeded)
}

// serve starts the side's program on a database and creates sessions.
func (s *side) serve(ctx context.Context, name, db string, sessions int) (*program, error) {
	p, err := startProgram(ctx, s.binary, db, "--max-streams", "100000")
	if err != nil {
		return nil, err
	}
	s.running[name] = p
	s.onStop(p.stop)
	p.sessions, err = createSome(ctx, p.addr, sessions)
	return p, err
}

// filled returns the side's program on a PostgreSQL database with many sessions: one that has never been analyzed, or a copy
// of it that is.
func (s *side) filled(ctx context.Context, analyzed bool) (*program, error) {
	names := map[bool]string{false: "unanalyzed", true: "analyzed"}
	if p := s.running[names[analyzed]]; p != nil {
		return p, nil
	}
	plain, err := s.dbs.fresh(variant{engine: postgres}, s.name()+"_unanalyzed")
	if err != nil {
		return nil, err
	}
	p, err := startProgram(ctx, s.binary, plain)
	if err != nil {
		return nil, err
	}
	err = pgserver.Execute(plain, `ALTER TABLE sessions SET (autovacuum_enabled = off)`)
	var ids []string
	if err == nil {
		ids, err = createSome(ctx, p.addr, many)
	}
	if err = errors.Join(err, p.stop()); err != nil {
		return nil, err
	}
	copied := strings.Replace(plain, s.name()+"_unanalyzed", s.name()+"_analyzed", 1)
	if err := pgserver.Execute(s.dbs.server.URL, "CREATE DATABASE "+s.name()+"_analyzed TEMPLATE "+s.name()+"_unanalyzed"); err != nil {
		return nil, err
	}
	if err := pgserver.Execute(copied, `ANALYZE`); err != nil {
		return nil, err
	}
	for name, db := range map[string]string{names[false]: plain, names[true]: copied} {
		p, err := s.serve(ctx, name, db, 0)
		if err != nil {
			return nil, err
		}
		p.sessions = ids
	}
	return s.running[names[analyzed]], nil
}

// comparison is a run.
type comparison struct {
	options
	rows  []row
	sides []*side // the working tree, then the base, if there is one
}

// runCompare measures the program of the working tree and that of the base revision in turn, and prints the table.
func runCompare(ctx context.Context, out io.Writer, o options) (err error) {
	c := &comparison{options: o, sides: []*side{{}}}
	if o.base != "" {
		c.sides = append(c.sides, &side{revision: o.base})
	}
	engines := []variant{}
	for _, r := range rows(o) {
		if o.rows == "" || strings.Contains(r.name, o.rows) {
			c.rows = append(c.rows, r)
			engines = append(engines, variant{engine: r.engine})
		}
	}
	dbs, left, err := prepareDatabases(out, o.parent, o.dir, engines)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dbs.close()) }()
	if len(left) < len(engines) {
		c.rows = withoutPostgres(c.rows)
	}
	defer func() {
		for _, s := range c.sides {
			err = errors.Join(err, s.stop())
		}
	}()
	if err := c.prepare(ctx, dbs); err != nil {
		return err
	}
	if err := c.measure(ctx); err != nil {
		return err
	}
	c.print(out)
	printTargets(out, c.targets())
	return nil
}

func withoutPostgres(rows []row) (rest []row) {
	for _, r := range rows {
		if r.engine != postgres {
			rest = append(rest, r)
		}
	}
	return rest
}

// prepare builds the programs, starts them and prepares all rows.
func (c *comparison) prepare(ctx context.Context, dbs databases) (err error) {
	for _, s := range c.sides {
		s.dbs, s.running = dbs, map[string]*program{}
		s.binary = filepath.Join(c.dir, "sessionsd-"+s.name())
		if s.revision == "" {
			err = build(ctx, "", s.binary)
		} else {
			err = buildRevision(ctx, c.dir, s.revision, s.binary)
		}
		if err != nil {
			return err
		}
		if !c.skipStartup {
			if s.start, err = measureStartup(ctx, c.dir, s.name(), s.binary); err != nil {
				return err
			}
		}
		s.samples = make([][]sample, len(c.rows))
		for _, r := range c.rows {
			l, err := r.prepare(ctx, s)
			if err != nil {
				return fmt.Errorf("%s, %s: %w", r.name, s.name(), err)
			}
			s.loads = append(s.loads, l)
		}
	}
	return nil
}

// measure measures each row of each side once a round. The sides take turns, and begin in turn.
func (c *comparison) measure(ctx context.Context) error {
	for round := range c.rounds {
		for i, r := range c.rows {
			for turn := range c.sides {
				s := c.sides[(turn+round)%len(c.sides)]
				if s.loads[i] == nil {
					continue
				}
				got, err := s.loads[i].measure(ctx, c.duration*max(1, timeFactor(r)))
				if err != nil {
					return fmt.Errorf("%s, %s: %w", r.name, s.name(), err)
				}
				s.samples[i] = append(s.samples[i], got)
			}
		}
	}
	return nil
}

// of returns the samples of a side's row, none if it was not measured.
func (c *comparison) of(s *side, name string) []sample {
	for i, r := range c.rows {
		if r.name == name && s != nil {
			return s.samples[i]
		}
	}
	return nil
}

// base is nil without a base.
func (c *comparison) base() *side {
	if len(c.sides) < 2 {
		return nil
	}
	return c.sides[1]
}

func (c *comparison) print(out io.Writer) {
	fmt.Fprintf(out, "\nthe working tree and %s; %d rounds of %s: medians; ratios within one round: median (lowest-highest)\n\n",
		orNone(c.options.base), c.rounds, c.duration)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tper s\tof base\tof (a)\tp50 µs\tof base\tp99 µs\tof base\tserver CPU µs\tof base\tclient CPU µs\t")
	work, base := c.sides[0], c.base()
	bare := c.of(work, echoRow)
	for i, r := range c.rows {
		is, was := work.samples[i], []sample(nil)
		if base != nil {
			was = base.samples[i]
		}
		fmt.Fprintf(table, "%s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t\n", r.name,
			median(each(is, perSecond)), ratioOf(is, was, perSecond), ratioOf(is, bare, perSecond),
			microseconds(median(each(is, p50))), ratioOf(is, was, p50Seconds),
			microseconds(median(each(is, p99))), ratioOf(is, was, p99Seconds),
			microseconds(median(each(is, serverCPU))), ratioOf(is, was, serverCPUSeconds),
			microseconds(median(each(is, clientCPU))))
	}
	_ = table.Flush()
	for _, s := range c.sides {
		if open := c.of(s, streamsRow); len(open) > 0 {
			fmt.Fprintf(out, "\n%s: %.1f KiB of resident memory for each of %d streams\n", s.name(), most(each(open, streamKiB)), c.streams)
		}
		s.start.print(out, s.name())
	}
}

func orNone(revision string) string {
	if revision == "" {
		return "no base"
	}
	return revision
}
