package server

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
)

// handler is the API's operations, a file for each tag. A method is named after its operationId, sees
// only requests that the contract allows, and returns a success or an error, never a status.
type handler struct {
	store    store.Store
	contract *contract.Contract
	answers  *sessionAnswers
	models   types.ModelList
	gates    []string // the features that are switched on
	now      func() time.Time

	events              *event.Log
	broker              *broker.Broker
	maxTurns            int // under way, for each account
	heartbeat, patience time.Duration
	log                 *slog.Logger
}

var _ echoserver.StrictServerInterface = (*handler)(nil)

// account returns the account that the request acts for.
func account(ctx context.Context) string { return infoOf(ctx).account }

// gate returns an error when a field with n entries needs a feature that is not switched on (decision
// "Gate").
func (h *handler) gate(feature, param string, n int) error {
	if n == 0 || slices.Contains(h.gates, feature) {
		return nil
	}
	return &featureError{param: param, feature: feature}
}

// value returns what a pointer points to, or the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
