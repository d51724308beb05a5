package streams

import (
	"container/list"
	"context"
	"errors"
	"net"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/cloud-sessions/sessions/server/internal/panics"
)

// state is who has a stream.
type state int

const (
	resting state = iota // nobody: it is to be woken
	queued               // the queue
	served               // a writer, or a goroutine of its own
	ended
)

// stream is an open stream. The one who has it may use the reader and write to the connection.
type stream struct {
	Stream
	writers *Writers
	raw     syscall.RawConn // nil where a write may have to wait
	release func()          // of the admission

	mu    sync.Mutex
	state state
	again bool // it was woken while somebody had it
	over  bool // it has to end: the deadline for its writes stays as it is
	// cancel ends what the stream reads of the store at present; nil for nothing.
	cancel context.CancelFunc
	// unread means that watch has returned, left that it is to close the connection when it does.
	unread, left bool

	silent atomic.Bool // a heartbeat is due
	due    time.Time   // when the next one is, guarded by beats
	place  *list.Element

	discarded [16]byte // what the caller has sent
}

// socketOf returns a connection's socket, to which is written without waiting; nil for a connection of another type than the
// standard library's, which may change what is written.
func socketOf(conn net.Conn) syscall.RawConn {
	tcp, ok := conn.(*net.TCPConn)
	if !ok {
		return nil
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	return raw
}

// Wake implements broker.Waiter.
func (s *stream) Wake() {
	s.mu.Lock()
	wakes := s.state == resting
	if wakes {
		s.state = queued
	}
	s.again = s.again || s.state == served
	s.mu.Unlock()
	if wakes {
		s.writers.enqueue(s)
	}
}

// beat has a heartbeat written, also while the stream waits for the store.
func (s *stream) beat() {
	s.mu.Lock()
	s.silent.Store(true)
	if s.cancel != nil {
		s.cancel()
	}
	s.mu.Unlock()
	s.Wake()
}

// take makes the caller the one who has the stream.
func (s *stream) take() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.state, s.again = served, false
}

// requeue leaves the stream to the writers.
func (s *stream) requeue() {
	s.mu.Lock()
	s.state = queued
	s.mu.Unlock()
	s.writers.enqueue(s)
}

// rest lets the stream wait until it is woken, unless it was meanwhile.
func (s *stream) rest() {
	s.mu.Lock()
	again := s.again
	if !again {
		s.state = resting
	}
	s.mu.Unlock()
	if again {
		s.requeue()
	}
}

// watch reads from the connection until the caller leaves, which ends the stream, and closes the connection if it was left to
// it.
func (s *stream) watch() {
	defer s.writers.closed()
	defer func() {
		s.mu.Lock()
		s.unread = true
		left := s.left
		s.mu.Unlock()
		if left {
			_ = s.Conn.Close()
		}
	}()
	for read := 0; read < discardedBytes; {
		n, err := s.Conn.Read(s.discarded[:])
		if read += n; err != nil {
			s.expire()
			return
		}
	}
}

// expire ends the stream, whatever it waits for. What it still writes is bounded in time.
func (s *stream) expire() {
	s.mu.Lock()
	if !s.over {
		s.over = true
		_ = s.Conn.SetWriteDeadline(time.Now().Add(LastWrite))
		if s.cancel != nil {
			s.cancel()
		}
	}
	s.mu.Unlock()
	s.Wake()
}

// isOver reports whether the stream has to end.
func (s *stream) isOver() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.over
}

// reading returns a context for reads of the store, which ends when the stream has to, and when a heartbeat is due. The
// caller must call done.
func (s *stream) reading() (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(s.Context)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cancel = cancel; s.over || s.silent.Load() {
		cancel()
	}
	return ctx, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.cancel = nil
		cancel()
	}
}

// deadline sets the time by which the caller has to have read; the zero time is none. It does nothing once the stream has to
// end.
func (s *stream) deadline(by time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.over {
		_ = s.Conn.SetWriteDeadline(by)
	}
}

// leave gives back what the stream has of others, before the caller can see its end.
func (s *stream) leave() {
	s.mu.Lock()
	s.state = ended
	s.mu.Unlock()
	s.release()
	s.Reader.Close()
}

// complete ends the stream's body and the stream. It does not wait.
func (s *stream) complete() {
	s.last()
	s.leave()
	n, err := s.try(lastChunk)
	if err != nil || n == len(lastChunk) {
		s.shut(err)
		return
	}
	go func() {
		defer s.survive()
		_, err := s.Conn.Write(lastChunk[n:])
		s.shut(err)
	}()
}

// last gives the caller time for the end of the body. A stream that has to end may have waited for its turn until the time
// for its writes was over.
func (s *stream) last() {
	s.extend()
	by := time.Now().Add(LastWrite)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		_ = s.Conn.SetWriteDeadline(by)
	}
}

// abandon ends the stream where its body is, after a write has failed.
func (s *stream) abandon(err error) {
	s.leave()
	s.shut(err)
}

// survive ends the stream, and nothing else, if the function panics that has deferred it.
func (s *stream) survive() {
	v := recover()
	if v == nil {
		return
	}
	err := &panics.Error{Value: v, Stack: debug.Stack()}
	s.writers.opts.Failed(s.Context, err)
	s.mu.Lock()
	open := s.state != ended
	s.mu.Unlock()
	if open {
		s.abandon(err)
	}
}

// shut closes the connection of a stream that has ended with an error of its last write, or nil.
func (s *stream) shut(err error) {
	defer s.writers.closed()
	s.writers.beats.remove(s)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		s.writers.opts.Dropped()
	}
	if err != nil || !s.leaveToWatch() {
		_ = s.Conn.Close()
	}
	s.Ended()
}

// leaveToWatch ends what is sent to the caller, and leaves it to watch to close the connection once the caller has, or after
// LastWrite: one that is closed with something unread is reset, and the caller may lose the end of the stream.
func (s *stream) leaveToWatch() bool {
	conn, ok := s.Conn.(interface{ CloseWrite() error })
	s.mu.Lock()
	s.left = ok && !s.unread
	left := s.left
	s.mu.Unlock()
	if !left {
		return false
	}
	_ = s.Conn.SetReadDeadline(time.Now().Add(LastWrite))
	return conn.CloseWrite() == nil
}
