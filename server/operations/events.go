package operations

import (
	"context"
	"errors"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) SendEvents(ctx context.Context, req echoserver.SendEventsRequestObject) (echoserver.SendEventsResponseObject, error) {
	stored, err := h.send(ctx, store.SessionRef{Account: request.Account(ctx), ID: req.SessionID}, req.Body.Events)
	if err != nil {
		return nil, err
	}
	sent := types.SentEvents{Data: make([]types.Event, 0, len(stored))}
	for _, e := range stored {
		wire, err := wireEvent(e)
		if err != nil {
			return nil, err
		}
		sent.Data = append(sent.Data, wire)
	}
	return echoserver.SendEvents200JSONResponse{Body: sent}, nil
}

func (h *handler) ListEvents(ctx context.Context, req echoserver.ListEventsRequestObject) (echoserver.ListEventsResponseObject, error) {
	p := req.Params
	filter := store.EventFilter{
		CreatedAfter: p.CreatedAfter, CreatedFrom: p.CreatedFrom, CreatedBefore: p.CreatedBefore, CreatedTo: p.CreatedTo,
	}
	for _, t := range p.Types {
		filter.Types = append(filter.Types, string(t))
	}
	list, err := listed(listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, (*types.Order)(p.Order), nil},
		func(page store.Page) (store.List[store.Event], error) {
			return h.store.ListEvents(ctx, request.Account(ctx), req.SessionID, filter, page)
		},
		wireEvent, func(e store.Event) string { return e.ID })
	return echoserver.ListEvents200JSONResponse{Body: types.EventList(list)}, err
}

func (h *handler) StreamEvents(ctx context.Context, req echoserver.StreamEventsRequestObject) (echoserver.StreamEventsResponseObject, error) {
	p := req.Params
	after, param := value(p.AfterID), "after_id"
	if p.LastEventID != nil {
		after, param = *p.LastEventID, "Last-Event-ID"
	}
	var deltas broker.Deltas
	for _, kind := range p.EventDeltas {
		deltas.Message = deltas.Message || kind == types.DeltaTypeAgentMessage
		deltas.Thinking = deltas.Thinking || kind == types.DeltaTypeAgentThinking
	}
	reader, err := h.broker.Subscribe(ctx, store.SessionRef{Account: request.Account(ctx), ID: req.SessionID}, after, deltas)
	if errors.Is(err, store.ErrUnknownCursor) {
		err = &contract.RequestError{Param: param, Message: "'" + param + "' names no event of this session."}
	}
	if err != nil {
		return nil, err
	}
	return h.eventStream(ctx, reader), nil
}

// wireEvent returns an event as callers see it.
func wireEvent(e store.Event) (wire types.Event, err error) {
	err = wire.UnmarshalJSON(event.Wire(e))
	return wire, err
}
