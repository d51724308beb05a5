package streams

import (
	"testing"
	"time"
)

// A heartbeat that is due when a stream begins to read the store does not wait for it.
func TestAHeartbeatThatIsDueInterruptsARead(t *testing.T) {
	t.Parallel()
	s := &stream{Stream: Stream{Context: t.Context()}, writers: New(Options{Heartbeat: time.Hour})}
	ctx, done := s.reading()
	if ctx.Err() != nil {
		t.Error("a read is interrupted without a reason")
	}
	done()
	s.silent.Store(true)
	ctx, done = s.reading()
	defer done()
	if ctx.Err() == nil {
		t.Error("the heartbeat waits for the read")
	}
}
