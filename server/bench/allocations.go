package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime"
)

// perRequest is what one request allocates.
type perRequest struct{ allocations, bytes float64 }

// How many requests warm a handler up, and how many are counted.
const (
	warmRequests    = 200
	countedRequests = 2000
)

// allocations calls each variant's handler in this process, without a network: net/http's own part and
// the client's are left out on both sides of the ratio.
func allocations(ctx context.Context, list []variant, dbs databases) (map[string]perRequest, error) {
	counted := map[string]perRequest{}
	for _, v := range list {
		if v.key == "0" {
			continue
		}
		db, err := dbs.fresh(v, "allocations_"+v.key)
		if err != nil {
			return nil, err
		}
		s, err := v.prepare(ctx, db)
		if err != nil {
			return nil, err
		}
		per, err := countAllocations(s)
		if err := errors.Join(err, s.close()); err != nil {
			return nil, fmt.Errorf("variant %s: %w", v.key, err)
		}
		counted[v.key] = per
	}
	return counted, nil
}

func countAllocations(s *subject) (perRequest, error) {
	c, err := newCaller(s)
	if err != nil {
		return perRequest{}, err
	}
	for range warmRequests {
		if err := c.call(); err != nil {
			return perRequest{}, err
		}
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range countedRequests {
		if err := c.call(); err != nil {
			return perRequest{}, err
		}
	}
	runtime.ReadMemStats(&after)
	return perRequest{
		allocations: float64(after.Mallocs-before.Mallocs) / countedRequests,
		bytes:       float64(after.TotalAlloc-before.TotalAlloc) / countedRequests,
	}, nil
}

// caller calls a handler and throws the answer away. It hardly allocates.
type caller struct {
	handler  http.Handler
	requests []*inProcess
	unique   bool
	n        uint64
	answer   discarded
}

func newCaller(s *subject) (*caller, error) {
	c := &caller{handler: s.handler, unique: s.requests.Stamp > 0, answer: discarded{header: http.Header{}}}
	for _, wire := range s.requests.Wire {
		p, err := newInProcess(wire)
		if err != nil {
			return nil, err
		}
		c.requests = append(c.requests, p)
	}
	return c, nil
}

// call makes one request.
func (c *caller) call() error {
	c.n++
	r := c.requests[c.n%uint64(len(c.requests))].next()
	if c.unique {
		r.Header["Idempotency-Key"][0] = fmt.Sprintf("bench-%d", c.n)
	}
	clear(c.answer.header)
	c.answer.status = 0
	c.handler.ServeHTTP(&c.answer, r)
	if c.answer.status/100 != 2 {
		return fmt.Errorf("%s %s: status %d", r.Method, r.URL, c.answer.status)
	}
	return nil
}

// discarded is a response that nobody reads.
type discarded struct {
	header http.Header
	status int
}

// Header implements http.ResponseWriter.
func (d *discarded) Header() http.Header { return d.header }

// WriteHeader implements http.ResponseWriter.
func (d *discarded) WriteHeader(status int) { d.status = status }

// Write implements http.ResponseWriter.
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
