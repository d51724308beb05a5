package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
)

// runOne measures one variant alone, at the most connections, in a process of this program that may write a profile.
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
	db, err := dbs.fresh(list[0], "measured")
	if err != nil {
		return err
	}
	j := job{Variant: o.variant, DB: db}
	if o.cpuProfile != "" {
		if j.Profile, err = filepath.Abs(o.cpuProfile); err != nil {
			return err
		}
	}
	h, err := startHost(ctx, j)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, h.stop()) }()
	var samples []sample
	for range o.rounds {
		s, err := exchanges{h.served(), h.requests, slices.Max(o.connections)}.measure(ctx, o.duration)
		if err != nil {
			return err
		}
		samples = append(samples, s)
	}
	fmt.Fprintf(out, "(%s) %s: %.0f per second, p50 %s µs, p99 %s µs, server CPU %s µs\n", list[0].key, list[0].name, median(each(samples, perSecond)),
		microseconds(median(each(samples, p50))), microseconds(median(each(samples, p99))), microseconds(median(each(samples, serverCPU))))
	if o.cpuProfile != "" {
		fmt.Fprintf(out, "the profile, once this program has ended: go tool pprof -top -cum %s\n", o.cpuProfile)
	}
	return nil
}
