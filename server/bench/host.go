package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/internal/child"
)

// host is a process that serves a variant, as its parent sees it.
type host struct {
	*child.Process
	addr     string
	requests requests
}

// startHost starts a process for a job and waits until it serves. The caller stops it.
func startHost(ctx context.Context, j job) (*host, error) {
	p, line, err := child.Start(ctx, jobVariable, j)
	if err != nil {
		return nil, fmt.Errorf("variant %q did not start: %w", j.Variant, err)
	}
	h := &host{Process: p}
	var r ready
	if err := json.Unmarshal([]byte(line), &r); err != nil {
		_ = h.stop()
		return nil, fmt.Errorf("variant %q did not start: %w", j.Variant, err)
	}
	h.addr, h.requests = strings.TrimPrefix(r.BaseURL, "http://"), r.Requests
	return h, nil
}

// cpuTime asks the process for the CPU time that it has used.
func (h *host) cpuTime() (time.Duration, error) {
	if _, err := io.WriteString(h.Stdin, "\n"); err != nil {
		return 0, err
	}
	var nanoseconds int64
	_, err := fmt.Fscanln(h.Stdout, &nanoseconds)
	return time.Duration(nanoseconds), err
}

func (h *host) served() served { return served{h.addr, h.cpuTime} }

// stop ends the process: kindly, so that it writes its profile, then for certain.
func (h *host) stop() error { return h.Stop(20 * time.Second) }
