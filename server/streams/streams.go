// Package streams writes event streams to connections of their own, without a goroutine of net/http and its buffers for
// each: a few writers, no more than processors, serve the streams that have something to write. A writer never waits. What
// a connection does not accept at once, and what has to be read from the store, is left to a goroutine of that stream,
// which ends when the stream has caught up. A stream at rest has one goroutine, with the smallest stack, which notices that
// its caller leaves.
package streams

import (
	"context"
	"net"
	"runtime"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/internal/panics"
)

// Options configure writers.
type Options struct {
	// Heartbeat is the longest silence on a stream.
	Heartbeat time.Duration
	// Patience is how long a caller may take to read Piece bytes, or a frame; 0 for no bound.
	Patience time.Duration
	Piece    int
	// Unreadable is called with the context of a stream whose session cannot be read at present. The stream reads again after
	// RetryRead.
	Unreadable func(ctx context.Context, err error)
	// Failed is called with the context of a stream that ends because its code has panicked.
	Failed func(ctx context.Context, err *panics.Error)
	// Dropped is called for a stream that ended because its caller did not read in time.
	Dropped func()
}

const (
	// RetryRead is how long a stream waits before it reads again after the store has failed.
	RetryRead = time.Second
	// LastWrite is how long a write may still take once the stream has to end.
	LastWrite = 250 * time.Millisecond
	// keptBytes bounds the buffer that a writer keeps from stream to stream.
	keptBytes = 128 << 10
	// discardedBytes is how much is read of what a caller sends after its request. More stays unread, and that the caller has
	// left is then noticed by the next write.
	discardedBytes = 4 << 10
)

// Heartbeat is what is written to a stream after a silence.
const Heartbeat = ": heartbeat\n\n"

// Stream is the rest of a response whose headers have been sent: a body in chunks.
type Stream struct {
	// Conn is the connection, which is closed at the stream's end.
	Conn net.Conn
	// Reader has the frames. It is closed at the stream's end.
	Reader *broker.Reader
	// Context is that of the reads of the store. It need not end.
	Context context.Context
	// Hold calls end, without waiting for it to return, when the stream's caller is no longer admitted. Release is called at the
	// stream's end.
	Hold func(end func()) (release func())
	// Account is whose turn it is when the stream is served: the accounts take turns.
	Account string
	// Ended is called once the stream has ended.
	Ended func()
}

// Writers write streams. Their methods are safe for concurrent use.
type Writers struct {
	opts  Options
	most  int
	beats beats

	mu      sync.Mutex
	queue   queue
	running int           // writers
	open    int           // streams, and goroutines that watch their connections
	none    chan struct{} // closed when nothing is open; nil while nobody waits for that
}

// New returns writers without streams.
func New(o Options) *Writers {
	return &Writers{opts: o, most: runtime.GOMAXPROCS(0), beats: beats{every: o.Heartbeat}}
}

// Serve writes a stream until its caller is no longer admitted, leaves or does not read in time, its session is deleted, or
// its broker is closed. The body is complete then, unless the caller did not read. Serve does not wait for that.
func (w *Writers) Serve(of Stream) {
	s := &stream{Stream: of, writers: w, raw: socketOf(of.Conn), state: served}
	w.mu.Lock()
	w.open += 2
	w.mu.Unlock()
	w.beats.postpone(s)
	s.release = s.Hold(s.expire)
	go s.watch()
	s.requeue()
}

// Wait waits until all streams have ended, or returns ctx's error.
func (w *Writers) Wait(ctx context.Context) error {
	w.mu.Lock()
	if w.open == 0 {
		w.mu.Unlock()
		return nil
	}
	if w.none == nil {
		w.none = make(chan struct{})
	}
	none := w.none
	w.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Abort closes the connections of all streams, which then end.
func (w *Writers) Abort() {
	for _, s := range w.beats.all() {
		_ = s.Conn.Close()
		s.expire()
	}
}

// closed counts a stream, or a goroutine that watched one, that is no longer there.
func (w *Writers) closed() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open--; w.open == 0 && w.none != nil {
		close(w.none)
		w.none = nil
	}
}

// enqueue has a stream served.
func (w *Writers) enqueue(s *stream) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.queue.push(s)
	if w.running < w.most {
		w.running++
		go w.write()
	}
}

// write serves streams until none is left.
func (w *Writers) write() {
	var text []byte
	for {
		w.mu.Lock()
		s := w.queue.pop()
		if s == nil {
			w.running--
			w.mu.Unlock()
			return
		}
		w.mu.Unlock()
		if text = s.serve(text); cap(text) > keptBytes {
			text = nil
		}
	}
}
