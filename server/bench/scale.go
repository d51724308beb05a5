package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"
	"time"
)

// operation is what is measured at each size.
type operation struct {
	name string
	load func(f filled, at served, connections int) load
}

func operations() []operation {
	sending := func(list func(f filled) requests) func(filled, served, int) load {
		return func(f filled, at served, connections int) load { return exchanges{at, list(f), connections} }
	}
	get := func(path func(f filled) string) func(filled, served, int) load {
		return sending(func(f filled) requests { return requests{Wire: [][]byte{call{method: "GET", path: path(f)}.wire()}} })
	}
	return []operation{
		{"create", sending(func(f filled) requests {
			return requests{Wire: [][]byte{call{method: "POST", path: "/sessions", body: createBody(f.agents[0], f.environment)}.wire()}}
		})},
		{"get, any of them", sending(func(f filled) requests {
			list, _ := getRequests(f.sample)
			return list
		})},
		{"list, first page", get(func(filled) string { return "/sessions?limit=20" })},
		{"list, from the middle", get(func(f filled) string { return "/sessions?limit=20&after_id=" + f.middle })},
		{"list, of one agent", get(func(f filled) string { return "/sessions?limit=20&agent_id=" + f.agents[1] })},
		{"turn", func(_ filled, at served, connections int) load {
			return turns{served: at, conversations: connections, length: 20}
		}},
	}
}

// sized is a database of one size with the process that serves it.
type sized struct {
	filled
	host *host
	// samples are by operation, one of each round.
	samples map[string][]sample
}

// runScale fills a database for each size, measures every operation on each of them in turn, and prints
// the table.
func runScale(ctx context.Context, out io.Writer, o options) (err error) {
	var sizes []*sized
	defer func() {
		for _, s := range sizes {
			err = errors.Join(err, s.host.stop())
		}
	}()
	for _, n := range o.scale {
		begin := time.Now()
		db := filepath.Join(o.dir, fmt.Sprintf("sessions-%d.db", n))
		f, err := fill(ctx, db, n)
		if err != nil {
			return fmt.Errorf("fill %d: %w", n, err)
		}
		h, err := startHost(ctx, job{DB: "sqlite:" + db})
		if err != nil {
			return err
		}
		sizes = append(sizes, &sized{filled: f, host: h, samples: map[string][]sample{}})
		fmt.Fprintf(out, "filled %d sessions in %s, %.0f MB\n", n, time.Since(begin).Round(100*time.Millisecond), f.megabytes)
	}
	for _, connections := range o.connections {
		for _, op := range operations() {
			for round := range o.rounds {
				for i := range sizes {
					s := sizes[(i+round)%len(sizes)]
					got, err := op.load(s.filled, s.host.served(), connections).measure(ctx, o.duration)
					if err != nil {
						return fmt.Errorf("%s at %d: %w", op.name, s.n, err)
					}
					s.samples[op.name] = append(s.samples[op.name], got)
				}
			}
		}
		printScale(out, sizes, connections, o)
		for _, s := range sizes {
			clear(s.samples)
		}
	}
	return nil
}

func printScale(out io.Writer, sizes []*sized, connections int, o options) {
	fmt.Fprintf(out, "\nconnections: %d; %d rounds of %s: medians; ratios are to %d sessions in the same round: median (lowest-highest)\n\n",
		connections, o.rounds, o.duration, sizes[0].n)
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "\tsessions\treq/s\tp50 µs\tratio\tp99 µs\tserver CPU µs\tratio\t")
	var list []target
	for _, op := range operations() {
		base := sizes[0].samples[op.name]
		for i, s := range sizes {
			samples := s.samples[op.name]
			latency, cost := ratioOf(samples, base, p50Seconds), ratioOf(samples, base, serverCPUSeconds)
			fmt.Fprintf(table, "%s\t%d\t%.0f\t%s\t%s\t%s\t%s\t%s\t\n", op.name, s.n,
				median(each(samples, perSecond)), microseconds(median(each(samples, p50))), latency,
				microseconds(median(each(samples, p99))), microseconds(median(each(samples, serverCPU))), cost)
			if i > 0 && i == len(sizes)-1 {
				what := fmt.Sprintf("%s, %d sessions to %d, ", op.name, s.n, sizes[0].n)
				list = append(list,
					target{what + "p50", latency.middle, "%.2f", 1.2, true},
					target{what + "server CPU", cost.middle, "%.2f", 1.2, true})
			}
		}
	}
	_ = table.Flush()
	printTargets(out, list)
}
