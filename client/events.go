package client

import (
	"bytes"
	"context"
	"encoding/json"
	"iter"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Event is an event of a session's log or of a stream. Value says what happened:
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
	// CreatedAt is when the event happened.
	CreatedAt time.Time
	// Value is the event itself, of one of this package's types …Event, or [EventStart] or [EventDelta]; nil when
	// this version does not know the type: see [Event.Raw].
	Value any

	raw json.RawMessage
}

// Text is what was said: the text of a message of the user or the agent, or of a piece of one. It is "" for all
// other events. Whoever asked for pieces gets a message's text twice, in pieces and then whole.
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

// Raw is the event as the server sent it, with the fields that this version does not know. It must not be changed.
func (e Event) Raw() json.RawMessage { return e.raw }

// MarshalJSON returns the event as the server sent it.
func (e Event) MarshalJSON() ([]byte, error) {
	if e.raw == nil {
		return []byte("null"), nil
	}
	return e.raw, nil
}

// UnmarshalJSON reads any object with a type. It fails for an event of a known type with a field of another kind
// than the contract's.
func (e *Event) UnmarshalJSON(data []byte) error {
	var head struct {
		ID        EventID   `json:"id"`
		Type      EventType `json:"type"`
		SessionID SessionID `json:"session_id"`
		TurnID    TurnID    `json:"turn_id"`
		CreatedAt time.Time `json:"created_at"`
	}
	if err := json.Unmarshal(data, &head); err != nil {
		return err
	}
	value, err := eventValue(data, head.Type)
	if err != nil {
		return err
	}
	*e = Event{head.ID, head.Type, head.SessionID, head.TurnID, head.CreatedAt, value, bytes.Clone(data)}
	return nil
}

// eventValue reads an event. It returns nil for a type that this version does not know.
func eventValue(data []byte, kind EventType) (any, error) {
	read, known := eventReaders[kind]
	if !known {
		return nil, nil
	}
	return read(data)
}

// readEvent reads an event that is a T.
func readEvent[T any](data []byte) (any, error) {
	var v T
	err := json.Unmarshal(data, &v)
	return v, err
}

// eventReaders read the events of a stream, by their type.
var eventReaders = map[EventType]func([]byte) (any, error){
	EventTypeUserMessage:              readEvent[UserMessageEvent],
	EventTypeUserInterrupt:            readEvent[UserInterruptEvent],
	EventTypeUserDefineOutcome:        readEvent[UserDefineOutcomeEvent],
	EventTypeUserToolConfirmation:     readEvent[UserToolConfirmationEvent],
	EventTypeUserCustomToolResult:     readEvent[UserCustomToolResultEvent],
	EventTypeSessionStatusRunning:     readEvent[SessionStatusRunningEvent],
	EventTypeSessionStatusRescheduled: readEvent[SessionStatusRescheduledEvent],
	EventTypeSessionStatusIdle:        readEvent[SessionStatusIdleEvent],
	EventTypeSessionError:             readEvent[SessionErrorEvent],
	EventTypeSessionDeleted:           readEvent[SessionDeletedEvent],
	EventTypeAgentThinking:            readEvent[AgentThinkingEvent],
	EventTypeAgentMessage:             readEvent[AgentMessageEvent],
	EventTypeAgentToolUse:             readEvent[AgentToolUseEvent],
	EventTypeAgentToolResult:          readEvent[AgentToolResultEvent],
	EventTypeAgentCustomToolUse:       readEvent[AgentCustomToolUseEvent],
	EventTypeSpanModelRequestStart:    readEvent[SpanModelRequestStartEvent],
	EventTypeSpanModelRequestEnd:      readEvent[SpanModelRequestEndEvent],
	EventTypeStart:                    readEvent[EventStart],
	EventTypeDelta:                    readEvent[EventDelta],
}

// NewEventInput returns an [EventInput]; its Type need not be set. [NewUserMessage] and [NewInterrupt] are shorter.
func NewEventInput[T UserMessageInput | UserInterruptInput | UserDefineOutcomeInput | UserToolConfirmationInput | UserCustomToolResultInput](event T) EventInput {
	return types.NewEventInput(event)
}

// NewUserMessage returns a message, of one text block for each text.
func NewUserMessage(texts ...string) EventInput {
	return NewEventInput(UserMessageInput{Content: texts})
}

// NewInterrupt returns an interruption, which stops the turn under way.
func NewInterrupt() EventInput { return NewEventInput(UserInterruptInput{}) }

// Send sends events to a session, all of them or none, and returns them as they were stored. A message starts a
// turn: see [SessionService.Run] to read what comes of it. It returns [ErrNotFound] when there is no such session,
// [ErrInvalidRequest] when an event is malformed or, with status 409, the session is processing a turn already,
// [ErrConflict] when it is archived, and [ErrRateLimit] when the account has too many turns under way.
//
// Operation sendEvents: POST /sessions/{session_id}/events.
func (s *EventService) Send(ctx context.Context, id SessionID, events []EventInput, opts ...Option) ([]Event, error) {
	return s.send(ctx, "Sessions.Events.Send", id, events, opts)
}

// SendMessage sends a message and returns it as it was stored, without waiting for the answer. Its errors are those
// of [EventService.Send].
//
// Operation sendEvents: POST /sessions/{session_id}/events.
func (s *EventService) SendMessage(ctx context.Context, id SessionID, text string, opts ...Option) (*Event, error) {
	return s.sendOne(ctx, "Sessions.Events.SendMessage", id, NewUserMessage(text), opts)
}

// Interrupt stops the turn under way, if there is one, and leaves the session idle, where [SessionService.Cancel] leaves
// it cancelled. It does not wait. It returns the interruption as it was stored. Its errors are those of
// [EventService.Send].
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
	sent, err := call[struct{ Data []Event }](ctx, s.c, op, opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		if len(events) == 0 {
			return nil, &Error{Type: ErrInvalidRequest, Message: "there is no event to send", Param: "events"}
		}
		return httpclient.NewSendEventsRequest(server, id, nil, types.SendEventsRequest{Events: events})
	})
	if err != nil {
		return nil, err
	}
	if len(sent.Data) != len(events) {
		return nil, &Error{Op: op, Type: ErrUnexpectedResponse, Message: "the answer does not have the events that were sent"}
	}
	return sent.Data, nil
}

// EventService holds the operations on the logs of sessions; it is [SessionService.Events].
type EventService struct{ c *Client }

// List returns one page of a session's events, oldest first and 20 of them unless params says otherwise. A nil params
// asks for the first page; params.Limit is 1 to 100. The filters of params hold together: any of Types, at most 50,
// and the bounds of the creation time, sent in UTC and cut to the microsecond. It returns [ErrNotFound] when there
// is no such session. An unknown cursor is an [ErrInvalidRequest].
//
// Operation listEvents: GET /sessions/{session_id}/events.
func (s *EventService) List(ctx context.Context, id SessionID, params *ListEventsParams, opts ...Option) (*Page[Event], error) {
	p := eventQuery(params)
	start := cursor{p.Page, p.AfterID, p.BeforeID}
	return list[Event](ctx, s.c, "Sessions.Events.List", opts, start, func(server string, at cursor) (*http.Request, error) {
		if err := checkID("session_id", id); err != nil {
			return nil, err
		}
		query := p
		query.Page, query.AfterID, query.BeforeID = at.page, at.after, at.before
		return httpclient.NewListEventsRequest(server, id, &query)
	})
}

// All yields the events that [EventService.List] returns for params and, page by page as the loop goes on, those that
// follow; params.Limit is the size of a page. An error is yielded once, at the end. Ranging again starts anew.
// Changing params afterwards has no effect.
func (s *EventService) All(ctx context.Context, id SessionID, params *ListEventsParams, opts ...Option) iter.Seq2[Event, error] {
	p := eventQuery(params)
	return all(ctx, func() (*Page[Event], error) { return s.List(ctx, id, &p, opts...) })
}

// eventQuery is a copy of params that fits the contract whatever the caller's times.
func eventQuery(params *ListEventsParams) ListEventsParams {
	p := value(params)
	p.Types = append([]EventType(nil), p.Types...)
	wireTimes(&p.CreatedAfter, &p.CreatedFrom, &p.CreatedBefore, &p.CreatedTo)
	return p
}
