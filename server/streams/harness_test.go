package streams_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http/httputil"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/streams"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// session is the session of the tests.
var session = store.SessionRef{Account: "acme", ID: "sess_1"}

// log is a store with the log of one session.
type log struct {
	mu     sync.Mutex
	events []store.Event
	gone   bool
	fail   error // that reads return; nil for none
	hangs  bool  // reads wait for their context, or for five seconds

	reading            atomic.Int64 // reads that have begun
	hanging, cancelled atomic.Int64 // reads that waited, and those of them whose context ended
	watch              func(store.Signal)
}

// Watch implements broker.Store.
func (l *log) Watch(fn func(store.Signal)) (stop func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.watch = fn
	return func() {}
}

// EventPosition implements broker.Store. The ids are the positions.
func (l *log) EventPosition(_ context.Context, _, _, id string) (position int64, err error) {
	if id == "" {
		return 0, nil
	}
	_, err = fmt.Sscanf(id, "evt_%d", &position)
	return position, err
}

// ListEvents implements broker.Store.
func (l *log) ListEvents(ctx context.Context, _, _ string, filter store.EventFilter, page store.Page) (store.List[store.Event], error) {
	l.reading.Add(1)
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.hangs {
		l.hanging.Add(1)
		select {
		case <-ctx.Done():
			l.cancelled.Add(1)
		case <-time.After(5 * time.Second):
		}
	}
	switch {
	case l.fail != nil:
		return store.List[store.Event]{}, l.fail
	case l.gone:
		return store.List[store.Event]{}, store.ErrNotFound
	}
	from := int(filter.AfterPosition)
	to := min(len(l.events), from+page.Limit)
	return store.List[store.Event]{Items: l.events[from:to:to], HasMore: to < len(l.events)}, nil
}

// append adds an event with a text and returns its id.
func (l *log) append(text string) string {
	payload, err := json.Marshal(map[string]string{"text": text})
	if err != nil {
		panic(err)
	}
	l.mu.Lock()
	position := int64(len(l.events) + 1)
	id := fmt.Sprintf("evt_%d", position)
	l.events = append(l.events, store.Event{Position: position, ID: id, SessionID: session.ID, Type: "user.message", Payload: payload})
	l.mu.Unlock()
	l.signal()
	return id
}

// signal notifies the broker of a change.
func (l *log) signal() { l.watch(store.Signal{Session: session}) }

func (l *log) set(change func(*log)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	change(l)
}

// rig is writers with their broker, and what they have called.
type rig struct {
	t          testing.TB
	log        *log
	broker     *broker.Broker
	writers    *streams.Writers
	dropped    atomic.Int64
	unreadable atomic.Int64
	failed     atomic.Int64
	listener   net.Listener
	dialing    sync.Mutex // so that Accept returns the connection that was just dialed
}

// open returns a rig that is closed with the test.
func open(t testing.TB, change ...func(*streams.Options)) *rig {
	t.Helper()
	r := &rig{t: t, log: &log{}}
	options := streams.Options{
		Heartbeat: time.Hour, Patience: time.Minute, Piece: 64 << 10,
		Dropped:    func() { r.dropped.Add(1) },
		Unreadable: func(context.Context, error) { r.unreadable.Add(1) },
		Failed:     func(context.Context, *panics.Error) { r.failed.Add(1) },
	}
	for _, c := range change {
		c(&options)
	}
	r.writers = streams.New(options)
	r.broker = broker.New(r.log, broker.Options{
		MaxReaders: 10_000, Now: time.Now, NewID: func(string) string { return "evt_end" },
		Check: func(data []byte) error {
			if strings.Contains(string(data), "panic") {
				panic("out of luck")
			}
			return nil
		},
	})
	var err error
	if r.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.broker.Close()
		r.writers.Abort()
		r.wait()
		_ = r.listener.Close()
	})
	return r
}

// wait waits until all streams have ended.
func (r *rig) wait() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.writers.Wait(ctx); err != nil {
		r.t.Error("streams are still open")
	}
}

// caller is the caller's end of a stream.
type caller struct {
	net.Conn
	t        testing.TB
	lines    *bufio.Reader // of the response's body
	end      func()        // ends the admission
	ending   func()        // is called at the stream's end; nil for nothing
	released atomic.Int64
	ended    atomic.Int64
}

// stream opens a stream after an event, or from the beginning for "".
func (r *rig) stream(after string, account string) *caller {
	r.t.Helper()
	conn, server := r.connect()
	_ = server.SetWriteBuffer(16 << 10)
	c := &caller{Conn: conn}
	r.serve(c, server, after, account)
	return c
}

// connect returns both ends of a connection.
func (r *rig) connect() (caller net.Conn, server *net.TCPConn) {
	r.t.Helper()
	r.dialing.Lock()
	defer r.dialing.Unlock()
	conn, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		r.t.Fatal(err)
	}
	accepted, err := r.listener.Accept()
	if err != nil {
		r.t.Fatal(err)
	}
	return conn, accepted.(*net.TCPConn)
}

// pipe opens a stream over a connection that is not a socket: every write waits for the caller.
func (r *rig) pipe(onWrite ...func(*caller)) (*caller, *recorded) {
	r.t.Helper()
	here, there := net.Pipe()
	c, server := &caller{Conn: here}, &recorded{Conn: there, writing: make(chan struct{}, 1000)}
	for _, fn := range onWrite {
		server.onWrite = func() { fn(c) }
	}
	r.serve(c, server, "", "acme")
	return c, server
}

// recorded is a connection that records what is done to it.
type recorded struct {
	net.Conn
	writing chan struct{} // gets one for each write that begins
	closed  atomic.Bool

	onWrite   func() // is called for each; nil for nothing
	mu        sync.Mutex
	deadlines []time.Time // for writes
	writes    []int       // how many deadlines there were at each
}

// Close implements net.Conn.
func (c *recorded) Close() error {
	c.closed.Store(true)
	return c.Conn.Close()
}

// Write implements net.Conn.
func (c *recorded) Write(p []byte) (int, error) {
	c.mu.Lock()
	c.writes = append(c.writes, len(c.deadlines))
	c.mu.Unlock()
	c.writing <- struct{}{}
	if c.onWrite != nil {
		c.onWrite()
	}
	return c.Conn.Write(p)
}

// SetWriteDeadline implements net.Conn.
func (c *recorded) SetWriteDeadline(t time.Time) error {
	c.mu.Lock()
	c.deadlines = append(c.deadlines, t)
	c.mu.Unlock()
	return c.Conn.SetWriteDeadline(t)
}

// counted is a connection that counts what is written to it, though it has the methods of a socket.
type counted struct {
	*net.TCPConn
	writes atomic.Int64
}

// Write implements net.Conn.
func (c *counted) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.TCPConn.Write(p)
}

// ordered is a connection that records the first error of its reads, and how it is closed.
type ordered struct {
	*net.TCPConn
	mu    sync.Mutex
	calls []string
}

func (c *ordered) called(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, name)
}

// Read implements net.Conn.
func (c *ordered) Read(p []byte) (int, error) {
	n, err := c.TCPConn.Read(p)
	if err != nil {
		c.called("Read")
	}
	return n, err
}

// CloseWrite ends what is sent.
func (c *ordered) CloseWrite() error {
	c.called("CloseWrite")
	return c.TCPConn.CloseWrite()
}

// Close implements net.Conn.
func (c *ordered) Close() error {
	c.called("Close")
	return c.TCPConn.Close()
}

// serve has a caller's stream written to a connection.
func (r *rig) serve(c *caller, conn net.Conn, after, account string) {
	r.t.Helper()
	r.t.Cleanup(func() { _ = c.Close() })
	c.t, c.lines = r.t, bufio.NewReader(httputil.NewChunkedReader(c.Conn))
	reader, err := r.broker.Subscribe(context.Background(), session, after, broker.Deltas{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.writers.Serve(streams.Stream{
		Conn: conn, Reader: reader, Context: context.Background(), Account: account,
		Hold: func(end func()) (release func()) {
			c.end = end
			return func() { c.released.Add(1) }
		},
		Ended: func() {
			c.ended.Add(1)
			if c.ending != nil {
				c.ending()
			}
		},
	})
}

// errBeat is a heartbeat in the place of an event.
var errBeat = errors.New("a heartbeat")

// next returns the id of the next event, or the error at the end of the body.
func (c *caller) next() (id string, err error) {
	c.t.Helper()
	for {
		line, err := c.lines.ReadString('\n')
		if err != nil {
			return "", err
		}
		if strings.HasPrefix(line, ":") {
			return "", errBeat
		}
		if after, ok := strings.CutPrefix(line, "id: "); ok {
			id = strings.TrimSpace(after)
		}
		if line == "\n" && id != "" {
			return id, nil
		}
	}
}

// expect reads the events with these ids.
func (c *caller) expect(ids ...string) {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for _, want := range ids {
		if got, err := c.next(); err != nil || got != want {
			c.t.Fatalf("%q, %v, want %q", got, err, want)
		}
	}
}

// expectEnd reads up to the end of the body, which must be complete.
func (c *caller) expectEnd() {
	c.t.Helper()
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for {
		if _, err := c.next(); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			c.t.Fatalf("the body ends with %v", err)
		}
	}
}

// block lets the stream's connection accept nothing any longer, by events that the caller does not read.
func (r *rig) block(c *caller) {
	r.t.Helper()
	c.narrow()
	for range 16 {
		r.log.append(strings.Repeat("x", 900_000))
	}
}

// narrow lets the kernel hold little of what the caller does not read.
func (c *caller) narrow() { _ = c.Conn.(*net.TCPConn).SetReadBuffer(64 << 10) }

// eventually waits for a condition.
func eventually(t testing.TB, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !condition(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not after 20 s: %s", what)
		}
	}
}
