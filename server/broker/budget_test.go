package broker_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/budget"
)

// large fills the session's log with two pages, of about 1 MB each.
func large(l *logs) {
	for range 200 {
		l.write(session, "user.message", l.newID(), map[string]any{"content": strings.Repeat("a", 10_000)})
	}
}

// A reader that is behind the window reserves the frames that it has got, until it asks for the next ones or is closed.
func TestFramesAreReserved(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	large(l)
	bytes := budget.New(64 << 20)
	b := open(t, l, func(o *broker.Options) { o.Budget = bytes })
	r := subscribe(t, b, "", broker.Deltas{})
	page := 0
	for _, f := range next(t, r) {
		page += len(f.Text)
	}
	if got := bytes.Used(); got != int64(page) || page < 1_000_000 {
		t.Errorf("%d bytes are reserved for frames of %d", got, page)
	}
	for range 2 { // the second page, then the end
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		_, _ = r.Next(ctx)
		cancel()
	}
	if got := bytes.Used(); got != 0 {
		t.Errorf("%d bytes are reserved by a reader that has nothing", got)
	}
	other := subscribe(t, b, "", broker.Deltas{})
	next(t, other)
	if bytes.Used() == 0 {
		t.Error("nothing is reserved for the frames of another reader")
	}
	other.Close()
	if got := bytes.Used(); got != 0 {
		t.Errorf("%d bytes are reserved by a closed reader", got)
	}
}

// Readers wait for memory, rather than hold more of it than their account may.
func TestReadersWaitForMemory(t *testing.T) {
	t.Parallel()
	l := newLogs(session)
	large(l)
	bytes := budget.New(16 << 20) // 4 MiB for an account: the frames of two readers, and the 2 MiB that a page takes when it is read
	b := open(t, l, many, func(o *broker.Options) { o.Budget = bytes })
	readers := make([]*broker.Reader, 4)
	for i := range readers {
		readers[i] = subscribe(t, b, "", broker.Deltas{})
	}
	for _, r := range readers[:3] {
		next(t, r)
	}
	reads := len(l.readsSince(0))
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if frames, err := readers[3].Next(ctx); err == nil {
		t.Errorf("%d frames, with %d bytes reserved", len(frames), bytes.Used())
	}
	if more := l.readsSince(reads); len(more) > 0 {
		t.Errorf("%d pages were read without memory for them", len(more))
	}
	readers[0].Close()
	next(t, readers[3])
}
