package client

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Event is an event of a session's log or of a stream. Value is what happened:
//
//	switch v := event.Value.(type) {
//	case client.AgentMessageEvent:
//		fmt.Println(event.Text())
//	case client.SessionStatusIdleEvent:
//		fmt.Println("done:", v.StopReason.Type)
//	}
type Event struct {
	// ID is the event's id, a cursor. [EventStart] and [EventDelta] have none.
	ID EventID
	// Type is the event's type, such as [EventTypeAgentMessage]. Servers may know more types.
	Type EventType
	// SessionID is the event's session and TurnID its turn; both may be "".
	SessionID SessionID
	TurnID    TurnID
	// CreatedAt is the time of the event.
	CreatedAt time.Time
	// Value is the event itself, of one of this package's types …Event, or [EventStart] or [EventDelta]; nil for a type
	// that this version does not know: see [Event.Raw].
	Value any

	raw json.RawMessage
}

// Text returns the text of a message of the user or the agent, or of a piece of one; "" for any other event. A caller that
// asked for pieces gets the text of a message twice, in pieces and then complete.
func (e Event) Text() string {
	switch v := e.Value.(type) {
	case AgentMessageEvent:
		return v.Content.Text()
	case UserMessageEvent:
		return v.Content.Text()
	case EventDelta:
		return v.Delta.Content.Text
	}
	return ""
}

// Raw returns the event as the server sent it, with the fields that this version does not know. It must not be changed.
func (e Event) Raw() json.RawMessage { return e.raw }

// MarshalJSON returns the event as the server sent it.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.raw == nil {
		return []byte("null"), nil
	}
	return e.raw, nil
}

// UnmarshalJSON accepts any object with a type. It fails for an event of a known type whose fields have other JSON types
// than in the contract.
func (e *Event) UnmarshalJSON(data []byte) error {
	var head struct {
		ID        EventID   `json:"id"`
		Type      EventType `json:"type"`
		SessionID SessionID `json:"session_id"`
		TurnID    TurnID    `json:"turn_id"`
		CreatedAt time.Time `json:"created_at"`
	}
	if err := unmarshal(data, &head); err != nil {
		return err
	}
	value, err := eventValue(data, head.Type)
	if err != nil {
		return err
	}
	*e = Event{head.ID, head.Type, head.SessionID, head.TurnID, head.CreatedAt, value, bytes.Clone(data)}
	return nil
}

// eventValue decodes an event. It returns nil for a type that this version does not know.
func eventValue(data []byte, kind EventType) (any, error) {
	read, known := eventTypeReaders[kind]
	if !known {
		return nil, nil
	}
	return read(data)
}

// decodeEvent decodes an event that is a T.
func decodeEvent[T any](data []byte) (any, error) {
	var v T
	err := unmarshal(data, &v)
	return v, err
}

// NewUserMessage returns a message with one text block for each text.
func NewUserMessage(texts ...string) EventInput {
	return NewEventInput(UserMessageInput{Content: texts})
}

// NewInterrupt returns an interruption, which stops the running turn.
func NewInterrupt() EventInput { return NewEventInput(UserInterruptInput{}) }

// Send sends events to a session, all of them or none, and returns them as stored. A message starts a turn: see
// [SessionService.Run] to read the events that follow. It returns [ErrNotFound] when the session does not exist,
// [ErrInvalidRequest] when an event is invalid or, with status 409, the session is already processing a turn,
// [ErrConflict] when it is archived, and [ErrRateLimit] when the account has too many running turns.
//
// A server that does not follow the contract may accept events with a 202 and no body. They are returned as they were sent
// then, without ids.
//
// Operation sendEvents: POST /sessions/{session_id}/events.
func (s *EventService) Send(ctx context.Context, id SessionID, events []EventInput, opts ...Option) ([]Event, error) {
	return s.send(ctx, "Sessions.Events.Send", id, events, opts)
}

// SendMessage sends a message and returns it as stored, without waiting for the reply. Its errors are those of
// [EventService.Send].
//
// Operation sendEvents: POST /sessions/{session_id}/events.
func (s *EventService) SendMessage(ctx context.Context, id SessionID, text string, opts ...Option) (*Event, error) {
	return s.sendOne(ctx, "Sessions.Events.SendMessage", id, NewUserMessage(text), opts)
}

// Interrupt stops the running turn, if there is one, and leaves the session idle, whereas [SessionService.Cancel] leaves
// it cancelled. It does not wait. It returns the interruption as stored. Its errors are those of [EventService.Send].
//
// Operation sendEvents: POST /sessions/{session_id}/events.
func (s *EventService) Interrupt(ctx context.Context, id SessionID, opts ...Option) (*Event, error) {
	return s.sendOne(ctx, "Sessions.Events.Interrupt", id, NewInterrupt(), opts)
}

// sendOne sends one event for the method op.
func (s *EventService) sendOne(ctx context.Context, op string, id SessionID, event EventInput, opts []Option) (*Event, error) {
	sent, err := s.send(ctx, op, id, []EventInput{event}, opts)
	if err != nil {
		return nil, err
	}
	return &sent[0], nil
}

// send sends events, at least one, for the method op.
func (s *EventService) send(ctx context.Context, op string, id SessionID, events []EventInput, opts []Option) ([]Event, error) {
	sent, err := call[*struct{ Data []Event }](ctx, s.c, op, opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return nil, invalid("events", "events is empty")
		}
		return httpclient.NewSendEventsRequest(server, id, nil, types.SendEventsRequest{Events: events})
	})
	if err != nil {
		return nil, err
	}
	if *sent == nil {
		return unstored(events)
	}
	stored := (*sent).Data
	if len(stored) != len(events) {
		return nil, &Error{Op: op, Type: ErrUnexpectedResponse, Message: "the response does not have the events that were sent"}
	}
	return stored, nil
}
