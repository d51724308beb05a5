package streams_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/streams"
)

// A stream has what the log has, at once and as it grows. At rest it has one goroutine.
func TestAStreamFollowsItsSession(t *testing.T) {
	r := open(t)
	first, second := r.log.append("a"), r.log.append("b")
	before := runtime.NumGoroutine()
	var callers []*caller
	for i := range 100 {
		after := ""
		if i%2 == 1 {
			after = first
		}
		callers = append(callers, r.stream(after, "acme"))
	}
	for i, c := range callers {
		if i%2 == 0 {
			c.expect(first)
		}
		c.expect(second)
	}
	eventually(t, "a stream at rest has one goroutine", func() bool { return runtime.NumGoroutine() <= before+len(callers) })
	third := r.log.append("c")
	for _, c := range callers {
		c.expect(third)
	}
}

// Every way in which a stream ends gives back what it has, once, and all but those in which the connection is lost end the
// body. A heartbeat would come before the end of a stream that does not end.
func TestEndsOfAStream(t *testing.T) {
	for name, test := range map[string]struct {
		end        func(r *rig, c *caller)
		incomplete bool
	}{
		"the server stops": {end: func(r *rig, _ *caller) { r.broker.Close() }},
		"the session is deleted": {end: func(r *rig, c *caller) {
			r.log.set(func(l *log) { l.gone = true })
			r.log.signal()
			c.expect("evt_end")
		}},
		"the admission ends":     {end: func(_ *rig, c *caller) { c.end() }},
		"the caller half-closes": {end: func(_ *rig, c *caller) { _ = c.Conn.(*net.TCPConn).CloseWrite() }},
		"the caller sends, leaves": {end: func(_ *rig, c *caller) {
			_, _ = io.WriteString(c, strings.Repeat("GET / HTTP/1.1\r\n\r\n", 10))
			_ = c.Conn.(*net.TCPConn).CloseWrite()
		}},
		"the connection is closed": {incomplete: true, end: func(r *rig, _ *caller) { r.writers.Abort() }},
		"the caller resets": {incomplete: true, end: func(_ *rig, c *caller) {
			_ = c.Conn.(*net.TCPConn).SetLinger(0)
			_ = c.Close()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, func(o *streams.Options) { o.Heartbeat = 5 * time.Second })
			id := r.log.append("a")
			c := r.stream("", "acme")
			c.expect(id)
			test.end(r, c)
			if test.incomplete {
				if _, err := c.next(); err == nil || err == io.EOF || err == errBeat {
					t.Errorf("the body ends with %v", err)
				}
			} else {
				c.expectEnd()
			}
			r.wait()
			if c.ended.Load() != 1 || c.released.Load() != 1 || r.broker.Readers() != 0 || r.dropped.Load() != 0 {
				t.Errorf("ended %d times, released %d times, %d readers, %d dropped", c.ended.Load(), c.released.Load(), r.broker.Readers(), r.dropped.Load())
			}
		})
	}
}

// A caller that does not read in time is dropped, and its response is not complete.
func TestACallerThatDoesNotReadIsDropped(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Patience = 50 * time.Millisecond })
	c := r.stream("", "acme")
	r.block(c)
	r.wait()
	if c.ended.Load() != 1 || r.dropped.Load() != 1 || r.broker.Readers() != 0 {
		t.Errorf("ended %d times, %d dropped, %d readers", c.ended.Load(), r.dropped.Load(), r.broker.Readers())
	}
	for {
		if _, err := c.next(); err == io.EOF {
			t.Fatal("the body is complete")
		} else if err != nil {
			break
		}
	}
}

// Each piece has its time to be read.
func TestEachPieceHasItsTime(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Piece = 100 })
	c, server := r.pipe()
	c.expect(r.log.append(strings.Repeat("x", 1000)))
	server.mu.Lock()
	defer server.mu.Unlock()
	if len(server.writes) < 10 {
		t.Errorf("%d pieces", len(server.writes))
	}
	for i, deadlines := range server.writes {
		if deadlines < i+1 {
			t.Fatalf("%d deadlines before write %d", deadlines, i+1)
		}
	}
}

// A caller that does not read keeps its stream open for a moment only once the stream has to end.
func TestAStreamThatIsNotReadEnds(t *testing.T) {
	const patience = 5 * time.Second
	r := open(t, func(o *streams.Options) { o.Patience = patience })
	c, server := r.pipe()
	r.log.append("a")
	<-server.writing
	c.end()
	r.wait()
	server.mu.Lock()
	defer server.mu.Unlock()
	n := len(server.deadlines)
	if n != 2 || !server.deadlines[1].Before(server.deadlines[0]) {
		t.Errorf("deadlines: %v", server.deadlines)
	}
}

// What is written once the stream has to end gets no more time, however many pieces it has.
func TestTheLastPiecesHaveNoTimeOfTheirOwn(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Piece = 100 })
	ended := false
	c, server := r.pipe(func(c *caller) {
		if !ended {
			ended = true
			c.end()
		}
	})
	r.log.append(strings.Repeat("x", 1000))
	c.expectEnd()
	r.wait()
	server.mu.Lock()
	defer server.mu.Unlock()
	set := slices.DeleteFunc(server.deadlines, time.Time.IsZero) // a stream that rested before its first piece had none
	if len(set) != 3 || len(server.writes) < 10 {                // of the first piece, of the others, and of the end
		t.Errorf("deadlines: %v, at %v", server.deadlines, server.writes)
	}
}

// The time for a write ends with the write: a stream may rest for longer.
func TestAStreamMayRestForLong(t *testing.T) {
	const patience = 50 * time.Millisecond
	r := open(t, func(o *streams.Options) { o.Patience = patience })
	r.log.append("a")
	c := r.stream("", "acme")
	c.expect("evt_1")
	eventually(t, "the stream is at rest", func() bool { return !r.writers.Busy() })
	time.Sleep(2 * patience) // longer than a write may take
	c.expect(r.log.append("b"))
}

// Little is read of what a caller sends after its request.
func TestWhatACallerSendsIsNotReadForever(t *testing.T) {
	r := open(t)
	c, _ := r.pipe()
	_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	if n, err := c.Write(make([]byte, 1<<20)); err == nil || n < 4<<10 || n > 5<<10 {
		t.Errorf("%d bytes were read, %v", n, err)
	}
	c.expect(r.log.append("a"))
}

// A store that hangs does not keep a stream open that has to end.
func TestAStreamEndsWhileTheDatabaseHangs(t *testing.T) {
	r := open(t)
	r.log.set(func(l *log) { l.hangs = true })
	c := r.stream("", "acme")
	eventually(t, "the store is read", func() bool { return r.log.hanging.Load() == 1 })
	c.end()
	c.expectEnd()
	if r.log.cancelled.Load() != 1 {
		t.Error("the stream waited for the store")
	}
}

// A stream that waits for the store has its heartbeats.
func TestAStreamHasHeartbeatsWhileTheDatabaseHangs(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Heartbeat = 20 * time.Millisecond })
	r.log.set(func(l *log) { l.hangs = true })
	c := r.stream("", "acme")
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	for range 3 {
		if _, err := c.next(); err != errBeat {
			t.Fatal(err)
		}
	}
	if r.log.cancelled.Load() == 0 || r.unreadable.Load() != 0 {
		t.Errorf("the heartbeats came after the store, %d failures were reported", r.unreadable.Load())
	}
	r.log.set(func(l *log) { l.hangs = false })
	id := r.log.append("a")
	for {
		if got, err := c.next(); err != errBeat {
			if got != id || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			return
		}
	}
}

// A stream that could not end in time, because the store or the processors were busy, is complete if its caller reads.
func TestAStreamEndsLate(t *testing.T) {
	r := open(t)
	var c *caller
	r.log.set(func(l *log) {
		c, _ = r.pipe()
		eventually(t, "the store is read", func() bool { return l.reading.Load() == 1 })
		c.end()
		time.Sleep(streams.LastWrite + 50*time.Millisecond)
	})
	c.expectEnd()
	r.wait()
	if r.dropped.Load() != 0 {
		t.Error("the caller is said not to have read")
	}
}

// A connection is not closed while its caller may still send, which would reset it, and the caller could lose the end of the
// stream: the caller gets the end first. One that does not close its end is not waited for.
func TestTheEndIsNoReset(t *testing.T) {
	r := open(t)
	for _, closes := range []bool{true, false} {
		here, there := r.connect()
		c, server := &caller{Conn: here}, &ordered{TCPConn: there}
		r.serve(c, server, "", "acme")
		c.end()
		c.expectEnd()
		if n, err := c.Read(make([]byte, 1)); n != 0 || err != io.EOF {
			t.Fatalf("after the end: %d bytes, %v", n, err)
		}
		if closes {
			_ = c.Close()
		}
		r.wait()
		if want := []string{"CloseWrite", "Read", "Close"}; !slices.Equal(server.calls, want) {
			t.Errorf("closes: %v, the connection ends with %v, want %v", closes, server.calls, want)
		}
	}
}

// Abort ends the streams that wait for the end of their bodies to be read, and those that wait for the store.
func TestAbortEndsEveryStream(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Patience = time.Hour })
	unread, conn := r.pipe()
	for range 70 { // more than is kept in memory: the next stream reads the store
		unread.expect(r.log.append("a"))
	}
	eventually(t, "the stream is at rest", func() bool { return !r.writers.Busy() })
	for len(conn.writing) > 0 {
		<-conn.writing
	}
	r.log.set(func(l *log) { l.hangs = true })
	c, _ := r.pipe()
	_, _ = c.Write(make([]byte, 4<<10)) // nobody notices that the connection is closed
	eventually(t, "the store is read", func() bool { return r.log.hanging.Load() == 1 })
	r.broker.Close()
	<-conn.writing
	r.writers.Abort()
	if !conn.closed.Load() {
		t.Fatal("a stream is still open")
	}
	r.wait()
	if r.log.cancelled.Load() != 1 {
		t.Error("a stream waited for the store")
	}
}

// A panic in what is called at a stream's end is reported, and ends nothing else.
func TestAPanicAtTheEnd(t *testing.T) {
	r := open(t)
	waits, _ := r.pipe()
	for i, c := range []*caller{r.stream("", "acme"), waits} {
		c.ending = func() { panic("out of luck") }
		eventually(t, "the stream is at rest", func() bool { return !r.writers.Busy() })
		c.end()
		c.expectEnd()
		eventually(t, "the panic is reported", func() bool { return r.failed.Load() == int64(i+1) })
	}
	r.wait()
}

// What a connection of another type does to what is written to it is left to it.
func TestAConnectionThatIsWrapped(t *testing.T) {
	r := open(t)
	here, err := net.Dial("tcp", r.listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	there, err := r.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	counted := &counted{TCPConn: there.(*net.TCPConn)}
	c := &caller{Conn: here}
	r.serve(c, counted, "", "acme")
	c.expect(r.log.append("a"))
	eventually(t, "the stream is at rest", func() bool { return !r.writers.Busy() })
	before := counted.writes.Load()
	c.expect(r.log.append("b"))
	if counted.writes.Load() == before {
		t.Error("the stream was written past the connection")
	}
}

// A panic ends the streams that it concerns and nothing else, and their bodies are not complete.
func TestAPanicEndsItsStream(t *testing.T) {
	r := open(t)
	first := r.log.append("a")
	c := r.stream("", "acme")
	c.expect(first)
	eventually(t, "the stream is at rest", func() bool { return !r.writers.Busy() })
	r.log.append("panic")
	if _, err := c.next(); err == nil || err == io.EOF {
		t.Errorf("the body ends with %v", err)
	}
	r.wait()
	if c.ended.Load() != 1 || c.released.Load() != 1 || r.broker.Readers() != 0 || r.failed.Load() != 1 {
		t.Errorf("ended %d times, released %d times, %d readers, failed %d times", c.ended.Load(), c.released.Load(), r.broker.Readers(), r.failed.Load())
	}
}

// A caller that reads slowly gets everything, as long as it reads something in time: what was written in part before the
// connection was full, and what comes after that.
func TestASlowCallerGetsEverything(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Piece = 4 << 10 })
	c := r.stream("", "acme")
	c.narrow()
	for range 10 {
		eventually(t, "the stream is at rest", func() bool { return !r.writers.Busy() })
		var ids []string
		for range 8 {
			ids = append(ids, r.log.append(strings.Repeat("x", 60_000)))
		}
		ids = append(ids, r.log.append(strings.Repeat("y", 300_000)))
		c.expect(ids...)
	}
}

// Streams that do not accept what is written to them take no writer.
func TestSlowCallersDelayNobody(t *testing.T) {
	r := open(t)
	for range runtime.GOMAXPROCS(0) + 2 {
		c := r.stream("", "acme")
		c.narrow()
	}
	fast := r.stream("", "acme")
	for range 100 { // 6 MB in events that the topic keeps
		fast.expect(r.log.append(strings.Repeat("x", 60_000)))
	}
}

// While the store fails, a stream reads again each second and has heartbeats. Then it continues where it was.
func TestAStreamOutlivesTheDatabase(t *testing.T) {
	r := open(t)
	c := r.stream("", "acme")
	c.expect(r.log.append("a"))
	r.log.set(func(l *log) { l.fail = store.ErrUnavailable })
	second := r.log.append("b")
	eventually(t, "the failure is reported", func() bool { return r.unreadable.Load() > 0 })
	r.log.set(func(l *log) { l.fail = nil })
	_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
	if line, err := c.lines.ReadString('\n'); err != nil || line != strings.TrimSuffix(streams.Heartbeat, "\n") {
		t.Errorf("%q, %v", line, err)
	}
	c.expect(second, r.log.append("c"))
}

// A failing store does not keep a stream open that has to end.
func TestAStreamEndsWhileTheDatabaseFails(t *testing.T) {
	r := open(t)
	r.log.set(func(l *log) { l.fail = store.ErrUnavailable })
	c := r.stream("", "acme")
	eventually(t, "the failure is reported", func() bool { return r.unreadable.Load() > 0 })
	c.end()
	c.expectEnd()
}

// A silent stream has heartbeats, and only a silent one.
func TestHeartbeats(t *testing.T) {
	r := open(t, func(o *streams.Options) { o.Heartbeat = 5 * time.Millisecond })
	for range 3 {
		start := time.Now()
		c := r.stream("", "acme")
		_ = c.SetReadDeadline(time.Now().Add(20 * time.Second))
		text := make([]byte, 5*len(streams.Heartbeat))
		if _, err := io.ReadFull(c.lines, text); err != nil || string(text) != strings.Repeat(streams.Heartbeat, 5) {
			t.Fatalf("%q, %v", text, err)
		}
		if took := time.Since(start); took < 25*time.Millisecond {
			t.Errorf("5 heartbeats in %s", took)
		}
	}
}

// A connection on which a write cannot be tried has the same frames.
func TestAConnectionWithoutASocket(t *testing.T) {
	r := open(t)
	ids := []string{r.log.append("a"), r.log.append("b")}
	c, _ := r.pipe()
	c.expect(ids...)
	c.expect(r.log.append("c"))
	r.broker.Close()
	c.expectEnd()
}

// Readers that are fast or slow, leave at random and resume see every event once, in order.
func TestEveryCallerSeesEveryEventOnce(t *testing.T) {
	const callers, events = 24, 400
	r := open(t)
	var all sync.WaitGroup
	seen := make([][]string, callers)
	for i := range seen {
		random := rand.New(rand.NewPCG(11, uint64(i)))
		all.Go(func() {
			for cursor := ""; len(seen[i]) < events; {
				c := r.stream(cursor, fmt.Sprint("account", i%3))
				_ = c.SetReadDeadline(time.Now().Add(time.Minute))
				c.narrow()
				for range 1 + random.IntN(150) {
					id, err := c.next()
					if err != nil {
						t.Error(err)
						return
					}
					cursor = id
					if seen[i] = append(seen[i], id); len(seen[i]) == events {
						break
					}
					if i%2 == 0 && random.IntN(20) == 0 {
						time.Sleep(time.Duration(random.IntN(2000)) * time.Microsecond)
					}
				}
				_ = c.Close()
			}
		})
	}
	var want []string
	random := rand.New(rand.NewPCG(11, 99))
	for range events {
		want = append(want, r.log.append(strings.Repeat("x", 1+random.IntN(1+random.IntN(20_000)))))
		if random.IntN(4) == 0 {
			time.Sleep(time.Duration(random.IntN(500)) * time.Microsecond)
		}
	}
	all.Wait()
	for i := range seen {
		if !slices.Equal(seen[i], want) {
			t.Errorf("caller %d got %d events, not those of the log", i, len(seen[i]))
		}
	}
	r.wait()
	if n := r.broker.Readers(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

// Wait returns when its context ends, and when the last stream has ended.
func TestWait(t *testing.T) {
	r := open(t)
	if err := r.writers.Wait(t.Context()); err != nil {
		t.Error(err)
	}
	c := r.stream("", "acme")
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.writers.Wait(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	c.end()
	if err := r.writers.Wait(t.Context()); err != nil || c.ended.Load() != 1 {
		t.Errorf("%v, ended %d times", err, c.ended.Load())
	}
}
