package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"golang.org/x/term"

	"github.com/cloud-sessions/sessions/server/internal/child"
)

// after is how long memory may take to return once the attack has ended.
const after = 30 * time.Second

// measurement is one run: phases of lawful and of hostile requests that take turns, so that what slows the machine down for
// a while slows down both.
type measurement struct {
	options
	friends  []account
	enemy    *enemy
	process  *child.Process
	progress func(format string, args ...any)

	alone, lawful, hostile measured
	base, rested           memory        // before the first request, and some time after the last one
	late                   time.Duration // the longest time for which this program, and so the machine, stood still
}

// measure runs the phases, then waits for memory to return.
func (m *measurement) measure(ctx context.Context) (err error) {
	if m.base, err = m.memory(); err != nil {
		return err
	}
	watch, stop := context.WithCancel(ctx)
	late := make(chan time.Duration, 1)
	go func() { late <- lateness(watch) }()
	defer func() { stop(); m.late = <-late }()
	start := time.Now()
	reported := start
	m.alone.add(beside(ctx, m.friends, m.phase, func(context.Context) {}))
	for run := time.Duration(0); run+m.round() <= m.total; run += m.round() {
		m.lawful.add(beside(ctx, m.friends, m.phase, m.enemy.lawful))
		for range m.repeat {
			m.hostile.add(beside(ctx, m.friends, m.phase, m.enemy.hostile))
		}
		now, err := m.memory()
		if err != nil {
			return err
		}
		if time.Since(reported) >= time.Minute {
			reported = time.Now()
			m.progress("%s of %s: p95 %s beside lawful requests, %s beside hostile ones; %d failed; %s\n", time.Since(start).Round(time.Second),
				m.total+m.phase, m.lawful.percentile(95), m.hostile.percentile(95), len(m.lawful.failures)+len(m.hostile.failures), now)
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	m.progress("waiting %s for memory to return\n", after)
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(after):
	}
	m.rested, err = m.memory()
	return err
}

// lateness returns the longest time by which this program's own timer was late. What the friends waited then is not the
// server's doing.
func lateness(ctx context.Context) (late time.Duration) {
	const tick = 50 * time.Millisecond
	for ctx.Err() == nil {
		start := time.Now()
		time.Sleep(tick)
		late = max(late, time.Since(start)-tick)
	}
	return late
}

// memory asks the server for its memory.
func (m *measurement) memory() (now memory, err error) {
	if _, err = io.WriteString(m.process.Stdin, "\n"); err == nil {
		_, err = fmt.Fscanln(m.process.Stdout, &now.resident, &now.peak, &now.space)
	}
	if err != nil {
		return now, fmt.Errorf("the server has ended: %w", err)
	}
	return now, nil
}

// progressOn returns a function that prints to a terminal, and nothing elsewhere.
func progressOn(f *os.File) func(format string, args ...any) {
	if !term.IsTerminal(int(f.Fd())) {
		return func(string, ...any) {}
	}
	return func(format string, args ...any) { fmt.Fprintf(f, format, args...) }
}

// measured are the times that requests took.
type measured struct {
	times    []time.Duration
	failures []error // of the requests that failed
}

func (m *measured) add(more measured) {
	m.times, m.failures = append(m.times, more.times...), append(m.failures, more.failures...)
}

// percentile returns the time within which that many percent of the requests had their response.
func (m *measured) percentile(percent int) time.Duration {
	if len(m.times) == 0 {
		return 0
	}
	slices.Sort(m.times)
	return m.times[min(len(m.times)*percent/100, len(m.times)-1)].Round(10 * time.Microsecond)
}
