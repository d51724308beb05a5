package operations

import (
	"context"
	"errors"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) SendEvents(ctx context.Context, req echoserver.SendEventsRequestObject) (echoserver.SendEventsResponseObject, error) {
	sent, err := h.send(ctx, store.SessionRef{Account: request.Account(ctx), ID: req.SessionID}, req.Body.Events)
	if err != nil {
		return nil, err
	}
	return h.eventsBody("sendEvents", types.SentEvents{Data: []types.Event{}}, sent)
}

func (h *handler) ListEvents(ctx context.Context, req echoserver.ListEventsRequestObject) (echoserver.ListEventsResponseObject, error) {
	p, account := req.Params, request.Account(ctx)
	q, filter := listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, (*types.Order)(p.Order), nil}, eventFilter(p)
	if !filter.Selects() {
		page, param, err := q.page()
		if err != nil {
			return nil, err
		}
		if list, ok, err := h.cachedEvents.page(ctx, account, req.SessionID, page); err != nil {
			return nil, cursorError(err, param)
		} else if ok {
			return h.cachedPage(page, list)
		}
	}
	list, err := listed(ctx, q,
		func(page store.Page) (store.List[store.Event], error) {
			return h.store.ListEvents(ctx, account, req.SessionID, filter, page)
		},
		func(e store.Event) (store.Event, error) { return e, nil }, func(e store.Event) string { return e.ID })
	if err != nil {
		return nil, err
	}
	return h.eventList(account, list)
}

func (h *handler) StreamEvents(ctx context.Context, req echoserver.StreamEventsRequestObject) (echoserver.StreamEventsResponseObject, error) {
	p := req.Params
	after, param := value(p.AfterID), "after_id"
	if p.LastEventID != nil {
		after, param = *p.LastEventID, "Last-Event-ID"
	}
	deltas := broker.Deltas{
		Message: slices.Contains(p.EventDeltas, types.DeltaTypeAgentMessage), Thinking: slices.Contains(p.EventDeltas, types.DeltaTypeAgentThinking),
	}
	reader, err := h.broker.Subscribe(ctx, store.SessionRef{Account: request.Account(ctx), ID: req.SessionID}, after, deltas)
	if errors.Is(err, store.ErrUnknownCursor) {
		err = &contract.RequestError{Param: param, Message: "'" + param + "' is not the id of an event of this session."}
	}
	if err != nil {
		return nil, err
	}
	return h.eventStream(ctx, reader), nil
}

func eventFilter(p types.ListEventsParams) store.EventFilter {
	filter := store.EventFilter{
		CreatedAfter: p.CreatedAfter, CreatedFrom: p.CreatedFrom, CreatedBefore: p.CreatedBefore, CreatedTo: p.CreatedTo,
	}
	for _, t := range p.Types {
		filter.Types = append(filter.Types, string(t))
	}
	return filter
}
