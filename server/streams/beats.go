package streams

import (
	"container/list"
	"sync"
	"time"
)

// beats knows all streams by when their heartbeats are due. All of them have the same time, so that the order is that of
// their last writes, and one timer is enough.
type beats struct {
	every time.Duration

	mu    sync.Mutex
	order list.List   // of *stream, the one that is due first in front
	timer *time.Timer // for that one; nil for none
}

// postpone puts a stream's heartbeat off: something was just written, or the stream is new.
func (b *beats) postpone(s *stream) {
	s.silent.Store(false)
	b.mu.Lock()
	defer b.mu.Unlock()
	s.due = time.Now().Add(b.every)
	if s.place == nil {
		s.place = b.order.PushBack(s)
	} else {
		b.order.MoveToBack(s.place)
	}
	if b.timer == nil {
		b.timer = time.AfterFunc(b.every, b.beat)
	}
}

// remove forgets a stream.
func (b *beats) remove(s *stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.order.Remove(s.place)
	if b.order.Len() == 0 && b.timer != nil {
		b.timer.Stop()
		b.timer = nil
	}
}

// beat wakes the streams whose heartbeats are due.
func (b *beats) beat() {
	for _, s := range b.take(time.Now()) {
		s.beat()
	}
}

// take returns the streams whose heartbeats are due, and sets the timer for the next one.
func (b *beats) take(now time.Time) (due []*stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for first := b.order.Front(); first != nil; first = b.order.Front() {
		s := first.Value.(*stream)
		if wait := s.due.Sub(now); wait > 0 {
			b.timer.Reset(wait)
			break
		}
		s.due = now.Add(b.every)
		b.order.MoveToBack(first)
		due = append(due, s)
	}
	return due
}

// all returns the streams whose connections are open.
func (b *beats) all() (all []*stream) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for e := b.order.Front(); e != nil; e = e.Next() {
		all = append(all, e.Value.(*stream))
	}
	return all
}
