package operations

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/tracing"
	"github.com/cloud-sessions/sessions/server/validated"
	"github.com/cloud-sessions/sessions/server/work"
)

// noWork is the response to a poll that finds nothing.
var noWork = validated.Body("null\n")

func (h *handler) PollWork(ctx context.Context, req echoserver.PollWorkRequestObject) (echoserver.PollWorkResponseObject, error) {
	worker, err := workerID(req.Params.WorkerID, req.Params.AnthropicWorkerID)
	if err != nil {
		return nil, err
	}
	if err := h.selfHosted(ctx, req.EnvironmentID); err != nil {
		return nil, err
	}
	block := time.Duration(value(req.Params.BlockMs)) * time.Millisecond
	reclaim := time.Duration(value(req.Params.ReclaimOlderThanMs)) * time.Millisecond
	item, token, err := h.awaitWork(ctx, req.EnvironmentID, block, func() store.Poll {
		return store.Poll{Worker: worker, DeliveredBefore: h.now().Add(-reclaim)}
	})
	if err != nil || item == nil {
		return noWork, err
	}
	h.traceDelivery(ctx, *item, worker)
	return polledWork(*item, token)
}

// traceDelivery records the delivery of a work item in the trace of the session's turn.
func (h *handler) traceDelivery(ctx context.Context, w store.WorkItem, worker string) {
	if h.tracer == nil {
		return
	}
	session, err := h.store.GetSession(ctx, request.Account(ctx), w.SessionID)
	if err == nil {
		h.tracer.Delivered(ctx, tracing.Delivery{
			ID: w.ID, Environment: w.EnvironmentID, Session: w.SessionID, Worker: worker, Origin: tracing.ReadOrigin(session.Turn.Origin),
		})
	}
}

// awaitWork delivers a work item, with the token of the delivery, or nil when none is there within block. While it waits it
// uses nothing of the store.
func (h *handler) awaitWork(ctx context.Context, environment string, block time.Duration, poll func() store.Poll) (*store.WorkItem, string, error) {
	account := request.Account(ctx)
	waiting, cancel := context.WithTimeout(ctx, block)
	defer cancel()
	for {
		queued, release := h.store.AwaitWork(account, environment) // before looking, so that no item is missed
		token := auth.MintDelivery()
		p := poll()
		p.Token = auth.Hash(token)
		item, err := h.store.PollWork(ctx, account, environment, p)
		if err != nil || item != nil {
			release()
			return item, token, err
		}
		select {
		case <-queued:
			release()
		case <-waiting.Done():
			release()
			return nil, "", ctx.Err()
		}
	}
}

func (h *handler) ListWork(ctx context.Context, req echoserver.ListWorkRequestObject) (echoserver.ListWorkResponseObject, error) {
	if err := h.selfHosted(ctx, req.EnvironmentID); err != nil {
		return nil, err
	}
	p, oldestFirst := req.Params, types.ListOrderAsc
	limit := min(value(p.Limit), maxWorkPage)
	list, err := listed(ctx, listQuery{&limit, p.AfterID, p.BeforeID, p.Page, &oldestFirst, nil},
		func(page store.Page) (store.List[store.WorkItem], error) {
			return h.store.ListWork(ctx, request.Account(ctx), req.EnvironmentID, page)
		},
		wireWork, func(w store.WorkItem) string { return w.ID })
	return echoserver.ListWork200JSONResponse{Body: types.WorkList(list)}, err
}

// maxWorkPage is the most work items of a page; a larger limit is taken as that.
const maxWorkPage = 100

func (h *handler) GetWork(ctx context.Context, req echoserver.GetWorkRequestObject) (echoserver.GetWorkResponseObject, error) {
	if err := h.selfHosted(ctx, req.EnvironmentID); err != nil {
		return nil, err
	}
	item, err := h.store.GetWork(ctx, request.Account(ctx), req.EnvironmentID, req.WorkID)
	if err != nil {
		return nil, err
	}
	wire, err := wireWork(item)
	return echoserver.GetWork200JSONResponse{Body: wire}, err
}

func (h *handler) GetWorkStats(ctx context.Context, req echoserver.GetWorkStatsRequestObject) (echoserver.GetWorkStatsResponseObject, error) {
	if err := h.selfHosted(ctx, req.EnvironmentID); err != nil {
		return nil, err
	}
	stats, err := h.store.WorkStats(ctx, request.Account(ctx), req.EnvironmentID)
	return echoserver.GetWorkStats200JSONResponse{Body: types.WorkStats{
		Type: types.WorkStatsTypeWorkQueueStats, Depth: int32(stats.Depth), Pending: int32(stats.Pending),
		OldestQueuedAt: stats.OldestQueuedAt, WorkersPolling: int32(stats.Pollers),
	}}, err
}

func (h *handler) UpdateWork(ctx context.Context, req echoserver.UpdateWorkRequestObject) (echoserver.UpdateWorkResponseObject, error) {
	wire, err := h.changeWork(ctx, req.EnvironmentID, req.WorkID, func(w *store.WorkItem) (err error) {
		w.Metadata, err = h.patched(w.Metadata, req.Body.Metadata)
		return err
	})
	return echoserver.UpdateWork200JSONResponse{Body: wire}, err
}

func (h *handler) AckWork(ctx context.Context, req echoserver.AckWorkRequestObject) (echoserver.AckWorkResponseObject, error) {
	worker, err := workerID(req.Params.WorkerID, req.Params.AnthropicWorkerID)
	if err != nil {
		return nil, err
	}
	wire, err := h.changeWork(ctx, req.EnvironmentID, req.WorkID, func(w *store.WorkItem) error {
		return work.Acknowledge(w, worker, h.now(), h.workLease)
	})
	return echoserver.AckWork200JSONResponse{Body: wire}, err
}

func (h *handler) HeartbeatWork(ctx context.Context, req echoserver.HeartbeatWorkRequestObject) (echoserver.HeartbeatWorkResponseObject, error) {
	beat, err := heartbeat(req.Params)
	if err != nil {
		return nil, err
	}
	beat.ByKey = byKey(ctx)
	if info := request.From(ctx); info.Scope.WorkID != "" {
		beat.Token = info.Token
	}
	item, err := h.updatedWork(ctx, req.EnvironmentID, req.WorkID, func(w *store.WorkItem) error {
		return work.Beat(w, beat, h.now(), h.workLease)
	})
	if err != nil {
		return nil, err
	}
	return echoserver.HeartbeatWork200JSONResponse{Body: types.WorkHeartbeat{
		Type: types.WorkHeartbeatTypeWorkHeartbeat, LastHeartbeat: *item.HeartbeatAt, LeaseExtended: true,
		State: types.WorkState(item.State), TTLSeconds: work.Seconds(item.Lease.TTL),
	}}, nil
}

func (h *handler) StopWork(ctx context.Context, req echoserver.StopWorkRequestObject) (echoserver.StopWorkResponseObject, error) {
	force := req.Body != nil && value(req.Body.Force)
	wire, err := h.changeWork(ctx, req.EnvironmentID, req.WorkID, func(w *store.WorkItem) error {
		return work.Stop(w, force, byKey(ctx), h.now())
	})
	return echoserver.StopWork200JSONResponse{Body: wire}, err
}

// byKey reports whether a request on a work item comes with the key of an environment.
func byKey(ctx context.Context) bool {
	scope := request.From(ctx).Scope
	return !scope.Whole() && scope.WorkID == ""
}

// changeWork changes a work item.
func (h *handler) changeWork(ctx context.Context, environment, id string, change func(*store.WorkItem) error) (types.Work, error) {
	item, err := h.updatedWork(ctx, environment, id, change)
	if err != nil {
		return types.Work{}, err
	}
	return wireWork(item)
}

// updatedWork changes a work item and returns it.
func (h *handler) updatedWork(ctx context.Context, environment, id string, change func(*store.WorkItem) error) (store.WorkItem, error) {
	if err := h.selfHosted(ctx, environment); err != nil {
		return store.WorkItem{}, err
	}
	return h.store.UpdateWork(ctx, request.Account(ctx), environment, id, change)
}

// selfHosted returns an error unless the environment is one that has work.
func (h *handler) selfHosted(ctx context.Context, id string) error {
	environment, err := h.store.GetEnvironment(ctx, request.Account(ctx), id)
	if err != nil {
		return err
	}
	var config struct{ Type types.SelfHostedConfigType }
	if err := json.Unmarshal(environment.Config, &config); err != nil {
		return err
	}
	if config.Type != types.SelfHostedConfigTypeSelfHosted {
		return &contract.RequestError{Param: "environment_id", Message: "The environment is not of the type self_hosted; only such environments have work for workers."}
	}
	return nil
}

// workerID returns the id that a worker gives itself, which has two names; "" for none.
func workerID(id, anthropic *types.WorkerID) (string, error) {
	if id != nil && anthropic != nil && *id != *anthropic {
		return "", &contract.RequestError{Param: "Anthropic-Worker-ID", Message: "Headers 'Worker-ID' and 'Anthropic-Worker-ID' differ; send one of them."}
	}
	if id == nil {
		id = anthropic
	}
	return value(id), nil
}

// heartbeat returns the heartbeat that a request is, without its token.
func heartbeat(p types.HeartbeatWorkParams) (work.Heartbeat, error) {
	beat := work.Heartbeat{
		Expected: value(p.ExpectedLastHeartbeat), TTL: time.Duration(value(p.DesiredTTLSeconds)) * time.Second,
	}
	if beat.Expected == "" || beat.Expected == work.NoHeartbeat {
		return beat, nil
	}
	at, err := time.Parse(time.RFC3339Nano, beat.Expected)
	if err != nil {
		return beat, &contract.RequestError{Param: "expected_last_heartbeat", Message: "Parameter 'expected_last_heartbeat' must be NO_HEARTBEAT or a time in RFC 3339."}
	}
	beat.At = at
	return beat, nil
}

func wireWork(w store.WorkItem) (types.Work, error) {
	return types.Work{
		ID: w.ID, Type: types.WorkTypeWork, EnvironmentID: w.EnvironmentID,
		Data: types.WorkData{Type: types.WorkDataTypeSession, ID: w.SessionID}, State: types.WorkState(w.State),
		CreatedAt: w.CreatedAt, AcknowledgedAt: w.AcknowledgedAt, StartedAt: w.StartedAt, LatestHeartbeatAt: w.HeartbeatAt,
		StopRequestedAt: w.StopRequestedAt, StoppedAt: w.StoppedAt, Metadata: w.Metadata,
	}, nil
}

// polledWork returns a delivered work item with its secret, which is a JSON object in base64 that holds the token.
func polledWork(w store.WorkItem, token string) (echoserver.PollWorkResponseObject, error) {
	secret, err := json.Marshal(map[string]string{"sessions_token": token})
	if err != nil {
		return nil, err
	}
	return echoserver.PollWork200JSONResponse{
		Headers: echoserver.PollWork200ResponseHeaders{CacheControl: "no-store"},
		Body: types.PolledWork{
			ID: w.ID, Type: types.PolledWorkTypeWork, EnvironmentID: w.EnvironmentID,
			Data: types.WorkData{Type: types.WorkDataTypeSession, ID: w.SessionID}, State: types.WorkState(w.State),
			CreatedAt: w.CreatedAt, AcknowledgedAt: w.AcknowledgedAt, StartedAt: w.StartedAt, LatestHeartbeatAt: w.HeartbeatAt,
			StopRequestedAt: w.StopRequestedAt, StoppedAt: w.StoppedAt, Metadata: w.Metadata,
			Secret: base64.RawURLEncoding.EncodeToString(secret),
		},
	}, nil
}
