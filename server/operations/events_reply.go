package operations

import (
	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/validated"
)

// eventsBody returns the response of an operation: the envelope, whose data is empty, with events that were encoded and
// validated for the log.
func (h *handler) eventsBody(operation string, envelope any, events []event.Stored) (validated.Body, error) {
	items := make([][]byte, len(events))
	for i, e := range events {
		items[i] = e.Wire
	}
	return enclosed(h.contract.Operation(operation), envelope, items)
}

// enclosed returns the response of an operation: the envelope, whose data is empty, with items that were encoded and
// validated before.
func enclosed(op *contract.Operation, envelope any, items [][]byte) (validated.Body, error) {
	empty, err := plainjson.Marshal(envelope)
	if err != nil {
		return nil, err
	}
	return validated.WithItems(op, empty, items)
}

// eventList returns the response of listEvents for a page of events, and caches them.
func (h *handler) eventList(account string, page envelope[store.Event]) (echoserver.ListEventsResponseObject, error) {
	events := make([]event.Stored, len(page.Data))
	valid := true
	for i, e := range page.Data {
		var violation error
		events[i], violation = h.events.Encode(e)
		if valid = valid && violation == nil; valid {
			h.cachedEvents.keep(account, events[i])
		}
	}
	list := types.EventList{
		Data: []types.Event{}, FirstID: page.FirstID, LastID: page.LastID, HasMore: page.HasMore, NextPage: page.NextPage,
	}
	if valid {
		return h.eventsBody("listEvents", list, events)
	}
	var err error
	list.Data, err = decoded(events) // the pipeline finds the violation and reports it
	return echoserver.ListEvents200JSONResponse{Body: list}, err
}

// decoded returns events as the types of the contract.
func decoded(events []event.Stored) ([]types.Event, error) {
	wire := make([]types.Event, len(events))
	for i, e := range events {
		if err := wire[i].UnmarshalJSON(e.Wire); err != nil {
			return nil, err
		}
	}
	return wire, nil
}
