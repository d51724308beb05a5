package dispatch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// sink stores what a runner says, and brings it within the contract, since a runner may pass on whatever an endpoint
// sends. It is a turn.Sink; finish reads what it has gathered once it is closed.
type sink struct {
	*work
	flushing sync.WaitGroup
	halt     context.CancelCauseFunc // stops the runner, since the turn does not go on
	sign     atomic.Int64            // when the runner last showed that it works, as nanoseconds since began
	began    time.Time

	mu      sync.Mutex
	closed  bool
	room    int                   // bytes that the turn may still store
	full    bool                  // it has reached MaxText
	message *message              // the one that is not complete; nil for none
	memo    json.RawMessage       // of the next use
	waits   int                   // how many uses were recorded that wait
	open    []store.PendingAction // the uses that the runner runs, without a result
	owed    []event.New           // that the next event is stored with
	said    []store.Increment     // the rest of the message among owed; readers get it with that
	soon    *time.Timer           // stores what is owed; nil when nothing waits for it
	late    error                 // of what was to be stored soon

	used, requested turn.Usage      // since the work began, and since the request that is under way began
	problems        map[string]bool // that the turn has reported; nil before they were read
}

// message is an agent.message that is not complete.
type message struct {
	eventID string
	text    strings.Builder
	encoded int // bytes of JSON that text takes
	flushed int // bytes of text that readers got
	memo    json.RawMessage
	ended   context.CancelFunc
}

var _ turn.Sink = (*sink)(nil)

// newSink returns a sink for a turn that has stored a number of bytes before. halt may be called more than once.
func newSink(w *work, stored int, halt context.CancelCauseFunc) *sink {
	return &sink{work: w, halt: halt, began: time.Now(), room: max(w.MaxText-stored, 0), used: w.spent, owed: w.unstored}
}

// storeWithin is how long an event may wait for those that follow, to be stored in one step with them.
const storeWithin = 5 * time.Millisecond

// start lets what the claim has not stored be stored soon.
func (s *sink) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.storeSoon()
}

// storeLater is the longest wait between attempts to store what is owed while the database is not available.
const storeLater = time.Second

// storeSoon stores what is owed within storeWithin, unless an event that must be stored at once takes it along. s.mu is locked.
func (s *sink) storeSoon() { s.storeAfter(storeWithin) }

// storeAfter is storeSoon with another wait, which doubles from attempt to attempt while the database is not available.
func (s *sink) storeAfter(wait time.Duration) {
	if s.soon != nil || len(s.owed) == 0 {
		return
	}
	s.flushing.Add(1)
	s.soon = time.AfterFunc(wait, func() {
		defer s.flushing.Done()
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.soon == nil || s.closed {
			return
		}
		s.soon = nil
		switch err := s.store(s.hard, nil, unchanged); {
		case errors.Is(err, store.ErrUnavailable):
			s.storeAfter(min(2*wait, storeLater))
		case err != nil:
			s.late = err
			if errors.Is(err, errStopped) || errors.Is(err, errNotOurs) || errors.Is(err, store.ErrNotFound) {
				s.halt(err) // it came before the worker was told of such changes: see work.take
			}
		case s.message != nil:
			s.flush(s.hard)
		}
	})
}

// stopTimer ends the timer of storeSoon.
func (s *sink) stopTimer() {
	if s.soon != nil && s.soon.Stop() {
		s.flushing.Done()
	}
	s.soon = nil
}

// settle stores what is owed once the sink is closed: the turn has begun.
func (s *sink) settle(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.store(ctx, nil, unchanged)
}

// errFull is a turn that has reached MaxText.
var errFull = errors.New("the turn has reached the bound of its text")

// silence returns for how long the runner has given no sign of life.
func (s *sink) silence() time.Duration { return time.Since(s.began) - time.Duration(s.sign.Load()) }

// overflowed reports whether the turn has reached MaxText.
func (s *sink) overflowed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.full
}

// reserve takes n bytes of the turn's room. When there are fewer, the turn is full.
func (s *sink) reserve(n int) error {
	if n > s.room {
		s.full = true
		s.halt(errFull)
		return errFull
	}
	s.room -= n
	return nil
}

// close makes every later call fail, except Spend, which then does nothing. It waits for the goroutines that it has
// started.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	s.stopTimer()
	if s.message != nil {
		s.message.ended()
	}
	s.mu.Unlock()
	s.flushing.Wait()
}

// enter begins a call, which must unlock s.mu, unless it returns an error.
func (s *sink) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return errNotOurs
	case s.full:
		s.mu.Unlock()
		return errFull
	case s.late != nil:
		s.mu.Unlock()
		return s.late
	}
	s.Alive()
	return nil
}

// Alive implements turn.Sink.
func (s *sink) Alive() { s.sign.Store(int64(time.Since(s.began))) }

// aliveFor makes the silence begin after some time at the earliest, unless Alive is called before.
func (s *sink) aliveFor(d time.Duration) { s.sign.Store(int64(time.Since(s.began) + d)) }

// spoke notes when the first piece of the turn came.
func (s *sink) spoke() {
	if s.first == 0 {
		s.first = time.Since(s.work.began)
	}
}

// Spend implements turn.Sink.
func (s *sink) Spend(u turn.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.Alive()
		bounds := s.Log.Usage()
		s.used = s.used.Add(u.Within(bounds)).Within(bounds)
		s.requested = s.requested.Add(u.Within(bounds)).Within(bounds)
	}
}

// EndRequest implements turn.Sink.
func (s *sink) EndRequest(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.request == "" {
		return nil
	}
	if err := s.reserve(eventSize); err != nil {
		return err
	}
	if err := s.write(ctx, event.New{Type: event.RequestEnd, Payload: s.requestEnd(false)}); err != nil {
		return err
	}
	s.request = ""
	return nil
}

// BeginRequest implements turn.Sink.
func (s *sink) BeginRequest(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if s.request != "" {
		return errors.New("a request to the model is under way")
	}
	if err := s.reserve(eventSize); err != nil {
		return err
	}
	s.request, s.requested = s.Store.NewID("evt"), turn.Usage{}
	s.owed = append(s.owed, event.New{Type: event.RequestStart, Payload: event.Payload{Model: s.session.Agent.Model}, ID: s.request})
	return nil
}

// maxProblems bounds how many problems of a turn are remembered.
const maxProblems = 100

// Problem implements turn.Sink.
func (s *sink) Problem(ctx context.Context, message string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	message = s.Log.ErrorMessage(message, "Something in the turn does not work.")
	if err := s.readProblems(ctx); err != nil || s.problems[message] {
		return err
	}
	if err := s.reserve(eventSize + len(message)); err != nil {
		return err
	}
	s.log().Warn("a turn has a problem", "problem", message)
	s.problems[message] = true
	return s.write(ctx, event.New{Type: event.SessionError, Payload: event.Payload{Error: &types.SessionErrorDetail{
		Type: types.ErrorTypeAPIError, Message: message,
	}}})
}

// readProblems reads what the turn has reported before it last waited.
func (s *sink) readProblems(ctx context.Context) error {
	if s.problems != nil {
		return nil
	}
	list, err := s.Store.ListEvents(ctx, s.ref.Session.Account, s.ref.Session.ID,
		store.EventFilter{Types: []string{event.SessionError}}, store.Page{Limit: maxProblems})
	if err != nil {
		return err
	}
	s.problems = map[string]bool{}
	for _, e := range list.Items {
		p, err := event.Read(e)
		if err != nil {
			return err
		}
		if e.TurnID == s.ref.TurnID && p.Error != nil {
			s.problems[p.Error.Message] = true
		}
	}
	return nil
}

// Keep implements turn.Sink.
func (s *sink) Keep(ctx context.Context, memo json.RawMessage) error {
	if len(memo) > turn.MaxMemo || !json.Valid(memo) || !utf8.Valid(memo) {
		return fmt.Errorf("a memo of %d bytes is too long, or not JSON in UTF-8", len(memo))
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.reserve(len(memo)); err != nil {
		return err
	}
	memo = bytes.Clone(memo)
	if s.message != nil {
		s.message.memo = memo
	} else {
		s.memo = memo
	}
	return nil
}

// Thinking implements turn.Sink.
func (s *sink) Thinking(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.spoke()
	if err := s.reserve(eventSize); err != nil {
		return err
	}
	if err := s.endMessage(ctx); err != nil {
		return err
	}
	s.owed = append(s.owed, event.New{Type: event.AgentThinking})
	s.storeSoon()
	return nil
}

// Say implements turn.Sink.
func (s *sink) Say(ctx context.Context, piece string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	s.spoke()
	piece = event.Clean(piece)
	within := text.Cut(piece, s.room)
	if err := s.speak(ctx, within); err != nil {
		return err
	}
	return s.reserve(len(piece))
}

// speak adds a piece to the current message.
func (s *sink) speak(ctx context.Context, piece string) error {
	maxText := s.Log.MaxText() // in bytes, which are at least as many as characters; a longer text becomes several messages
	for piece != "" {
		if s.message != nil && s.message.text.Len() == maxText {
			if err := s.write(ctx); err != nil {
				return err
			}
		}
		if s.message == nil {
			s.begin(ctx)
		}
		part := text.Cut(piece, maxText-s.message.text.Len())
		part, size := text.CutJSON(part, s.Log.MaxTextJSON()-s.message.encoded)
		piece = piece[len(part):]
		if part == "" { // no room for a character
			if err := s.write(ctx); err != nil {
				return err
			}
			continue
		}
		s.message.text.WriteString(part)
		s.message.encoded += size
		if s.message.flushed == 0 && s.soon == nil { // readers get the events before the message first
			s.flush(ctx)
		}
	}
	return nil
}

// begin begins a message, whose text readers get every DeltaFlushInterval from here on.
func (s *sink) begin(ctx context.Context) {
	ctx, ended := context.WithCancel(context.WithoutCancel(ctx))
	m := &message{eventID: s.Store.NewID("evt"), ended: ended}
	s.message = m
	every := max(s.session.DeltaFlushInterval, time.Millisecond)
	s.flushing.Go(func() {
		for s.Clock.Sleep(ctx, every) == nil {
			s.mu.Lock()
			if s.message == m && s.soon == nil {
				s.flush(ctx)
			}
			s.mu.Unlock()
		}
	})
}

// flush sends readers what is new of the message.
func (s *sink) flush(ctx context.Context) {
	for _, inc := range s.rest() {
		if err := s.Store.Publish(ctx, inc); err != nil {
			s.log().Warn("an increment was not published", "error", err)
		}
		s.message.flushed += len(inc.Text)
	}
}

// rest returns what readers have not got of the message, if there is any.
func (s *sink) rest() []store.Increment {
	m := s.message
	if m.flushed == m.text.Len() {
		return nil
	}
	return []store.Increment{{Session: s.ref.Session, EventID: m.eventID, Offset: m.flushed, Text: m.text.String()[m.flushed:]}}
}

// endMessage ends the message, if there is one, which is owed then.
func (s *sink) endMessage(ctx context.Context) error {
	if s.message == nil {
		return nil
	}
	if len(s.said) > 0 { // readers follow one message at a time
		if err := s.store(ctx, nil, unchanged); err != nil {
			return err
		}
	}
	if s.soon == nil {
		s.flush(ctx)
	}
	s.said = s.rest()
	s.owed = append(s.owed, s.message.event())
	s.message.ended()
	s.message = nil
	s.storeSoon()
	return nil
}

// EndMessage implements turn.Sink.
func (s *sink) EndMessage(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return s.endMessage(ctx)
}

// UseTool implements turn.Sink.
func (s *sink) UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	p := event.Payload{Name: event.ToolName(name), Input: input, EvaluatedPermission: permission(ask)}
	return s.use(ctx, store.PendingAction{Type: event.AgentToolUse}, p, ask)
}

// UseWorkerTool implements turn.Sink.
func (s *sink) UseWorkerTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	p := event.Payload{Name: event.ToolName(name), Input: input, EvaluatedPermission: permission(ask)}
	return s.use(ctx, store.PendingAction{Type: event.AgentToolUse, Worker: true, Allowed: !ask}, p, true)
}

// UseMCPTool implements turn.Sink.
func (s *sink) UseMCPTool(ctx context.Context, server, name string, input json.RawMessage, ask bool) (string, error) {
	return s.use(ctx, store.PendingAction{Type: event.AgentMCPToolUse}, event.Payload{
		MCPServerName: event.ToolName(server), Name: event.MCPToolName(name), Input: input, EvaluatedPermission: permission(ask),
	}, ask)
}

// permission returns what a use's event tells of its permission.
func permission(ask bool) types.EvaluatedPermission {
	if ask {
		return types.EvaluatedPermissionAsk
	}
	return types.EvaluatedPermissionAllow
}

// ToolResult implements turn.Sink.
func (s *sink) ToolResult(ctx context.Context, useID, text string, failed bool) error {
	return s.result(ctx, useID, text, event.ToolResult(&s.session, useID, event.Content(s.Log.ResultText(text)), failed))
}

// MCPToolResult implements turn.Sink.
func (s *sink) MCPToolResult(ctx context.Context, useID, text string, failed bool) error {
	return s.result(ctx, useID, text, event.MCPToolResult(useID, event.Content(s.Log.ResultText(text)), failed))
}

// result stores the result of a use.
func (s *sink) result(ctx context.Context, useID, text string, events []event.New) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.reserve(len(events) * (eventSize + len(text))); err != nil {
		return err
	}
	if err := s.write(ctx, events...); err != nil {
		return err
	}
	s.open = slices.DeleteFunc(s.open, func(use store.PendingAction) bool { return use.EventID == useID })
	return nil
}

// UseCustomTool implements turn.Sink.
func (s *sink) UseCustomTool(ctx context.Context, name string, input json.RawMessage) (string, error) {
	return s.use(ctx, store.PendingAction{Type: event.AgentCustomTool}, event.Payload{Name: event.ToolName(name), Input: input}, true)
}

// use stores the use of a tool and returns its event's id. With wait, the session has it among its pending ones from here
// on: whatever it waits for may come before the turn stops.
func (s *sink) use(ctx context.Context, use store.PendingAction, p event.Payload, wait bool) (string, error) {
	input, ok := s.Log.ToolInput(p.Input)
	p.Input = input
	if !ok {
		return "", turn.Failuref("The agent used the tool %s with arguments that are not a JSON object within the bounds.", p.Name)
	}
	if err := s.enter(ctx); err != nil {
		return "", err
	}
	defer s.mu.Unlock()
	s.spoke()
	if wait && len(s.session.Turn.Pending)+s.waits >= s.Log.MaxPending() {
		return "", turn.Failuref("The agent used more than %d tools at once.", s.Log.MaxPending())
	}
	if err := s.reserve(eventSize + len(input)); err != nil {
		return "", err
	}
	use.EventID = s.Store.NewID("evt")
	events := []event.New{{Type: use.Type, ID: use.EventID, Payload: p, Memo: s.memo}}
	if !wait {
		if err := s.write(ctx, events...); err != nil {
			return "", err
		}
		s.memo, s.open = nil, append(s.open, use)
		return use.EventID, nil
	}
	err := s.writeAnd(ctx, events, func(session *store.Session) {
		session.Turn.Pending = append(slices.Clone(session.Turn.Pending), use)
	})
	if err != nil {
		return "", err
	}
	s.memo, s.waits = nil, s.waits+1
	return use.EventID, nil
}

// eventSize is what an event counts for in addition to its text, in bytes: a turn must not have any number of small ones.
const eventSize = 256

// unchanged leaves the session as it is.
func unchanged(*store.Session) {}

// write stores the current message, if there is one, and events of the turn. It fails when another worker has the turn, or
// the turn was stopped: then the message stays owed.
func (s *sink) write(ctx context.Context, events ...event.New) error {
	return s.writeAnd(ctx, events, unchanged)
}

// writeAnd is write that also changes the session.
func (s *sink) writeAnd(ctx context.Context, events []event.New, change func(*store.Session)) error {
	if err := s.endMessage(ctx); err != nil {
		return err
	}
	return s.store(ctx, events, change)
}

// store stores what is owed, then events.
func (s *sink) store(ctx context.Context, events []event.New, change func(*store.Session)) error {
	events = slices.Concat(s.owed, events)
	if len(events) == 0 {
		return nil
	}
	for i := range events {
		events[i].TurnID = s.ref.TurnID
	}
	_, err := s.work.append(ctx, s.said, func(session *store.Session) ([]event.New, error) {
		if stopping(*session) {
			return nil, errStopped
		}
		change(session)
		return events, nil
	})
	if err == nil {
		s.owed, s.said, s.unstored = nil, nil, nil
		s.stopTimer()
	}
	return err
}

// last returns what the runner left to be stored: what is owed, and the message that is incomplete; and what readers have not
// got of it.
func (s *sink) last() (events []event.New, said []store.Increment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	events = slices.Clone(s.owed)
	if s.message != nil && s.message.text.Len() > 0 {
		said = s.rest()
		events = append(events, s.message.event())
	}
	for i := range events {
		events[i].TurnID = s.ref.TurnID
	}
	return events, slices.Concat(s.said, said)
}

// event returns the message as an event, with the id that readers of increments know.
func (m *message) event() event.New {
	return event.New{Type: event.AgentMessage, Payload: event.Payload{Content: event.Content(m.text.String())}, ID: m.eventID, Memo: m.memo}
}
