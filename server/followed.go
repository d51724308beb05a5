package server

import (
	"context"

	"github.com/cloud-sessions/sessions/server/store"
)

// followed is a store as the broker uses it: it follows the logs of sessions.
type followed struct{ store.Store }

// ListEvents implements broker.Store.
func (f followed) ListEvents(ctx context.Context, account, session string, filter store.EventFilter, page store.Page) (store.List[store.Event], error) {
	other := filter
	other.AfterPosition = 0
	if other.Selects() || !page.Ascending || page.Backward || page.Cursor != "" {
		return f.Store.ListEvents(ctx, account, session, filter, page)
	}
	return f.Store.FollowEvents(ctx, account, session, filter.AfterPosition, page)
}
