package streams

import (
	"slices"
	"testing"
	"time"
)

// The accounts take turns, and the streams of one keep their order.
func TestTheAccountsTakeTurns(t *testing.T) {
	t.Parallel()
	var q queue
	names := map[*stream]string{}
	push := func(account, name string) {
		s := &stream{Stream: Stream{Account: account}}
		names[s] = name
		q.push(s)
	}
	for _, name := range []string{"a1", "a2", "a3", "a4"} {
		push("a", name)
	}
	push("b", "b1")
	push("c", "c1")
	push("b", "b2")
	var got []string
	for s := q.pop(); s != nil; s = q.pop() {
		if got = append(got, names[s]); names[s] == "c1" {
			push("c", "c2")
		}
	}
	want := []string{"a1", "b1", "c1", "a2", "b2", "c2", "a3", "a4"}
	if !slices.Equal(got, want) || len(q.byAccount) != 0 {
		t.Errorf("%v, want %v; %d accounts are left", got, want, len(q.byAccount))
	}
}

// A write puts the heartbeat off, and the order of the streams is that of their heartbeats.
func TestTheOrderOfHeartbeats(t *testing.T) {
	t.Parallel()
	b := beats{every: time.Hour}
	first, second, third := &stream{}, &stream{}, &stream{}
	for _, s := range []*stream{first, second, third} {
		b.postpone(s)
	}
	start := second.due
	b.postpone(first)
	if due := b.take(start.Add(-time.Nanosecond)); len(due) != 0 {
		t.Errorf("%d heartbeats are due too early", len(due))
	}
	if due := b.take(third.due); !slices.Equal(due, []*stream{second, third}) && !slices.Equal(due, []*stream{second, third, first}) {
		t.Errorf("%d heartbeats are due, not those of the second and third stream", len(due))
	}
	if wait := second.due.Sub(start); wait < time.Hour {
		t.Errorf("the next heartbeat is due %s after the one before", wait)
	}
	second.silent.Store(true)
	b.postpone(second)
	if second.silent.Load() {
		t.Error("a heartbeat is due after a write")
	}
	for _, s := range []*stream{first, second, third} {
		b.remove(s)
	}
	if b.timer != nil || len(b.all()) != 0 {
		t.Error("a timer runs for no stream")
	}
}

// No more writers run than processors, however many streams have something to write.
func TestWritersAreBounded(t *testing.T) {
	t.Parallel()
	w := New(Options{Heartbeat: time.Hour})
	w.most = 0 // so that none takes a stream away
	w.running = 0
	for range 10 {
		w.enqueue(&stream{writers: w})
	}
	if w.running != 0 || len(w.queue.turns[0].streams) != 10 {
		t.Errorf("%d writers run", w.running)
	}
}
