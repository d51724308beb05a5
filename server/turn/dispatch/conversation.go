package dispatch

import (
	"context"
	"slices"
	"sync"

	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// history and historyBytes bound the events before a turn that its runner gets.
const (
	history      = 500
	historyBytes = store.PageBytes
)

// The events that are read at a time. Most turns have just begun: at first their message is read, and what precedes it.
const (
	firstEvents = 2
	nextEvents  = 100
)

// inputCopies is how often an event is held for a runner: as the store and as the runner have it.
const inputCopies = 2

// errTooLarge ends a turn that the account's other turns leave no memory for.
var errTooLarge = turn.Failuref("The account has too many large turns under way; wait for one to end and send the message again.")

// conversation reads the events of a session that runners see, from the newest to the oldest. The grant reserves what they
// take.
type conversation struct {
	*Dispatcher
	session store.SessionRef
	turnID  string
	page    store.Page // that is read next
	ended   bool       // there is none
	first   int64      // the position of the oldest event that was read; 0 for none

	mu       sync.Mutex // the runner may outlive the turn
	closed   bool
	complete bool         // the history was read
	entries  []turn.Entry // of the turn
	past     []turn.Entry // before it
	size     int          // of past, in bytes of JSON
}

func (d *Dispatcher) conversation(grant *budget.Grant, session store.SessionRef, turnID string) *conversation {
	return &conversation{Dispatcher: d, session: session, turnID: turnID, page: store.Page{Limit: firstEvents, Reserve: func(bytes int) error {
		if grant.Grow(inputCopies*bytes) != nil {
			return errTooLarge
		}
		return nil
	}}}
}

// close ends the use of the grant.
func (c *conversation) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
}

// turn returns the events of the turn: they are the newest.
func (c *conversation) turn(ctx context.Context) ([]turn.Entry, error) {
	for !c.ended && c.size == 0 {
		if err := c.read(ctx); err != nil {
			return nil, err
		}
	}
	slices.Reverse(c.entries)
	if !slices.ContainsFunc(c.entries, func(e turn.Entry) bool { return e.Kind == turn.AgentMessage || e.IsUse() }) {
		return c.entries, nil // only these have memos
	}
	return c.entries, c.remember(ctx, c.entries)
}

// history returns the events before the turn, as Input.History does.
func (c *conversation) history(ctx context.Context) ([]turn.Entry, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed:
		return nil, errNotOurs
	case c.complete:
		return c.past, nil
	}
	for !c.ended && len(c.past) < history && c.size < historyBytes {
		if err := c.read(ctx); err != nil {
			return nil, err
		}
	}
	slices.Reverse(c.past)
	c.complete = true
	if len(c.past) == 0 {
		return nil, nil
	}
	return c.past, c.remember(ctx, c.past)
}

// read reads a page.
func (c *conversation) read(ctx context.Context) error {
	list, err := c.Store.ListEvents(ctx, c.session.Account, c.session.ID, store.EventFilter{Types: event.EntryTypes()}, c.page)
	if err != nil {
		return err
	}
	for _, e := range list.Items {
		entry, _, err := event.Entry(e)
		if err != nil {
			return err
		}
		if e.TurnID == c.turnID {
			c.entries = append(c.entries, entry)
		} else if c.size += len(e.Payload); c.size <= historyBytes {
			c.past = append(c.past, entry)
		}
		c.page.Cursor, c.first = e.ID, e.Position
	}
	c.page.Limit, c.ended = nextEvents, !list.HasMore
	return nil
}

// remember adds the memos of the events.
func (c *conversation) remember(ctx context.Context, entries []turn.Entry) error {
	memos, err := c.Store.ListMemos(ctx, c.session.Account, c.session.ID, c.first-1)
	for i := range entries {
		entries[i].Memo = memos[entries[i].ID]
	}
	return err
}
