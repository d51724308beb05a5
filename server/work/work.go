// Package work is the life of a work item: what acknowledgements, heartbeats and requests to stop make of it. Its functions
// change an item that the store has locked, and that has lapsed if its lease has ended. It imports the store's and the
// errors' vocabulary only.
package work

import (
	"fmt"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/store"
)

// NoHeartbeat is what a worker's first heartbeat expects.
const NoHeartbeat = "NO_HEARTBEAT"

// The bounds of a lease that a worker asks for.
const (
	minTTL = 10 * time.Second
	maxTTL = 600 * time.Second
)

// StateError is a request that the state of an item does not allow. Its text is for callers.
type StateError struct {
	ID string
	// Reason ends the sentence that starts with the item.
	Reason string
}

func (e *StateError) Error() string { return fmt.Sprintf("Work item '%s' %s", e.ID, e.Reason) }

// Problem implements problem.Error. The type is the documentation's, the status that of a conflict.
func (e *StateError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Status: http.StatusConflict, Message: e.Error()}
}

// LeaseLostError is a heartbeat of a worker that does not have the item. Its text is for callers.
type LeaseLostError struct {
	ID    string
	State types.LeaseState
}

func (e *LeaseLostError) Error() string {
	return fmt.Sprintf("The lease of work item '%s' is not yours; stop working on it.", e.ID)
}

// Problem implements problem.Error.
func (e *LeaseLostError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypePreconditionFailedError, Message: e.Error(), Lease: &e.State}
}

// lost returns the LeaseLostError of an item.
func lost(w *store.WorkItem) error {
	return &LeaseLostError{ID: w.ID, State: types.LeaseState{
		State: types.WorkState(w.State), TTLSeconds: Seconds(w.Lease.TTL), LastHeartbeat: w.HeartbeatAt,
	}}
}

// Seconds returns the length of a lease in seconds, rounded up.
func Seconds(ttl time.Duration) int32 { return int32((ttl + time.Second - 1) / time.Second) }

// Acknowledge gives a queued item to a worker, whose id may be "". A repeat has no effect. It is a StateError for an item
// that stops, or that a worker with another id has.
func Acknowledge(w *store.WorkItem, worker string, now time.Time, ttl time.Duration) error {
	switch {
	case w.State == store.WorkStopping || w.State == store.WorkStopped:
		return &StateError{w.ID, fmt.Sprintf("is %s; poll for another one.", w.State)}
	case worker != "" && w.Lease.Worker != "" && worker != w.Lease.Worker:
		return &StateError{w.ID, "belongs to another worker; poll for another one."}
	}
	if worker != "" {
		w.Lease.Worker = worker
	}
	if w.State == store.WorkQueued {
		w.State, w.AcknowledgedAt = store.WorkStarting, new(now)
		extend(w, now, ttl)
	}
	return nil
}

// Heartbeat is a worker's sign of life.
type Heartbeat struct {
	// Expected is the heartbeat that must be the latest one: NoHeartbeat, or a time as At; "" for any.
	Expected string
	// At is Expected as a time, unless it is NoHeartbeat or "".
	At time.Time
	// Token is the hash of the token of a delivery, if the caller has one; otherwise "".
	Token string
	// ByKey is whether the request comes with the key of an environment.
	ByKey bool
	// TTL is the length of the lease that the worker asks for; 0 for the default.
	TTL time.Duration
}

// Beat extends the lease of the worker that has the item. The first heartbeat that expects NoHeartbeat makes its worker the
// one that has the item. It is a LeaseLostError for another worker's heartbeat, and for an item that nobody has. Then a
// heartbeat that expects nothing is a StateError. With the key of an environment, a heartbeat is another worker's as soon as
// one came with the token of the delivery, whatever it expects.
//
// A worker repeats a heartbeat whose response was lost. So a heartbeat that expects the one before the latest has no effect
// if it comes with the token of the delivery, which only that worker has.
func Beat(w *store.WorkItem, h Heartbeat, now time.Time, ttl time.Duration) error {
	owner := h.Token != "" && h.Token == w.Lease.Token
	outdated := h.Token != "" && !owner
	foreign := h.ByKey && w.Lease.ByToken
	held := w.State == store.WorkStarting || w.State == store.WorkActive || w.State == store.WorkStopping
	switch {
	case !held && h.Expected == "":
		return &StateError{w.ID, fmt.Sprintf("is %s; acknowledge an item before its first heartbeat.", w.State)}
	case !held || outdated || foreign:
		return lost(w)
	case h.Expected == "" || h.meets(w.HeartbeatAt):
	case owner && w.HeartbeatAt != nil && h.meets(w.Lease.PreviousAt):
		return nil
	default:
		return lost(w)
	}
	if h.TTL > 0 {
		ttl = min(max(h.TTL, minTTL), maxTTL)
	}
	at := now.Truncate(time.Microsecond)
	if w.HeartbeatAt != nil && !at.After(*w.HeartbeatAt) {
		at = w.HeartbeatAt.Add(time.Microsecond)
	}
	if w.State == store.WorkStarting {
		w.State, w.StartedAt = store.WorkActive, new(at)
	}
	w.Lease.PreviousAt, w.HeartbeatAt, w.Lease.ByToken = w.HeartbeatAt, new(at), w.Lease.ByToken || owner
	extend(w, now, ttl)
	return nil
}

// meets reports whether a heartbeat is the one that is expected; nil for none.
func (h Heartbeat) meets(at *time.Time) bool {
	if at == nil {
		return h.Expected == NoHeartbeat
	}
	return h.Expected != NoHeartbeat && h.At.Equal(*at)
}

// extend gives an item a lease from now. It ends a little later than its worker is told, since a worker whose heartbeats
// fail notices that after the end.
func extend(w *store.WorkItem, now time.Time, ttl time.Duration) {
	const longestGrace = 5 * time.Second
	w.Lease.TTL, w.Lease.FreeAt = ttl, new(now.Add(ttl+min(ttl/4, longestGrace)))
}

// Stop asks the item's worker to stop, and stops the item with force, at the second request, or when no worker has it.
// byKey is whether the request comes with the key of an environment: that of a worker which failed to get the item, so it
// must not stop the item of another one, whose heartbeats come with the token of the delivery. That, and an item that is
// stopped, is a StateError.
func Stop(w *store.WorkItem, force, byKey bool, now time.Time) error {
	switch {
	case w.State == store.WorkStopped:
		return &StateError{w.ID, "is stopped already."}
	case byKey && w.Lease.ByToken:
		return &StateError{w.ID, "belongs to a worker with a session token; only that token, or one of the account, can stop it."}
	case force, w.State == store.WorkQueued, w.State == store.WorkStopping:
		w.State, w.StoppedAt = store.WorkStopped, new(now)
		if w.StopRequestedAt == nil {
			w.StopRequestedAt = new(now)
		}
	default:
		w.State, w.StopRequestedAt = store.WorkStopping, new(now)
	}
	return nil
}
