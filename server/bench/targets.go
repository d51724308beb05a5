package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"
)

// timeFactor is how many times the usual duration a measurement of the row takes.
func timeFactor(r row) time.Duration { return time.Duration(r.longer) }

// targets compares a run with what the server is to reach, as far as it was measured.
func (c *comparison) targets() (list []target) {
	work, base := c.sides[0], c.base()
	add := func(what string, samples, to []sample, of func(sample) float64, bound float64, atMost bool) {
		if len(samples) > 0 && len(to) > 0 {
			list = append(list, target{what, ratioOf(samples, to, of).middle, "%.2f", bound, atMost})
		}
	}
	echo := c.of(work, echoRow)
	for _, t := range []struct {
		row     string
		ofBase  float64 // requests per second, 0 for no target
		ofEcho  float64
		latency float64 // p50, of the base's
	}{
		{row: bothChecksRow, ofEcho: 0.92},
		{row: createRow, ofBase: 1.5, ofEcho: 0.40},
		{row: listRow, ofBase: 4, ofEcho: 0.35},
		{row: eventsRow, ofBase: 3},
		{row: oneTurnRow, latency: 0.5},
		{row: manyTurnsRow, ofBase: 4},
		{row: streamsRow, latency: 0.6},
		{row: createRow + onPostgres, ofBase: 1.5},
		{row: listRow + onPostgres, ofBase: 4},
		{row: wholeTurns1, ofBase: 30},
		{row: wholeTurns16, ofBase: 15},
	} {
		is, was := c.of(work, t.row), c.of(base, t.row)
		if t.ofBase > 0 {
			add(t.row+", per second, of the base", is, was, perSecond, t.ofBase, false)
		}
		if t.ofEcho > 0 {
			add(t.row+", per second, of (a)", is, echo, perSecond, t.ofEcho, false)
		}
		if t.latency > 0 {
			add(t.row+", p50, of the base", is, was, p50Seconds, t.latency, true)
		}
	}
	add(laterTurnRow+", p50, of the first", c.of(work, laterTurnRow), c.of(work, firstTurnRow), p50Seconds, 1.2, true)
	add(unanalyzedRow+", per second, of the analyzed", c.of(work, unanalyzedRow), c.of(work, analyzedRow), perSecond, 0.9, false)
	for _, name := range []string{wholeTurns1, wholeTurns16} {
		if is := c.of(work, name); len(is) > 0 {
			list = append(list, target{name + ", p99 of p50", median(each(is, tail)), "%.2f", 3, true})
		}
	}
	if is := c.of(work, wholeTurns16); len(is) > 0 {
		list = append(list, target{wholeTurns16 + ", per second", median(each(is, perSecond)), "%.0f", 300, false})
	}
	if is := c.of(work, streamsRow); len(is) > 0 {
		list = append(list, target{"resident memory of a stream, KiB", most(each(is, streamKiB)), "%.1f", 8, true})
	}
	if work.start.runs > 0 {
		if base != nil {
			list = append(list, target{"start to first 201, of the base", seconds(work.start.fresh) / seconds(base.start.fresh), "%.2f", 0.6, true})
		}
		list = append(list, target{"idle memory, MB", work.start.idleMB, "%.1f", 30, true})
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
