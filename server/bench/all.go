package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"text/tabwriter"
)

// measured is a variant with its process and what was measured of it.
type measured struct {
	variant
	host *host
	// samples are by number of connections, one of each round.
	samples map[int][]sample
}

// runAll measures the chosen variants and prints the tables.
func runAll(ctx context.Context, out io.Writer, o options) (err error) {
	list, err := chosen("0a" + o.only)
	if err != nil {
		return err
	}
	dbs, list, err := prepareDatabases(out, o.parent, o.dir, list)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dbs.close()) }()
	sides, err := measure(ctx, list, dbs, o, nil)
	if err != nil {
		return err
	}
	for _, connections := range o.connections {
		printSides(out, sides, connections, o)
	}
	var start startup
	if !o.skipStartup {
		if start, err = measureStartup(ctx, o.dir); err != nil {
			return err
		}
		start.print(out)
	}
	printTargets(out, targets(sides, slices.Max(o.connections), start))
	return nil
}

// measure starts a process for each variant, lets them take turns, and stops them. The order of the turns
// moves on with each round, so that no variant is always the one after the same other.
func measure(ctx context.Context, list []variant, dbs databases, o options, change func(*job)) (sides []*measured, err error) {
	defer func() {
		for _, side := range sides {
			err = errors.Join(err, side.host.stop())
		}
	}()
	for _, v := range list {
		db, err := dbs.fresh(v, "measured_"+v.key)
		if err != nil {
			return sides, err
		}
		j := job{Variant: v.key, DB: db}
		if change != nil {
			change(&j)
		}
		h, err := startHost(ctx, j)
		if err != nil {
			return sides, err
		}
		sides = append(sides, &measured{variant: v, host: h, samples: map[int][]sample{}})
	}
	for round := range o.rounds {
		for _, connections := range o.connections {
			for i := range sides {
				side := sides[(i+round)%len(sides)]
				s, err := drive(ctx, side.host, side.host.requests, connections, o.duration)
				if err != nil {
					return sides, fmt.Errorf("variant %s: %w", side.key, err)
				}
				side.samples[connections] = append(side.samples[connections], s)
			}
		}
	}
	return sides, nil
}

// runOne measures one variant alone.
func runOne(ctx context.Context, out io.Writer, o options) (err error) {
	list, err := chosen(o.variant)
	if err != nil {
		return err
	}
	if len(list) != 1 {
		return errors.New("--variant takes one letter")
	}
	dbs, list, err := prepareDatabases(out, o.parent, o.dir, list)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, dbs.close()) }()
	o.connections = o.connections[len(o.connections)-1:]
	profile := o.cpuProfile
	if profile != "" {
		if profile, err = filepath.Abs(profile); err != nil {
			return err
		}
	}
	sides, err := measure(ctx, list, dbs, o, func(j *job) { j.Profile = profile })
	if err != nil {
		return err
	}
	printSides(out, sides, o.connections[0], o)
	if profile != "" {
		fmt.Fprintf(out, "\nthe profile: go tool pprof -top -cum %s\n", o.cpuProfile)
	}
	return nil
}

// find returns the variant with that letter, or nil.
func find(sides []*measured, key string) *measured {
	for _, side := range sides {
		if side.key == key {
			return side
		}
	}
	return nil
}

// printSides prints one table.
func printSides(out io.Writer, sides []*measured, connections int, o options) {
	fmt.Fprintf(out, "\nconnections: %d; %d rounds of %s: medians; ratios are to (a) in the same round: median (lowest-highest)\n\n",
		connections, o.rounds, o.duration)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\treq/s\tratio\tp50 µs\tp99 µs\tserver CPU µs\tratio\tclient CPU µs\t")
	var base []sample
	if a := find(sides, "a"); a != nil {
		base = a.samples[connections]
	}
	for _, side := range sides {
		samples := side.samples[connections]
		fmt.Fprintf(table, "(%s) %-28s\t%.0f\t%s\t%s\t%s\t%s\t%s\t%s\t\n", side.key, side.name,
			median(each(samples, perSecond)), ratioOf(samples, base, perSecond),
			microseconds(median(each(samples, p50))), microseconds(median(each(samples, p99))),
			microseconds(median(each(samples, serverCPU))), ratioOf(samples, base, serverCPUSeconds),
			microseconds(median(each(samples, clientCPU))))
	}
	_ = table.Flush()
}

// targets compares a run with what the server is to reach, as far as it was measured.
func targets(sides []*measured, connections int, start startup) []target {
	var list []target
	base := find(sides, "a").samples[connections]
	for _, t := range []struct {
		key   string
		bound float64
	}{{"c", 0.90}, {"d", 0.40}, {"e", 0.80}} {
		if side := find(sides, t.key); side != nil {
			list = append(list, target{
				what: fmt.Sprintf("requests per second, (%s)/(a) at %d", t.key, connections),
				got:  ratioOf(side.samples[connections], base, perSecond).middle, format: "%.2f", bound: t.bound,
			})
		}
	}
	if start.runs > 0 {
		list = append(list,
			target{what: "start to first 201 on a new database, ms", got: 1e3 * seconds(start.fresh), format: "%.0f", bound: 100, atMost: true},
			target{what: "idle memory, MB", got: start.idleMB, format: "%.1f", bound: 40, atMost: true})
	}
	return list
}

func printTargets(out io.Writer, list []target) {
	if len(list) == 0 {
		return
	}
	fmt.Fprint(out, "\ntargets\n\n")
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	for _, t := range list {
		fmt.Fprintln(table, t)
	}
	_ = table.Flush()
}
