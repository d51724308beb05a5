package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"strings"
	"sync"
	"time"
)

// turns is a load: conversations with the echo runner, each over a connection for requests and one for its stream. A turn
// begins with its message and ends when the stream reports that the session is idle.
type turns struct {
	served
	// conversations are how many take place at a time.
	conversations int
	// length is how many turns a session has.
	length int
	// timed is which part of a turn is measured.
	timed part
	// among is the conversation that all turns belong to; nil for new ones.
	among *conversation
}

// part is a part of a turn.
type part int

const (
	fromTheSend part = iota // to the end
	theWhole                // with the creation of its session and the opening of the stream
	justTheSend             // to its response
)

// measure implements load.
func (t turns) measure(ctx context.Context, duration time.Duration) (sample, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*duration+60*time.Second)
	defer cancel()
	begin := time.Now().Add(duration / 5)
	end := begin.Add(duration)
	errs := make([]error, t.conversations)
	latencies := make([][]time.Duration, t.conversations)
	var running sync.WaitGroup
	for i := range t.conversations {
		running.Go(func() { latencies[i], errs[i] = t.converse(ctx, begin, end) })
	}
	time.Sleep(time.Until(begin))
	serverBefore, err := t.cpuTime()
	clientBefore := cpuTime()
	time.Sleep(time.Until(end))
	serverAfter, err2 := t.cpuTime()
	clientAfter := cpuTime()
	running.Wait()
	if err := errors.Join(append(errs, err, err2)...); err != nil {
		return sample{}, err
	}
	return summarize(latencies, duration, serverAfter-serverBefore, clientAfter-clientBefore)
}

// converse has one conversation after another and returns how long the turns took that were within the time.
func (t turns) converse(ctx context.Context, begin, end time.Time) (latencies []time.Duration, err error) {
	c := t.among
	if c == nil {
		defer func() { c.close() }()
	}
	for turn := 0; time.Now().Before(end); turn++ {
		start := time.Now()
		if t.among == nil && turn%t.length == 0 {
			c.close()
			if c, err = newConversation(ctx, t.addr); err != nil {
				return nil, err
			}
		}
		if t.timed != theWhole {
			start = time.Now()
		}
		if err := c.send(); err != nil {
			return nil, err
		}
		sent := time.Now()
		if err := c.untilIdle(); err != nil {
			return nil, err
		}
		now := time.Now()
		if t.timed == justTheSend {
			now = sent
		}
		if start.After(begin) && now.Before(end) {
			latencies = append(latencies, now.Sub(start))
		}
	}
	return latencies, nil
}

// conversation is a session with its stream.
type conversation struct {
	session          string // id
	requests, events *worker
	message          []byte // the request that sends it
	stop             func() bool
}

// newConversation creates a session and opens its stream.
func newConversation(ctx context.Context, addr string) (c *conversation, err error) {
	c = &conversation{}
	if c.requests, err = newWorker(ctx, addr); err != nil {
		return nil, err
	}
	c.requests.keep = true
	if c.events, err = newWorker(ctx, addr); err != nil {
		_ = c.requests.conn.Close()
		return nil, err
	}
	c.stop = context.AfterFunc(ctx, c.hangUp)
	if err = c.begin(); err != nil {
		c.close()
		return nil, err
	}
	return c, nil
}

func (c *conversation) begin() error {
	if err := c.requests.must(createCall().wire()); err != nil {
		return err
	}
	var session struct{ ID string }
	if err := json.Unmarshal(c.requests.body, &session); err != nil {
		return err
	}
	c.session = session.ID
	path := "/sessions/" + c.session + "/events"
	c.message = call{method: http.MethodPost, path: path, body: `{"events":[{"type":"user.message","content":"What do you do all day?"}]}`}.wire()
	return c.events.openStream(c.session)
}

// openStream opens the stream of a session, up to its headers.
func (w *worker) openStream(session string) error {
	if _, err := w.conn.Write(call{method: http.MethodGet, path: "/sessions/" + session + "/events/stream"}.wire()); err != nil {
		return err
	}
	for {
		line, err := w.in.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, "HTTP/1.1") && !strings.HasPrefix(line, "HTTP/1.1 200"):
			return fmt.Errorf("the stream's status: %s", line)
		case line == "\r\n":
			w.stream = bufio.NewReaderSize(httputil.NewChunkedReader(w.in), 1<<10)
			return nil
		}
	}
}

// untilIdle reads a stream to the end of a turn.
func (w *worker) untilIdle() error {
	for {
		line, err := w.stream.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if bytes.Equal(line, []byte("event: session.status_idle\n")) {
			return nil
		}
	}
}

// turn sends the message and reads the stream to the end of the turn.
func (c *conversation) turn() error {
	if err := c.send(); err != nil {
		return err
	}
	return c.untilIdle()
}

func (c *conversation) send() error { return c.requests.must(c.message) }

func (c *conversation) untilIdle() error { return c.events.untilIdle() }

func (c *conversation) hangUp() {
	_ = c.requests.conn.Close()
	_ = c.events.conn.Close()
}

// close may be called for nil.
func (c *conversation) close() {
	if c != nil {
		c.stop()
		c.hangUp()
	}
}
