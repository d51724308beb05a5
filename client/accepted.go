package client

import (
	"context"
	"encoding/json"
	"net/http"
)

// unstored returns events as they were sent, for a server that does not say how it stored them.
func unstored(events []EventInput) (sent []Event, err error) {
	data, err := json.Marshal(events)
	if err == nil {
		err = json.Unmarshal(data, &sent)
	}
	return sent, err
}

// find returns the newest event of a session's log that says the same as one that was sent and accepted, for a server that
// does not say how it stored it. It looks as often as a call is attempted. A server that stores events after it has accepted
// them may have an earlier one that says the same.
func (s *EventService) find(ctx context.Context, op string, id SessionID, sent Event, opts []Option) (Event, error) {
	cfg, err := s.c.config.with(opts)
	if err != nil {
		return Event{}, cfg.finish(op, err)
	}
	for n := 1; ; n++ {
		var newest Event
		for event, err := range s.All(ctx, id, &ListEventsParams{Types: []EventType{sent.Type}}, opts...) {
			if failure, ok := err.(*Error); ok {
				failure.Op = op
				return Event{}, failure
			}
			if event.Type == sent.Type && event.Text() == sent.Text() && !event.CreatedAt.Before(newest.CreatedAt) {
				newest = event
			}
		}
		if newest.ID != "" {
			return newest, nil
		}
		wait, worth := cfg.clock.wait(ctx, n, nil)
		if n > cfg.retries || !worth {
			return Event{}, &Error{Op: op, Status: http.StatusAccepted, Type: ErrUnexpectedResponse, Attempts: n,
				Message: "the server has accepted the event without saying its id, and the log of the session does not have it"}
		}
		if cfg.clock.sleep(ctx, wait) != nil {
			return Event{}, cfg.finish(op, ended(ctx, &Error{}))
		}
	}
}
