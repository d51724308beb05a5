package dispatch

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/turn"
)

// sink stores what a runner says. It is a turn.Sink; finish reads what it has gathered once it is closed.
type sink struct {
	*work
	flushing sync.WaitGroup

	mu      sync.Mutex
	closed  bool
	message *message // the one that is not complete; nil for none
	pending []store.PendingAction
	used    turn.Usage
}

// message is an agent.message that is not complete.
type message struct {
	eventID string
	text    strings.Builder
	flushed int // bytes of text that readers got
	ended   context.CancelFunc
}

var _ turn.Sink = (*sink)(nil)

func newSink(w *work) *sink { return &sink{work: w} }

// close makes every later call fail, except Spend, which then does nothing. It waits for the goroutines that it has
// started.
func (s *sink) close() {
	s.mu.Lock()
	s.closed = true
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

// Thinking implements turn.Sink.
func (s *sink) Thinking(ctx context.Context) error {
	return s.append(ctx, event.New{Type: event.AgentThinking})
}

// Say implements turn.Sink.
func (s *sink) Say(ctx context.Context, piece string) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	maxText := s.Log.MaxText() // in bytes, which are at least as many as characters; a longer text becomes several messages
	for piece = clean(piece); piece != ""; {
		if s.message != nil && s.message.text.Len() == maxText {
			if err := s.write(ctx); err != nil {
				return err
			}
		}
		if s.message == nil {
			s.begin(ctx)
		}
		part := text.Cut(piece, maxText-s.message.text.Len())
		piece = piece[len(part):]
		if part == "" { // no room for a character
			if err := s.write(ctx); err != nil {
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

// begin begins a message, whose text readers get every DeltaFlushInterval from here on.
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

// flush sends readers what is new of the message.
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
	return s.write(ctx)
}

// UseTool implements turn.Sink.
func (s *sink) UseTool(ctx context.Context, name string, input json.RawMessage, ask bool) (string, error) {
	permission := types.EvaluatedPermissionAllow
	if ask {
		permission = types.EvaluatedPermissionAsk
	}
	use := event.New{
		Type: event.AgentToolUse, ID: s.Store.NewID("evt"),
		Payload: event.Payload{Name: name, Input: input, EvaluatedPermission: permission},
	}
	if err := s.append(ctx, use); err != nil {
		return "", err
	}
	if ask {
		s.wait(use)
	}
	return use.ID, nil
}

// ToolResult implements turn.Sink.
func (s *sink) ToolResult(ctx context.Context, useID, text string, failed bool) error {
	return s.append(ctx, event.New{
		Type: string(turn.ToolResult), Payload: event.Payload{ToolUseID: useID, Content: event.Content(clean(text)), IsError: &failed},
	})
}

// UseCustomTool implements turn.Sink.
func (s *sink) UseCustomTool(ctx context.Context, name string, input json.RawMessage) (string, error) {
	use := event.New{Type: event.AgentCustomTool, ID: s.Store.NewID("evt"), Payload: event.Payload{Name: name, Input: input}}
	if err := s.append(ctx, use); err != nil {
		return "", err
	}
	s.wait(use)
	return use.ID, nil
}

// wait records a use that the caller has to respond to.
func (s *sink) wait(use event.New) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending = append(s.pending, store.PendingAction{EventID: use.ID, Type: use.Type})
}

// append stores the current message, if there is one, and an event.
func (s *sink) append(ctx context.Context, e event.New) error {
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.mu.Unlock()
	return s.write(ctx, e)
}

// write stores the current message, if there is one, and events of the turn. It fails when another worker has the
// turn, or the turn was stopped: then the message stays the current one.
func (s *sink) write(ctx context.Context, events ...event.New) error {
	if s.message != nil {
		s.flush(ctx)
		events = append([]event.New{s.message.event()}, events...)
	}
	if len(events) == 0 {
		return nil
	}
	for i := range events {
		events[i].TurnID = s.ref.TurnID
	}
	_, _, err := s.Log.Append(ctx, s.ref.Session, func(session *store.Session) ([]event.New, error) {
		if err := s.ours(session); err != nil {
			return nil, err
		}
		if stopping(*session) {
			return nil, errStopped
		}
		return events, nil
	})
	if err == nil && s.message != nil {
		s.message.ended()
		s.message = nil
	}
	return err
}

// lastMessage returns the message that the runner left incomplete, if there is one.
func (s *sink) lastMessage() []event.New {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.message == nil || s.message.text.Len() == 0 {
		return nil
	}
	s.flush(s.hard)
	last := s.message.event()
	last.TurnID = s.ref.TurnID
	return []event.New{last}
}

// event returns the message as an event, with the id that readers of increments know.
func (m *message) event() event.New {
	return event.New{Type: event.AgentMessage, Payload: event.Payload{Content: event.Content(m.text.String())}, ID: m.eventID}
}

// clean returns text without what the contract or a database does not allow.
func clean(text string) string {
	return strings.ReplaceAll(strings.ToValidUTF8(text, "\uFFFD"), "\x00", "")
}
