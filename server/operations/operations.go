// Package operations is what the API does, one file for each tag. A method is named after its operationId, gets only
// requests that the contract allows, and returns a success or an error, never a status. It knows neither HTTP nor echo,
// except for the generated response types, whose names hold a status.
package operations

import (
	"context"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/memory"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/vault"
)

// Options are what the operations work with. All of them are required, except where they say otherwise.
type Options struct {
	Store    store.Store
	Contract *contract.Contract
	Events   *event.Log
	Broker   *broker.Broker
	// Vaults seals the secrets of credentials.
	Vaults *vault.Safe
	// EventStream returns the response that sends a reader's frames and closes the reader.
	EventStream func(ctx context.Context, reader *broker.Reader) echoserver.StreamEventsResponseObject
	// Files is what the operations on files work with.
	Files Files
	// Memory validates memories.
	Memory *memory.Rules
	// Models is what listModels returns, see LoadModels.
	Models types.ModelList
	// ListedModelsOnly refuses agents whose model is not in Models.
	ListedModelsOnly bool
	// Features are those that are switched on; there may be none.
	Features []string
	// MaxTurns is how many turns of an account may be queued or running.
	MaxTurns int
	// WorkLease is how long a worker has a work item after a heartbeat, unless it asks for another time.
	WorkLease time.Duration
	// Now is the clock.
	Now func() time.Time
	// Tracer starts spans; nil starts none.
	Tracer *tracing.Tracer
}

// Operations are the operations, with what they know of their responses.
type Operations interface {
	echoserver.StrictServerInterface
	Describe(session string, body []byte) (resource, reference string, secret bool)
	Rebuild(ctx context.Context, reference string) ([]byte, error)
}

// New returns the operations.
func New(o Options) Operations {
	return &handler{
		store: o.Store, contract: o.Contract, events: o.Events, broker: o.Broker, eventStream: o.EventStream,
		cached: newCachedSessions(o.Store, o.Contract), cachedEvents: newCachedEvents(o.Store),
		files:  o.Files,
		memory: o.Memory, models: o.Models, listedModelsOnly: o.ListedModelsOnly, features: o.Features, maxTurns: o.MaxTurns,
		vaults: o.Vaults, maxCredentials: o.Contract.Schema("CreateVaultRequest").At("credentials").MaxItems(),
		maxAgent: o.Contract.Schema("CreateAgentRequest").MaxBytes(), now: o.Now, workLease: o.WorkLease, tracer: o.Tracer,
	}
}

// handler implements the operations.
type handler struct {
	store        store.Store
	contract     *contract.Contract
	events       *event.Log
	broker       *broker.Broker
	eventStream  func(ctx context.Context, reader *broker.Reader) echoserver.StreamEventsResponseObject
	cached       *cachedSessions
	files        Files
	cachedEvents *cachedEvents
	memory       *memory.Rules
	models       types.ModelList
	// listedModelsOnly refuses agents with other models.
	listedModelsOnly bool
	features         []string // that are switched on
	maxTurns         int      // queued or running, for each account
	vaults           *vault.Safe
	// maxCredentials is how many a vault may have.
	maxCredentials int
	maxAgent       int // bytes of JSON
	now            func() time.Time
	workLease      time.Duration
	tracer         *tracing.Tracer
}

// value returns what a pointer points to, or the zero value for nil.
func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
