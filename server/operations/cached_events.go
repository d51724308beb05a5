package operations

import (
	"context"
	"slices"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/validated"
)

// cachedEvents caches events as they were read, outside of transactions: what is committed never changes, and has one place
// in its log. An account's share is half of the cache.
type cachedEvents struct {
	log     store.Events
	encoded *cache.Shared[string, eventPlace, cachedEvent] // by account
}

// eventPlace is an event's place: positions have no gaps.
type eventPlace struct {
	session  string
	position int64
}

// cachedEvent is an event, encoded and validated.
type cachedEvent struct {
	id   string
	wire []byte
}

// eventCacheSize bounds the cached events, in bytes. An account's share of it is that of a page that is read, so that no page
// is larger.
const eventCacheSize = 2 * store.PageBytes

func newCachedEvents(log store.Events) *cachedEvents {
	return &cachedEvents{log, cache.NewShared[string, eventPlace, cachedEvent](eventCacheSize)}
}

// keep caches an event that was read.
func (c *cachedEvents) keep(account string, e event.Stored) {
	const overhead = 256
	c.encoded.Add(account, eventPlace{e.SessionID, e.Position}, cachedEvent{e.ID, e.Wire}, len(e.Wire)+len(account)+overhead)
}

// page returns a page of a log's events, and whether there are more, if all of it is cached. Of the log only its
// end and the place of the cursor are read.
func (c *cachedEvents) page(ctx context.Context, account, session string, page store.Page) (list store.List[cachedEvent], ok bool, err error) {
	var cursor int64
	if page.Cursor != "" {
		if cursor, err = c.log.EventPosition(ctx, account, session, page.Cursor); err != nil {
			return list, false, err
		}
	}
	last, err := c.log.LastPosition(ctx, account, session)
	if err != nil {
		return list, false, err
	}
	from, to, more := span(page, cursor, last)
	list = store.List[cachedEvent]{Items: make([]cachedEvent, 0, max(to-from+1, 0)), HasMore: more}
	size := 0
	for position := from; position <= to; position++ {
		e, ok := c.encoded.Get(account, eventPlace{session, position})
		if !ok {
			return list, false, nil
		}
		list.Items = append(list.Items, e)
		size += len(e.wire)
	}
	if !page.Ascending {
		slices.Reverse(list.Items)
	}
	return list, true, request.From(ctx).Grant.Grow(size)
}

// span returns the positions of a page's events, ascending, of a log with positions from 1 to last; from is greater than to
// when there are none. cursor is 0 for none. more is whether other events follow in the direction of paging.
func span(page store.Page, cursor, last int64) (from, to int64, more bool) {
	limit := int64(page.Limit)
	switch {
	case page.Ascending != page.Backward:
		from, to = cursor+1, min(cursor+limit, last)
		return from, to, to < last
	case cursor > 0:
		last = cursor - 1
	}
	from, to = max(last-limit+1, 1), last
	return from, to, from > 1
}

// cachedPage returns the response of listEvents.
func (h *handler) cachedPage(page store.Page, list store.List[cachedEvent]) (validated.Body, error) {
	body := types.EventList{Data: []types.Event{}, HasMore: list.HasMore}
	body.FirstID, body.LastID, body.NextPage = ends(list, page, func(e cachedEvent) string { return e.id })
	items := make([][]byte, len(list.Items))
	for i, e := range list.Items {
		items[i] = e.wire
	}
	return enclosed(h.contract.Operation("listEvents"), body, items)
}
