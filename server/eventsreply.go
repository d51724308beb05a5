package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/server/event"
)

// eventsReply is a response with events as they were encoded for the log.
type eventsReply struct {
	body []byte
	// validated is whether the body was validated: the events one by one, and what is around them. Otherwise the
	// pipeline validates it, and reports the violation.
	validated bool
}

var errEnvelope = errors.New("an envelope does not begin with its data")

// eventsReply puts events between the brackets of an envelope whose data is empty and comes first. valid is whether
// each of the events was validated.
func (h *handler) eventsReply(operation string, envelope any, events []event.Stored, valid bool) (eventsReply, error) {
	empty, err := json.Marshal(envelope)
	if err != nil {
		return eventsReply{}, err
	}
	opening := []byte(`{"data":[`)
	closing, ok := bytes.CutPrefix(empty, opening)
	if !ok {
		return eventsReply{}, errEnvelope
	}
	valid = valid && h.contract.Operation(operation).CheckEnvelope(http.StatusOK, empty, len(events)) == nil
	size := len(empty) + len("\n")
	for _, e := range events {
		size += len(e.Wire) + len(",")
	}
	body := append(make([]byte, 0, size), opening...)
	for i, e := range events {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, e.Wire...)
	}
	return eventsReply{append(append(body, closing...), '\n'), valid}, nil
}

func (r eventsReply) write(w http.ResponseWriter) error {
	if r.validated {
		writeChecked(w, http.StatusOK, r.body)
		return nil
	}
	w.Header()[echo.HeaderContentType] = []string{echo.MIMEApplicationJSON}
	w.WriteHeader(http.StatusOK)
	_, err := w.Write(r.body)
	return err
}

// VisitSendEventsResponse implements echoserver.SendEventsResponseObject.
func (r eventsReply) VisitSendEventsResponse(w http.ResponseWriter) error { return r.write(w) }

// VisitListEventsResponse implements echoserver.ListEventsResponseObject.
func (r eventsReply) VisitListEventsResponse(w http.ResponseWriter) error { return r.write(w) }
