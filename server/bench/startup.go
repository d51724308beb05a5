package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// startupRuns is how often the program is started for each kind of database.
const startupRuns = 15

// settle is how long a server idles before its memory is read.
const settle = 2 * time.Second

// startup is what the real program takes to start.
type startup struct {
	runs int
	// fresh and again are the times from the process's start to its first 201: on a new database, which
	// is made, and on one that is there.
	fresh, again, slowest time.Duration
	// idleMB is the resident memory some time after the first 201; loadedMB, some time after busy traffic.
	idleMB, loadedMB float64
}

// measureStartup starts a program, again and again, on databases with that name.
func measureStartup(ctx context.Context, dir, name, binary string) (s startup, err error) {
	var fresh, again []time.Duration
	for i := range startupRuns {
		db := "sqlite:" + filepath.Join(dir, fmt.Sprintf("%s-start-%d.db", name, i))
		for _, times := range []*[]time.Duration{&fresh, &again} {
			elapsed, err := startOnce(ctx, binary, db, nil)
			if err != nil {
				return s, err
			}
			*times = append(*times, elapsed)
			s.slowest = max(s.slowest, elapsed)
		}
	}
	_, err = startOnce(ctx, binary, "sqlite:"+filepath.Join(dir, name+"-idle.db"), func(p *program) (err error) {
		time.Sleep(settle)
		s.idleMB = p.residentMB()
		err = busy(ctx, p)
		time.Sleep(settle)
		s.loadedMB = p.residentMB()
		return err
	})
	s.runs, s.fresh, s.again = startupRuns, median(fresh), median(again)
	return s, err
}

// startOnce starts the program, creates a session, calls then, and ends the program.
func startOnce(ctx context.Context, binary, db string, then func(p *program) error) (elapsed time.Duration, err error) {
	begin := time.Now()
	p, err := startProgram(ctx, binary, db)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, p.stop()) }()
	w, err := newWorker(ctx, p.addr)
	if err != nil {
		return 0, err
	}
	defer w.conn.Close()
	err = w.must(createCall().wire())
	elapsed = time.Since(begin)
	if err == nil && then != nil {
		err = then(p)
	}
	return elapsed, err
}

// busy creates sessions over 32 connections for two seconds.
func busy(ctx context.Context, p *program) error {
	list, err := createRequests(nil)
	if err != nil {
		return err
	}
	_, err = exchanges{p.served(), list, throughputOver}.measure(ctx, 2*time.Second)
	return err
}

// residentMB returns the resident memory of a process in units of 1,000,000 bytes, 0 where there is no
// /proc.
func residentMB(pid int) float64 {
	status, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "status"))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kibibytes, _ := strconv.ParseFloat(strings.Fields(rest)[0], 64)
			return kibibytes * 1024 / 1e6
		}
	}
	return 0
}

func (s startup) print(out io.Writer, name string) {
	if s.runs == 0 {
		return
	}
	fmt.Fprintf(out, `
%s: process start to first 201, median of %d: new database %s, existing database %s (slowest of all %s)
  resident memory: %.1f MB idle after its first 201, %.1f MB idle after two seconds of creates at 32 connections
`, name, s.runs, s.fresh.Round(100*time.Microsecond), s.again.Round(100*time.Microsecond), s.slowest.Round(100*time.Microsecond), s.idleMB, s.loadedMB)
}
