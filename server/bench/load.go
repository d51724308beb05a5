package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"
)

// sample is one variant, measured once.
type sample struct {
	perSecond float64
	p50, p99  time.Duration
	// serverCPU and clientCPU are what a request costs either process.
	serverCPU, clientCPU time.Duration
	// streamKiB is the resident memory of the server for one stream, where the row is about streams.
	streamKiB float64
}

// measure implements load: it sends the requests over the connections, each with one request under way at a time, and
// measures those that begin after the first fifth of the time. Each response must be a 2xx.
func (e exchanges) measure(ctx context.Context, duration time.Duration) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*duration+30*time.Second)
	defer cancel()
	workers := make([]*worker, e.connections)
	for i := range workers {
		w, err := newWorker(ctx, e.addr)
		if err != nil {
			return sample{}, err
		}
		defer w.conn.Close()
		defer context.AfterFunc(ctx, func() { _ = w.conn.Close() })()
		workers[i] = w
	}
	begin := time.Now().Add(duration / 5)
	end := begin.Add(duration)
	var sequence atomic.Uint64
	sequence.Store(uint64(begin.UnixMicro())) // differs from every earlier drive's
	errs := make([]error, e.connections)
	var running sync.WaitGroup
	for i, w := range workers {
		running.Go(func() { errs[i] = w.run(e.list, begin, end, &sequence) })
	}
	time.Sleep(time.Until(begin))
	serverBefore, err := e.cpuTime()
	clientBefore := cpuTime()
	time.Sleep(time.Until(end))
	serverAfter, err2 := e.cpuTime()
	clientAfter := cpuTime()
	running.Wait()
	if err := errors.Join(append(errs, err, err2, ctx.Err())...); err != nil {
		return sample{}, err
	}
	seen := make([][]time.Duration, len(workers))
	for i, w := range workers {
		seen[i] = w.latencies
	}
	return summarize(seen, duration, serverAfter-serverBefore, clientAfter-clientBefore)
}

var errNothing = errors.New("no request was answered within the time of a round")

// summarize makes a sample of the latencies that each caller saw and of what the two processes used in that time.
func summarize(seen [][]time.Duration, duration, server, client time.Duration) (sample, error) {
	latencies := slices.Concat(seen...)
	if len(latencies) == 0 {
		return sample{}, errNothing
	}
	slices.Sort(latencies)
	n := time.Duration(len(latencies))
	return sample{
		perSecond: float64(n) / duration.Seconds(),
		p50:       latencies[n/2], p99: latencies[n*99/100],
		serverCPU: server / n, clientCPU: client / n,
	}, nil
}

// worker is one connection. It knows as much of HTTP/1.1 as Go's server writes, and allocates nothing
// for a request.
type worker struct {
	conn      net.Conn
	in        *bufio.Reader
	latencies []time.Duration
	// keep is whether exchange keeps the body of the response, which has a length, in body.
	keep bool
	body []byte
	// stream is the event stream that openStream has opened.
	stream *bufio.Reader
}

func newWorker(ctx context.Context, addr string) (*worker, error) {
	return newWorkerFrom(ctx, "", addr, 16<<10)
}

// newWorkerFrom connects from a local address, any for "", and reads into a buffer of some bytes.
func newWorkerFrom(ctx context.Context, local, addr string, buffer int) (*worker, error) {
	var dialer net.Dialer
	if local != "" {
		dialer.LocalAddr = &net.TCPAddr{IP: net.ParseIP(local)}
	}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &worker{conn: conn, in: bufio.NewReaderSize(conn, buffer)}, nil
}

// run sends requests, from a place in the list that differs from worker to worker.
func (w *worker) run(list requests, begin, end time.Time, sequence *atomic.Uint64) error {
	at := sequence.Add(1) * 7919 // a prime
	var unique []byte
	for start := time.Now(); start.Before(end); at++ {
		wire := list.Wire[at%uint64(len(list.Wire))]
		if list.Stamp > 0 {
			unique = append(unique[:0], wire...)
			stamp(unique, list.Stamp, sequence.Add(1))
			wire = unique
		}
		if err := w.must(wire); err != nil {
			return err
		}
		now := time.Now()
		if start.After(begin) && now.Before(end) {
			w.latencies = append(w.latencies, now.Sub(start))
		}
		start = now
	}
	return nil
}

// must is exchange for a request that has to succeed.
func (w *worker) must(wire []byte) error {
	status, err := w.exchange(wire)
	if err == nil && (status < 200 || status > 299) {
		err = fmt.Errorf("status %d", status)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", bytes.SplitN(wire, []byte("\r\n"), 2)[0], err)
	}
	return nil
}

// exchange sends a request and reads the answer to its end.
func (w *worker) exchange(wire []byte) (status int, err error) {
	if _, err := w.conn.Write(wire); err != nil {
		return 0, err
	}
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, fmt.Errorf("not an answer: %q", line)
	}
	status = int(line[9]-'0')*100 + int(line[10]-'0')*10 + int(line[11]-'0')
	length, chunked := 0, false
	for {
		if line, err = w.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if len(line) <= 2 {
			break
		}
		if value, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(bytes.TrimSpace(value))); err != nil {
				return 0, err
			}
		}
		chunked = chunked || bytes.HasPrefix(line, []byte("Transfer-Encoding: chunked"))
	}
	switch {
	case chunked:
		return status, w.discardChunks()
	case w.keep:
		w.body = slices.Grow(w.body[:0], length)[:length]
		_, err = io.ReadFull(w.in, w.body)
		return status, err
	}
	_, err = w.in.Discard(length)
	return status, err
}

// discardChunks reads a chunked body without trailers.
func (w *worker) discardChunks() error {
	for {
		line, err := w.in.ReadSlice('\n')
		if err != nil {
			return err
		}
		size, err := strconv.ParseUint(string(bytes.TrimSpace(line)), 16, 31)
		if err != nil {
			return err
		}
		if _, err := w.in.Discard(int(size) + len("\r\n")); err != nil {
			return io.ErrUnexpectedEOF
		}
		if size == 0 {
			return nil
		}
	}
}
