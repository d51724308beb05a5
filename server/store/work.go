package store

import (
	"context"
	"time"
)

// Work is the queue of work items: what the sessions in self-hosted environments have for workers. A session that was
// created in such an environment gets an item when it is created, and whenever it begins to run, or waits for a tool,
// while none of its items is live (WorkState.Live): in the transaction of that change. Deleting a session erases its items,
// archiving one stops them.
//
// What is read of an item is what it is now: an item whose lease has ended is queued again, and one that was stopping is
// stopped. Such an item, or one that is stopped, has lost the token of its delivery. When an item is stopped and its
// session still runs or waits, the session gets a new item, in the same transaction.
type Work interface {
	// PollWork delivers the item of the environment that was queued first, among those that are queued and were not
	// delivered since p.DeliveredBefore, and returns it as delivered. The item gets p.Token in place of the token of the
	// delivery before. It returns nil when there is no such item. An item is not delivered while a worker still holds
	// the lease of another item of its session.
	PollWork(ctx context.Context, account, environment string, p Poll) (*WorkItem, error)

	// GetWork returns an item of the environment, or ErrNotFound.
	GetWork(ctx context.Context, account, environment, id string) (WorkItem, error)

	// ListWork returns one page of the environment's items, ordered by creation time, then id; Page.IncludeArchived is ignored.
	ListWork(ctx context.Context, account, environment string, page Page) (List[WorkItem], error)

	// UpdateWork stores what change makes of an item: Metadata, State, Lease and the times, except CreatedAt. change runs
	// within the transaction and with the item and its session locked. ErrNotFound when the item does not exist.
	UpdateWork(ctx context.Context, account, environment, id string, change func(*WorkItem) error) (WorkItem, error)

	// WorkStats counts the items and the workers of an environment.
	WorkStats(ctx context.Context, account, environment string) (WorkStats, error)

	// AwaitWork returns a channel that is closed when an item of the environment may have been queued, in whichever process.
	// The caller must call release.
	AwaitWork(account, environment string) (queued <-chan struct{}, release func())
}

// WorkState is the state of a work item.
type WorkState string

// The states of a work item. A worker has an item that is starting, active or stopping.
const (
	WorkQueued   WorkState = "queued"
	WorkStarting WorkState = "starting"
	WorkActive   WorkState = "active"
	WorkStopping WorkState = "stopping"
	WorkStopped  WorkState = "stopped"
)

// Live reports whether an item in that state will be, or is, served by a worker.
func (s WorkState) Live() bool { return s == WorkQueued || s == WorkStarting || s == WorkActive }

// WorkItem is a work item.
type WorkItem struct {
	ID, EnvironmentID, SessionID string
	State                        WorkState
	// Metadata is a copy of the session's from when the item was created, until it is changed.
	Metadata  map[string]string
	CreatedAt time.Time
	// The times are nil before what they are about has happened since the item was last queued.
	AcknowledgedAt, StartedAt, HeartbeatAt, StopRequestedAt, StoppedAt *time.Time
	Lease                                                              WorkLease
}

// WorkLease is how a worker has a work item. The zero value is that of an item that was not delivered.
type WorkLease struct {
	// Token is the hash of the token that the latest delivery came with.
	Token string
	// Worker is the id that the worker gave; "" for none.
	Worker string
	// PreviousAt is the heartbeat before the latest one; nil for none.
	PreviousAt *time.Time
	// ByToken is whether a heartbeat came with Token.
	ByToken bool
	// TTL is the lease's length, FreeAt the time at which the item is queued again; nil for an item that no worker has.
	TTL    time.Duration
	FreeAt *time.Time
}

// Lapse makes of an item what it is at a time: without a lease that has ended. It reports whether the item differs.
func (w *WorkItem) Lapse(now time.Time) bool {
	if w.Lease.FreeAt == nil || now.Before(*w.Lease.FreeAt) {
		return false
	}
	switch w.State {
	case WorkStarting, WorkActive:
		w.State, w.Lease = WorkQueued, WorkLease{}
		w.AcknowledgedAt, w.StartedAt, w.HeartbeatAt = nil, nil, nil
	case WorkStopping:
		w.State, w.Lease, w.StoppedAt = WorkStopped, WorkLease{}, new(now)
	default:
		return false
	}
	return true
}

// Poll is a worker that asks for a work item.
type Poll struct {
	// Worker is the id that the worker gave; "" for none.
	Worker string
	// DeliveredBefore is when an earlier delivery of an item that is still queued must have been at the latest.
	DeliveredBefore time.Time
	// Token is the hash of the token that the delivery comes with.
	Token string
}

// WorkStats is the state of an environment's queue.
type WorkStats struct {
	// Depth counts the items that a poll can deliver, Pending those that were delivered and are still queued.
	Depth, Pending int
	// OldestQueuedAt is when the oldest of the queued items was queued; nil without any.
	OldestQueuedAt *time.Time
	// Pollers counts the workers with an id that polled within about PollerLifetime.
	Pollers int
}

const (
	// PollerLifetime is how long a worker counts after a poll.
	PollerLifetime = 30 * time.Second
	// DefaultReclaim is how long ago a delivery must be, unless the poll says otherwise, for an item that is still queued
	// to be delivered again.
	DefaultReclaim = 5 * time.Second
	// RequeueDelay is how long after an item was stopped the new item of its session is delivered at the earliest, so that
	// a worker that stops every item at once does not loop without pause.
	RequeueDelay = time.Second
)

// TokenScope is what a token opens. The zero value is everything of its account.
type TokenScope struct {
	// EnvironmentID restricts a token to an environment's work, SessionID and WorkID to one session of it and its work item.
	EnvironmentID, SessionID, WorkID string
	// Ended is whether the token's work item has another token, or none: the token opens nothing any longer.
	Ended bool
}

// Whole reports whether the scope is everything of the account.
func (s TokenScope) Whole() bool { return s == TokenScope{} }
