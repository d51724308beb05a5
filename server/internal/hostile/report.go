package main

import (
	"fmt"
	"io"
	"time"

	"github.com/cloud-sessions/sessions/server"
)

// The targets: what the friends may lose by hostile requests, compared with lawful ones of the same account.
const (
	maxRatio = 2
	maxP95   = 50 * time.Millisecond
	// maxFailures bounds how many failures of a phase are printed.
	maxFailures = 10
)

// report prints the measurement and the targets, and reports whether one was missed.
func (m *measurement) report(out io.Writer) (missed bool) {
	fmt.Fprintf(out, "GET /sessions/{id} of three accounts (%s)   requests  failed       p50       p95       p99       max\n", m.db)
	for _, phase := range []struct {
		name string
		of   *measured
	}{
		{"alone", &m.alone},
		{"beside lawful gets, 32 connections", &m.lawful},
		{"beside hostile requests, 16 connections", &m.hostile},
	} {
		p := phase.of
		fmt.Fprintf(out, "%-42s %10d %7d %9s %9s %9s %9s\n", phase.name, len(p.times), len(p.failures),
			p.percentile(50), p.percentile(95), p.percentile(99), p.percentile(100))
	}
	fmt.Fprintf(out, "\n%-42s %10s %10s\n", "targets", "measured", "at most")
	target := func(name, is, most string, reached bool) {
		verdict := "reached"
		if !reached {
			verdict, missed = "MISSED", true
		}
		fmt.Fprintf(out, "%-42s %10s %10s   %s\n", name, is, most, verdict)
	}
	failed := len(m.alone.failures) + len(m.lawful.failures) + len(m.hostile.failures)
	target("friendly requests that failed", fmt.Sprint(failed), "0", failed == 0 && len(m.hostile.times) > 0)
	lawful, hostile := m.lawful.percentile(95), m.hostile.percentile(95)
	ratio := float64(hostile) / float64(max(lawful, 1))
	target("p95 beside hostile / beside lawful", fmt.Sprintf("%.2f", ratio), fmt.Sprintf("%d.00", maxRatio), ratio <= maxRatio)
	target("p95 beside hostile", hostile.String(), maxP95.String(), hostile <= maxP95)
	most := server.DefaultMaxBytesInFlight + m.base.resident
	target(fmt.Sprintf("resident memory %s after", after), mib(m.rested.resident), mib(most), m.rested.resident <= most)
	fmt.Fprintf(out, "\nmemory: %s resident before, %s at the peak, %s of address space\n", mib(m.base.resident), mib(m.rested.peak), mib(m.rested.space))
	fmt.Fprintf(out, "this program's own timer was late by at most %s\n", m.late.Round(time.Millisecond))
	for _, p := range []*measured{&m.alone, &m.lawful, &m.hostile} {
		for _, failure := range p.failures[:min(len(p.failures), maxFailures)] {
			fmt.Fprintf(out, "failed: %v\n", failure)
		}
	}
	return missed
}

// memory is what a process takes, in bytes: resident, the most that was resident, and the most address space.
type memory struct{ resident, peak, space int64 }

func (m memory) String() string {
	return fmt.Sprintf("%s resident, %s at the peak", mib(m.resident), mib(m.peak))
}

func mib(bytes int64) string { return fmt.Sprintf("%d MiB", bytes>>20) }
