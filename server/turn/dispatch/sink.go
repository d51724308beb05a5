package dispatch

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// maxText is the most bytes of one agent.message, within what the contract allows; what is longer becomes several.
const maxText = 1_000_000

// sink writes down what a runner says. It is a turn.Sink; finish reads what it has gathered once it is closed.
type sink struct {
	*work
	flushing sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	message *message // the one that is being made; nil for none
	pending []store.PendingAction
	used    turn.Usage
}

// message is an agent.message in the making.
type message struct {
	eventID string
	text    strings.Builder
	flushed int // bytes of text that readers were given
	ended   context.CancelFunc
}

var _ turn.Sink = (*sink)(nil)

func newSink(w *work) *sink { return &sink{work: w} }

// close makes every later call fail, but for Spend, which does nothing any more. It waits for what it has started.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
	if s.message != nil {
		s.message.ended()
	}
	s.mu.Unlock()
	s.flushing.Wait()
}

// enter begins a call, which must unlock s.mu unless there is an error.
func (s *sink) enter(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return errNotOurs
	}
	return nil
}

// Spend implements turn.Sink.
func (s *sink) Spend(u turn.Usage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.used = s.used.Add(u)
	}
}

// Keep implements turn.Sink.
func (s *sink) Keep(ctx context.Context, memo json.RawMessage) error { return ctx.Err() }

// Alive implements turn.Sink.
func (s *sink) Alive() {}

// Thinking implements turn.Sink.
func (s *sink) Thinking(ctx context.Context) error {
	_, err := s.append(ctx, event.AgentThinking, event.Payload{})
	return err
}

// Say implements turn.Sink.
func (s *sink) Say(ctx context.Context, piece string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	for piece = clean(piece); piece != ""; {
		if s.message != nil && s.message.text.Len() == maxText {
			if _, err := s.write(ctx); err != nil {
				return err
			}
		}
		if s.message == nil {
			s.begin(ctx)
		}
		part := firstBytes(piece, maxText-s.message.text.Len())
		piece = piece[len(part):]
		if part == "" { // no room for a character
			if _, err := s.write(ctx); err != nil {
				return err
			}
			continue
		}
		s.message.text.WriteString(part)
		if s.message.flushed == 0 {
			s.flush(ctx)
		}
	}
	return nil
}

// begin begins a message, which is given to readers every DeltaFlushInterval from here on.
func (s *sink) begin(ctx context.Context) {
	ctx, ended := context.WithCancel(context.WithoutCancel(ctx))
	m := &message{eventID: s.Store.NewID("evt"), ended: ended}
	s.message = m
	every := max(s.session.DeltaFlushInterval, time.Millisecond)
	s.flushing.Go(func() {
		for s.Clock.Sleep(ctx, every) == nil {
			s.mu.Lock()
			if s.message == m {
				s.flush(ctx)
			}
			s.mu.Unlock()
		}
	})
}

// flush gives readers what is new of the message.
func (s *sink) flush(ctx context.Context) {
	m := s.message
	text := m.text.String()[m.flushed:]
	if text == "" {
		return
	}
	err := s.Store.Publish(ctx, store.Increment{Session: s.ref.Session, EventID: m.eventID, Offset: m.flushed, Text: text})
	if err != nil {
		s.Logger.Warn("an increment was not published", "session", s.ref.Session.ID, "error", err)
	}
	m.flushed = m.text.Len()
}

// EndMessage implements turn.Sink.
func (s *sink) EndMessage(ctx context.Context) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	_, err := s.write(ctx)
	return err
}

// UseTool implements turn.Sink.
func (s *sink) UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	permission := types.EvaluatedPermissionAllow
	if ask {
		permission = types.EvaluatedPermissionAsk
	}
	e, err := s.append(ctx, event.AgentToolUse, event.Payload{Name: name, Input: input, EvaluatedPermission: permission})
	if err == nil && ask {
		s.wait(e)
	}
	return e.ID, err
}

// ToolResult implements turn.Sink.
func (s *sink) ToolResult(ctx context.Context, useID, text string, failed bool) error {
	_, err := s.append(ctx, string(turn.ToolResult), event.Payload{ToolUseID: useID, Content: event.Content(clean(text)), IsError: &failed})
	return err
}

// UseCustomTool implements turn.Sink.
func (s *sink) UseCustomTool(ctx context.Context, name string, input json.RawMessage) (string, error) {
	e, err := s.append(ctx, event.AgentCustomTool, event.Payload{Name: name, Input: input})
	if err == nil {
		s.wait(e)
	}
	return e.ID, err
}

// wait notes a use that the caller has to answer.
func (s *sink) wait(e store.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, store.PendingAction{EventID: e.ID, Type: e.Type})
}

// append writes down the current message, if there is one, and an event.
func (s *sink) append(ctx context.Context, kind string, p event.Payload) (store.Event, error) {
	e, err := event.New(kind, s.ref.TurnID, p)
	if err != nil {
		return store.Event{}, err
	}
	if err := s.enter(ctx); err != nil {
		return store.Event{}, err
	}
	defer s.mu.Unlock()
	return s.write(ctx, e)
}

// write writes down the current message, if there is one, and events, and returns the last of them. It fails when
// the turn is not ours any more, or was stopped: then the message stays the current one.
func (s *sink) write(ctx context.Context, events ...store.NewEvent) (last store.Event, err error) {
	if s.message != nil {
		s.flush(ctx)
		e, err := s.message.event(s.ref.TurnID)
		if err != nil {
			return last, err
		}
		events = append([]store.NewEvent{e}, events...)
	}
	if len(events) == 0 {
		return last, nil
	}
	_, err = s.Log.AppendNew(ctx, s.ref.Session, func(session *store.Session, add func(store.NewEvent) (store.Event, error)) error {
		if err := s.ours(session); err != nil {
			return err
		}
		if stopping(*session) {
			return errStopped
		}
		for _, e := range events {
			if last, err = add(e); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && s.message != nil {
		s.message.ended()
		s.message = nil
	}
	return last, err
}

// lastMessage returns the message that the runner left in the making.
func (s *sink) lastMessage() (store.NewEvent, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.message == nil || s.message.text.Len() == 0 {
		return store.NewEvent{}, false
	}
	s.flush(s.hard)
	e, err := s.message.event(s.ref.TurnID)
	return e, err == nil
}

func (m *message) event(turnID string) (store.NewEvent, error) {
	e, err := event.New(event.AgentMessage, turnID, event.Payload{Content: event.Content(m.text.String())})
	e.ID = m.eventID
	return e, err
}

// clean returns text without what the contract or a database cannot hold.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}

// firstBytes returns the longest beginning of text that has at most n bytes and only whole characters.
func firstBytes(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}
