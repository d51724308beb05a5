package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
)

// caller calls a handler and discards the response. It hardly allocates.
type caller struct {
	handler  http.Handler
	requests []*inProcess
	unique   bool
	n        uint64
	response discarded
}

func newCaller(s *subject) (*caller, error) {
	c := &caller{handler: s.handler, unique: s.requests.Stamp > 0, response: discarded{header: http.Header{}}}
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
	clear(c.response.header)
	c.response.status = 0
	c.handler.ServeHTTP(&c.response, r)
	if c.response.status/100 != 2 {
		return fmt.Errorf("%s %s: status %d", r.Method, r.URL, c.response.status)
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

// inProcess makes the requests of wire for a handler that is called without a network. The body can be
// read anew after each rewind.
type inProcess struct {
	pristine *http.Request
	body     *bytes.Reader
	request  http.Request
}

func newInProcess(wire []byte) (*inProcess, error) {
	head, body, _ := bytes.Cut(wire, []byte("\r\n\r\n"))
	r, err := readRequest(head)
	if err != nil {
		return nil, err
	}
	r.ContentLength = int64(len(body))
	r.RemoteAddr = "127.0.0.1:1"
	return &inProcess{pristine: r, body: bytes.NewReader(body)}, nil
}

// next returns the request as if it had just arrived, valid until the next call. Handlers may have
// replaced its body and its query.
func (p *inProcess) next() *http.Request {
	_, _ = p.body.Seek(0, io.SeekStart)
	p.request = *p.pristine
	url := *p.pristine.URL
	p.request.URL = &url
	p.request.Body = (*rewound)(p.body)
	return &p.request
}

// rewound is a body that closes without an allocation.
type rewound bytes.Reader

// Read implements io.Reader.
func (r *rewound) Read(p []byte) (int, error) { return (*bytes.Reader)(r).Read(p) }

// Close implements io.Closer.
func (r *rewound) Close() error { return nil }
