package operations

import (
	"github.com/cloud-sessions/sessions/server/encoded"
	"github.com/cloud-sessions/sessions/server/event"
)

// eventsResponse returns the response of an operation: the envelope, whose data is empty, with events that were encoded for
// the log. valid is whether each of them was validated; otherwise the pipeline finds the violation and reports it.
func (h *handler) eventsResponse(operation string, envelope any, events []event.Stored, valid bool) (encoded.Response, error) {
	items := make([][]byte, len(events))
	for i, e := range events {
		items[i] = e.Wire
	}
	return encoded.List(h.contract.Operation(operation), envelope, items, valid)
}
