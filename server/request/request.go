// Package request holds what is known of an API request in progress. The pipeline fills it in and carries it in
// the request's context, the operations read it. It imports the standard library, package budget
// and the store's vocabulary.
package request

import (
	"context"
	"log/slog"

	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/store"
)

// Info is the context of a request in progress, and what is known of the request. It belongs to the goroutine
// that serves the request.
type Info struct {
	context.Context
	// ID is the request id, as in the header X-Request-Id.
	ID string
	// Operation is the operationId; "" outside the API.
	Operation string
	// Account is the account that the request acts for. Until the token is checked it is "", which owns nothing.
	Account string
	// Token identifies the request's token to package auth; "" until the token is checked. It is not the token itself.
	Token string
	// TokenID is the id of that token in the store, for what records who made a change.
	TokenID string
	// Scope is what the token opens; the zero value until the token is checked, which no operation sees.
	Scope store.TokenScope
	// Head reports that the caller wants the headers of the response only.
	Head bool
	// HungUp reports that the caller closed the connection before there was a response.
	HungUp bool
	// Grant is what the request has reserved of the memory for all requests; nil where nothing bounds that.
	Grant *budget.Grant
	// Log names the request's method and operation; nil until the operation is known.
	Log *slog.Logger
	// OwnConnection reports that the response may take over its connection: nothing else is sent or read there but by HTTP/1.1.
	OwnConnection bool
	// Continue, which a handler may set, makes the response continue when the handler and all that surrounds it have returned.
	// It is called then, must not wait for the response's end, and calls end at that.
	Continue func(end func())
}

// AtEnd calls end when the response has ended: immediately, unless the handler lets the response continue.
func (i *Info) AtEnd(end func()) {
	after := i.Continue
	if after == nil {
		end()
		return
	}
	i.Continue = func(last func()) {
		after(func() {
			end()
			last()
		})
	}
}

type key struct{}

// Value implements context.Context.
func (i *Info) Value(k any) any {
	if k == (key{}) {
		return i
	}
	return i.Context.Value(k)
}

// From returns what is known of the context's request; an empty Info for a context without one.
func From(ctx context.Context) *Info {
	info, ok := ctx.Value(key{}).(*Info)
	if !ok {
		return &Info{}
	}
	return info
}

// Account returns the account that the context's request acts for.
func Account(ctx context.Context) string { return From(ctx).Account }
