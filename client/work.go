package client

import (
	"cmp"
	"context"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// PolledWork is a work item as it is delivered to a worker, with its secret.
type PolledWork = types.PolledWork

// WorkHeartbeat is a heartbeat as the server stored it.
type WorkHeartbeat = types.WorkHeartbeat

// NoHeartbeat is what a worker's first heartbeat for a work item expects.
const NoHeartbeat = "NO_HEARTBEAT"

// PollWorkParams are the parameters of [WorkService.Poll].
type PollWorkParams struct {
	// WorkerID is the name that the worker chose for itself; "" for none.
	WorkerID WorkerID
	// Block is the longest wait for a work item, in whole milliseconds below a second; 0 does not wait.
	Block time.Duration
	// ReclaimOlderThan is how long ago a delivery that was not acknowledged must be for its item to be delivered again; nil
	// for the server's default of 5 seconds.
	ReclaimOlderThan *time.Duration
}

// HeartbeatWorkParams are the parameters of [WorkService.Heartbeat].
type HeartbeatWorkParams struct {
	// Expected is the LastHeartbeat of the worker's previous heartbeat as time.RFC3339Nano has it, or NoHeartbeat for the
	// first one; "" makes the heartbeat unconditional.
	Expected string
	// TTL is the length of the lease that the worker asks for, in whole seconds; 0 for the server's default.
	TTL time.Duration
}

// Poll delivers the oldest work item that no worker has, or nil when there is none. It returns [ErrInvalidRequest] for an
// environment that is not self-hosted. A nil params does not wait.
//
// Operation pollWork: GET /environments/{environment_id}/work/poll.
func (s *WorkService) Poll(ctx context.Context, environmentID EnvironmentID, params *PollWorkParams, opts ...Option) (*PolledWork, error) {
	p := value(params)
	query := types.PollWorkParams{}
	if p.WorkerID != "" {
		query.WorkerID = &p.WorkerID
	}
	if p.Block != 0 {
		query.BlockMs = new(int32(p.Block.Milliseconds()))
	}
	if p.ReclaimOlderThan != nil {
		query.ReclaimOlderThanMs = new(int32(p.ReclaimOlderThan.Milliseconds()))
	}
	item, err := call[*PolledWork](ctx, s.c, "Environments.Work.Poll", opts, func(server string) (*http.Request, error) {
		if err := checkID("environment_id", environmentID); err != nil {
			return nil, err
		}
		return httpclient.NewPollWorkRequest(server, environmentID, &query)
	})
	if err != nil {
		return nil, err
	}
	return *item, nil
}

// Heartbeat extends the lease of a work item and returns the heartbeat, whose LastHeartbeat the next one expects. It returns
// [ErrPreconditionFailed] when the worker has lost the item, or did not get it, and must stop working on it, and
// [ErrConflict] for an unconditional heartbeat of an item that nobody has.
//
// Operation heartbeatWork: POST /environments/{environment_id}/work/{work_id}/heartbeat.
func (s *WorkService) Heartbeat(ctx context.Context, environmentID EnvironmentID, workID WorkID, params *HeartbeatWorkParams, opts ...Option) (*WorkHeartbeat, error) {
	p := value(params)
	query := types.HeartbeatWorkParams{}
	if p.Expected != "" {
		query.ExpectedLastHeartbeat = &p.Expected
	}
	if p.TTL != 0 {
		query.DesiredTTLSeconds = new(int32(p.TTL / time.Second))
	}
	return call[WorkHeartbeat](ctx, s.c, "Environments.Work.Heartbeat", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("environment_id", environmentID), checkID("work_id", workID)); err != nil {
			return nil, err
		}
		return httpclient.NewHeartbeatWorkRequest(server, environmentID, workID, &query)
	})
}
