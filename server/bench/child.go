package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/pprof"
)

// jobVariable holds the job of a process that serves.
const jobVariable = "SESSIONS_BENCH_JOB"

// job says what a process serves.
type job struct {
	// Variant is a letter, or "" to serve DB as it is.
	Variant string
	// DB is an empty database if there is a Variant, and "" for one without.
	DB string
	// Profile is where the CPU profile goes; "" for none.
	Profile string
}

// ready is the first line that a process writes, once it serves.
type ready struct {
	BaseURL  string
	Requests requests
}

// serveJob serves until stdin ends, as it does when the parent ends. Each line on stdin is
// answered with the process's CPU time so far, in nanoseconds.
func serveJob(text string, stdin io.Reader, stdout io.Writer) (err error) {
	var j job
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return err
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	s, err := prepareJob(ctx, j)
	if err != nil {
		return err
	}
	defer func() {
		if closing := s.close(); err == nil {
			err = closing
		}
	}()
	if j.Profile != "" {
		file, err := os.Create(j.Profile)
		if err != nil {
			return err
		}
		defer file.Close()
		if err := pprof.StartCPUProfile(file); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	go func() {
		defer stop()
		for lines := bufio.NewScanner(stdin); lines.Scan(); {
			fmt.Fprintln(stdout, cpuTime().Nanoseconds())
		}
	}()
	return s.serve(ctx, func(baseURL string) {
		_ = json.NewEncoder(stdout).Encode(ready{baseURL, s.requests}) // a parent that is gone closes stdin
	})
}

func prepareJob(ctx context.Context, j job) (*subject, error) {
	if j.Variant == "" {
		s, err := openServer(ctx, j.DB)
		if err != nil {
			return nil, err
		}
		return &subject{handler: s, serve: s.Run, close: s.Close}, nil
	}
	for _, v := range variants() {
		if v.key == j.Variant {
			return v.prepare(ctx, j.DB)
		}
	}
	return nil, fmt.Errorf("there is no variant %q", j.Variant)
}
