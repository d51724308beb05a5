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
	program *program
	// conversations are how many take place at a time.
	conversations int
	// length is how many turns a session has. With 1, creating the session and opening its stream are part of the turn.
	length int
}

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
	serverBefore, err := t.program.cpuTime()
	clientBefore := cpuTime()
	time.Sleep(time.Until(end))
	serverAfter, err2 := t.program.cpuTime()
	clientAfter := cpuTime()
	running.Wait()
	if err := errors.Join(append(errs, err, err2)...); err != nil {
		return sample{}, err
	}
	return summarize(latencies, duration, serverAfter-serverBefore, clientAfter-clientBefore)
}

// converse has one conversation after another and returns how long the turns took that were within the time.
func (t turns) converse(ctx context.Context, begin, end time.Time) (latencies []time.Duration, err error) {
	var c *conversation
	defer func() { c.close() }()
	for turn := 0; time.Now().Before(end); turn++ {
		start := time.Now()
		if turn%t.length == 0 {
			c.close()
			if c, err = newConversation(ctx, t.program.addr); err != nil {
				return nil, err
			}
			if t.length > 1 {
				start = time.Now()
			}
		}
		if err := c.turn(); err != nil {
			return nil, err
		}
		if now := time.Now(); start.After(begin) && now.Before(end) {
			latencies = append(latencies, now.Sub(start))
		}
	}
	return latencies, nil
}

// conversation is a session with its stream.
type conversation struct {
	requests, events *worker
	stream           *bufio.Reader
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
	path := "/sessions/" + session.ID + "/events"
	c.message = call{method: http.MethodPost, path: path, body: `{"events":[{"type":"user.message","content":"What do you do all day?"}]}`}.wire()
	if _, err := c.events.conn.Write(call{method: http.MethodGet, path: path + "/stream"}.wire()); err != nil {
		return err
	}
	for {
		line, err := c.events.in.ReadString('\n')
		switch {
		case err != nil:
			return err
		case strings.HasPrefix(line, "HTTP/1.1") && !strings.HasPrefix(line, "HTTP/1.1 200"):
			return fmt.Errorf("the stream's status: %s", line)
		case line == "\r\n":
			c.stream = bufio.NewReader(httputil.NewChunkedReader(c.events.in))
			return nil
		}
	}
}

// turn sends the message and reads the stream to the end of the turn.
func (c *conversation) turn() error {
	if err := c.requests.must(c.message); err != nil {
		return err
	}
	for {
		line, err := c.stream.ReadSlice('\n')
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return errors.Join(err, io.ErrUnexpectedEOF)
		}
		if bytes.Equal(line, []byte("event: session.status_idle\n")) {
			return nil
		}
	}
}

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
