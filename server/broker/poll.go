package broker

import (
	"errors"
	"slices"

	"github.com/cloud-sessions/sessions/server/internal/panics"
)

// ErrBehind means that the next frames are not in memory, or that there is no memory for them: Reader.Read returns them.
var ErrBehind = errors.New("broker: the next frames are in the store")

// Waiter is what a reader wakes that polls.
type Waiter interface {
	// Wake is called once for each Poll that returned no frames, unless the reader is closed or polls again before. It must
	// not wait, and must not call the broker. It may still be called when the reader was closed.
	Wake()
}

// waiting is a reader that is to be woken, and by what.
type waiting struct {
	reader *Reader
	waiter Waiter
}

// Poll is Next that waits for nothing, neither for the log nor for the store. If it returns no frames, the waiter is woken
// when there may be some, or when the broker is closed. It returns ErrBehind where it had to read the store, or to wait for
// memory.
func (r *Reader) Poll(w Waiter) ([]Frame, error) {
	for {
		if err := r.begin(); err != nil {
			return nil, err
		}
		_, version := r.topic.latest()
		d, _ := r.topic.broker.draftOf(r.topic.session) // read before the log, as in Read
		found := r.topic.look(r, d)
		var out []Frame
		var err error
		switch {
		case found.behind:
			return nil, ErrBehind
		case len(found.frames) > 0:
			out, err = r.weave(found.frames)
		case found.begun:
			err = r.pieces(&out, d)
		}
		var full *noRoomError
		switch {
		case errors.As(err, &full):
			return nil, ErrBehind
		case err != nil || len(out) > 0:
			return out, err
		}
		if r.topic.wait(r, w, version) {
			return nil, nil
		}
	}
}

// found is what a topic has in memory for a reader.
type found struct {
	frames []Frame
	behind bool // what comes next is not in memory, or not known
	begun  bool // the pieces of the draft come next
}

// look returns what there is for a reader, and for the draft that there was before.
func (t *topic) look(r *Reader, d draft) (f found) {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch {
	case t.gone != nil:
		f.frames = []Frame{*t.gone}
	case !t.known || r.cursor < t.from || t.failed && !t.fresh():
		f.behind = true
	case r.cursor < t.to:
		f.frames = t.since(r.cursor)
	case !r.deltas.Message || d.eventID == "" || d.stale || !t.fresh():
	case r.started == d.eventID || t.absent == d.eventID && r.cursor <= t.absentTo:
		f.begun = true
	default: // the message may be in the log before the cursor
		f.behind = t.message != d.eventID
	}
	return f
}

// wait adds a reader to those that are to be woken, unless there may be something new since that version.
func (t *topic) wait(r *Reader, w Waiter, version int) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.version != version || t.broker.ctx.Err() != nil {
		return false
	}
	if r.place == 0 {
		t.waiting = append(t.waiting, waiting{r, w})
		r.place = len(t.waiting)
	}
	t.feed()
	return true
}

// forget removes a reader from those that are to be woken.
func (t *topic) forget(r *Reader) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if r.place == 0 {
		return
	}
	last := len(t.waiting) - 1
	t.waiting[r.place-1] = t.waiting[last]
	t.waiting[r.place-1].reader.place = r.place
	t.waiting = slices.Delete(t.waiting, last, last+1)
	r.place = 0
}

// rouse wakes those that wait.
func (t *topic) rouse() {
	t.mu.Lock()
	all := t.awaken()
	t.mu.Unlock()
	for _, w := range all {
		w.waiter.Wake()
	}
}

// awaken returns those that wait, who no longer do. The topic is locked.
func (t *topic) awaken() []waiting {
	all := t.waiting
	for _, w := range all {
		w.reader.place = 0
	}
	t.waiting = nil
	return all
}

// feed starts a goroutine that reads the log for those that wait, if it may have grown and none does so. The topic is locked.
func (t *topic) feed() {
	if !t.feeding && !t.fresh() && len(t.waiting) > 0 {
		t.feeding = true
		go t.readOn()
	}
}

// readOn reads the log to its end and wakes those that wait. If it cannot, or panics, they are behind: each finds out itself.
func (t *topic) readOn() {
	grant := t.broker.opts.Budget.Open(t.session.Account)
	defer grant.Close()
	for more := true; more; {
		d, _ := t.broker.draftOf(t.session) // read before the log, so that the events before the draft are in the log
		t.mu.Lock()
		to := t.to
		t.mu.Unlock()
		err := panics.ToError(func() error {
			_, err := t.advance(t.broker.ctx, to, grant)
			t.announce(d)
			return err
		})
		t.mu.Lock()
		t.version++
		t.failed = err != nil
		more = err == nil && t.gone == nil && !t.fresh()
		t.feeding = more
		t.mu.Unlock()
		t.rouse()
	}
}

// announce finds out, for all readers that wait, whether a draft's message is in the log. Otherwise each of them would.
func (t *topic) announce(d draft) {
	t.mu.Lock()
	to, wanted := t.to, d.eventID != "" && !d.stale && slices.ContainsFunc(t.waiting, func(w waiting) bool { return w.reader.deltas.Message })
	t.mu.Unlock()
	if wanted {
		_, _ = t.holds(t.broker.ctx, d.eventID, to)
	}
}
