// Package store defines what the server keeps and how it behaves. The comments of its interfaces are the contract, package
// storetest proves that an implementation keeps it, package sqlstore implements it. The package knows no database and no
// HTTP; of the API it imports the errors' types.
package store

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cloud-sessions/sessions/server/usage"
)

// Store keeps tokens, agents, environments, what is known of files, memory stores, sessions with their events and turns, the
// streams that are open, and idempotency keys.
//
// Every method is safe for concurrent use and returns the context's error when the context ends first. A method that
// accepts an account sees that account's rows only: the rows of another account do not exist for it. A row that was deleted
// does not exist either, but its id remains valid as a list cursor. Functions called change or allow must not use the
// store; their errors are returned unchanged. Times are UTC, truncated to microseconds, and come from the store's clock; ids
// come from its source of ids.
type Store interface {
	Tokens
	Agents
	Environments
	Vaults
	MemoryStores
	Sessions
	Files
	Events
	Turns
	Signals
	Streams
	Keys
	Work

	// Atomically runs fn in one transaction. What the store's methods do with the context that fn gets takes effect,
	// durably, when Atomically returns nil, and not at all when fn returns an error, which Atomically returns unchanged, or
	// panics. A call of Atomically within fn is a part of the same transaction that can fail and be undone alone.
	//
	// Calls that write are serialized where the database requires it, so fn must wait for nothing but the store. Other
	// transactions may change what fn reads before it ends, and fn then reads the new values. What functions called change or
	// allow get is locked: it does not change for the rest of the transaction.
	Atomically(ctx context.Context, fn func(ctx context.Context) error) error

	// SweepSpace gives back to the system at most limit units of the space that deleted rows have taken, and returns how
	// many it gave: fewer than limit when nothing is left to give. What was deleted before is then gone from the database's
	// files. It works in small steps, so that writers never wait for long. Within Atomically it does nothing.
	SweepSpace(ctx context.Context, limit int) (int, error)

	Gauges

	// Ping returns nil when the database responds and can do all that a server needs: write, for one.
	Ping(ctx context.Context) error

	// Close waits for running calls and frees everything. Later calls fail.
	Close() error
}

// Gauges are the state of the database, for operators.
type Gauges interface {
	// Queues returns the queues of the database, which all processes share, in the same order each time.
	Queues(ctx context.Context) ([]Queue, error)
	// Pool returns the state of this process's connections to the database.
	Pool() Pool
}

// Queue is what waits in a queue, over all accounts.
type Queue struct {
	// Kind is "turns", for those that wait for a worker of the server, or "work", for work items that wait for a worker of a
	// self-hosted environment.
	Kind string
	// Waiting is how many wait, and Oldest for how long the one has that waits the longest.
	Waiting int
	Oldest  time.Duration
}

// Pool is the state of a pool of connections.
type Pool struct {
	// Most is how many connections there may be; Open are the ones there are, InUse those that a call has.
	Most, Open, InUse int
	// Waits is how often a call has waited for a connection, and Waited for how long all together.
	Waits  int64
	Waited time.Duration
}

// Tokens keeps what is known about access tokens; never a token itself.
type Tokens interface {
	// CreateToken stores a token's hash and returns what it stored. ErrExists when the hash is stored already.
	CreateToken(ctx context.Context, t NewToken) (Token, error)

	// TokenByHash returns the token with that hash, expired and revoked tokens included, or ErrNotFound. It also finds the
	// tokens of the latest and of the previous delivery of a work item, whose ID is that of the item.
	TokenByHash(ctx context.Context, hash string) (Token, error)

	// ListTokens returns the account's tokens, or every account's for "", newest first.
	ListTokens(ctx context.Context, account string) ([]Token, error)

	// ExtendToken sets when a token expires and returns it. ErrNotFound when the token does not exist. A process may use
	// what it read of the token before for a second.
	ExtendToken(ctx context.Context, id string, expiresAt time.Time) (Token, error)

	// RevokeToken marks a token as revoked and returns it; a token that is revoked already keeps its time. ErrNotFound when
	// the token does not exist.
	RevokeToken(ctx context.Context, id string) (Token, error)

	// Revocations returns a number that differs once RevokeToken, or a call that ends the token of a delivery, has returned: in this process, and in every process that
	// shares the database's machine. Processes on other machines notice soon. It costs no query.
	Revocations() int64
}

// Agents keeps agents and all their versions.
type Agents interface {
	// CreateAgent stores an agent at version 1, with equal CreatedAt and UpdatedAt.
	CreateAgent(ctx context.Context, account string, spec AgentSpec) (Agent, error)

	// GetAgent returns an agent, archived agents included, in the given version, or the latest for 0. ErrNotFound when the
	// agent or the version does not exist.
	GetAgent(ctx context.Context, account, id string, version int32) (Agent, error)

	// ListAgents returns one page of agents in their latest version.
	ListAgents(ctx context.Context, account string, page Page) (List[Agent], error)

	// UpdateAgent stores the agent's next version, even when it is equal to the latest: change is called with the latest
	// spec, within the transaction and with the agent locked, and turns it into the new one. UpdatedAt is now.
	//
	// ErrNotFound when the agent does not exist, a StateError (ErrConflict) when it is archived, then a VersionError
	// (ErrConflict) when version is not the latest: nothing happens in either case.
	UpdateAgent(ctx context.Context, account, id string, version int32, change func(*AgentSpec) error) (Agent, error)

	// ArchiveAgent archives an agent and returns it; an archived agent is returned unchanged. The version stays, UpdatedAt
	// is now. ErrNotFound when the agent does not exist.
	ArchiveAgent(ctx context.Context, account, id string) (Agent, error)

	// DeleteAgent deletes an agent and its versions; sessions keep theirs. ErrNotFound when the agent does not exist.
	DeleteAgent(ctx context.Context, account, id string) error

	// ListAgentVersions returns one page of an agent's versions, ordered by version. Page.Cursor is a version number in
	// decimal, ErrUnknownCursor when the agent has no such version; Page.IncludeArchived is ignored. ErrNotFound when the
	// agent does not exist.
	ListAgentVersions(ctx context.Context, account, id string, page Page) (List[Agent], error)

	// SeedAgent stores an agent exactly as given, with equal earlier versions, and reports whether it did: nothing happens
	// when the account has that id already.
	SeedAgent(ctx context.Context, account string, a Agent) (bool, error)
}

// Environments keeps environments.
type Environments interface {
	// CreateEnvironment stores an environment, with equal CreatedAt and UpdatedAt.
	CreateEnvironment(ctx context.Context, account string, spec EnvironmentSpec) (Environment, error)

	// GetEnvironment returns an environment, archived environments included, or ErrNotFound.
	GetEnvironment(ctx context.Context, account, id string) (Environment, error)

	// ListEnvironments returns one page of environments.
	ListEnvironments(ctx context.Context, account string, page Page) (List[Environment], error)

	// UpdateEnvironment stores what change makes of an environment's spec; UpdatedAt is now. change runs within the
	// transaction and with the environment locked. ErrNotFound when the environment does not exist, a StateError
	// (ErrConflict) when it is archived.
	UpdateEnvironment(ctx context.Context, account, id string, change func(*EnvironmentSpec) error) (Environment, error)

	// ArchiveEnvironment archives an environment; UpdatedAt is now. ErrNotFound when the environment does not exist, a
	// StateError (ErrConflict) when it is archived already.
	ArchiveEnvironment(ctx context.Context, account, id string) (Environment, error)

	// DeleteEnvironment deletes an environment. ErrNotFound when the environment does not exist, a StateError (ErrConflict)
	// when a session, archived sessions included, refers to it.
	DeleteEnvironment(ctx context.Context, account, id string) error

	// SeedEnvironment stores an environment exactly as given and reports whether it did: nothing happens when the account has
	// that id already.
	SeedEnvironment(ctx context.Context, account string, e Environment) (bool, error)
}

// Sessions keeps sessions.
type Sessions interface {
	// CreateSession stores an idle session with a copy of its agent, in the latest version or the one that the spec pins.
	// For the agent first, then for the environment, then for each memory store: a MissingError (ErrNotFound) when it does
	// not exist, an ArchivedError (ErrArchived) when it is archived; then a MissingError for the first of its files that does
	// not exist. The memory stores come first in the session's resources.
	CreateSession(ctx context.Context, account string, spec SessionSpec) (Session, error)

	// GetSession returns a session, archived sessions included, or ErrNotFound.
	GetSession(ctx context.Context, account, id string) (Session, error)

	// SessionEnvironment returns the id of a session's environment, and whether a worker has a work item of the session by
	// the token of a delivery; or ErrNotFound.
	SessionEnvironment(ctx context.Context, account, id string) (environment string, byToken bool, err error)

	// SessionRevision returns a number that differs after every change of the session, or ErrNotFound. It costs less than
	// GetSession. A GetSession that follows returns the session in that revision or a later one, which then has another
	// number.
	SessionRevision(ctx context.Context, account, id string) (int64, error)

	// ListSessionRevisions returns what ListSessions does of the sessions' ids and revisions; Page.Bytes does not count what a
	// session holds. It costs less than ListSessions.
	ListSessionRevisions(ctx context.Context, account string, filter SessionFilter, page Page) (List[SessionRevision], error)

	// ListSessions returns one page of the sessions that match the filter.
	ListSessions(ctx context.Context, account string, filter SessionFilter, page Page) (List[Session], error)

	// UpdateSession stores what change makes of a session: Title, Status, Metadata, Resources, Usage, Turn and ArchivedAt;
	// other changes are ignored. UpdatedAt is now, unless nothing changed. change runs within the transaction and with the
	// session locked. A resource whose ID is "" gets an ID, CreatedAt and UpdatedAt, and the default MountPath for "".
	// ErrNotFound when the session does not exist, a MissingError (ErrNotFound) for a new resource whose file does not.
	UpdateSession(ctx context.Context, account, id string, change func(*Session) error) (Session, error)

	// DeleteSession deletes a session when allow, called with the session locked, returns nil. ErrNotFound when the session
	// does not exist. Everything in the session is erased; the events of a long log are left to SweepEvents. Its id remains
	// valid as a list cursor.
	DeleteSession(ctx context.Context, account, id string, allow func(Session) error) error

	// CountBusySessions counts the account's sessions with a running turn (Status.Busy), up to limit. Within a transaction,
	// others that count the same account's sessions wait for its end: so a bound on the count is exact.
	CountBusySessions(ctx context.Context, account string, limit int) (int, error)
}

// Events keeps the sessions' logs of events. An event never changes.
type Events interface {
	// NewID returns a fresh id with a prefix, such as "turn", or "evt" for an event that is to be appended.
	NewID(prefix string) string

	// AppendEvents is UpdateSession that also appends the events that change returns to the session's log, in that order and
	// in the same transaction. It returns the session and the events as they are stored. The store assigns each event its
	// position, one more than that of the event before it, and its time, the same for all events of a call and later than that
	// of every event before. It keeps
	// the event's id, and creates one for "". Events alone do not change UpdatedAt. A reader that has seen a position never
	// sees a lower one appear. ErrExists when the log has an event with that id already, ErrNotFound when the session does
	// not exist: nothing is stored in either case.
	AppendEvents(ctx context.Context, account, session string, change func(*Session) ([]NewEvent, error)) (Session, []Event, error)

	// EventPosition returns the position of the session's event with that id, 0 for "". ErrUnknownCursor when the log has no
	// such event, ErrNotFound when the session does not exist.
	EventPosition(ctx context.Context, account, session, id string) (int64, error)

	// LastPosition returns the position of the session's last event, 0 for an empty log. ErrNotFound when the session does not
	// exist.
	LastPosition(ctx context.Context, account, session string) (int64, error)

	// ListEvents returns one page of the session's events that match the filter, ordered by position. Page.Cursor is the id
	// of any event of the session, ErrUnknownCursor for another one; Page.IncludeArchived is ignored. ErrNotFound when the
	// session does not exist.
	ListEvents(ctx context.Context, account, session string, filter EventFilter, page Page) (List[Event], error)

	// FollowEvents is ListEvents of the events with a greater position than after, in ascending order, for callers that Watch
	// wakes: events of other processes may be missing until a Signal about them was sent here. It need not read the store for
	// what this process has just appended.
	FollowEvents(ctx context.Context, account, session string, after int64, page Page) (List[Event], error)

	// ListMemos returns the memos of the session's events with a greater position than after, by the events' ids: those of
	// the MaxMemos newest. ErrNotFound when the session does not exist.
	ListMemos(ctx context.Context, account, session string, after int64) (map[string]json.RawMessage, error)

	// SweepEvents erases at most limit events that DeleteSession has left, and returns how many it erased: fewer than limit
	// when none are left. It works in small steps, so that writers never wait for long.
	SweepEvents(ctx context.Context, limit int) (int, error)
}

// Turns is the queue of turns.
type Turns interface {
	// QueueTurn enqueues a turn when ctx's transaction commits. It must be called within Atomically.
	QueueTurn(ctx context.Context, t TurnRef) error

	// Alone reports whether this process has the sessions for itself: no other one dispatches their turns.
	Alone() bool

	// OverdueTurns returns at most limit of the sessions, of every account, that are idle and whose turn waits for a worker
	// to run an allowed use, for too long.
	OverdueTurns(ctx context.Context, o Overdue, limit int) ([]OverdueTurn, error)

	// WorkTurns dispatches turns until ctx ends: it calls work for each, in a goroutine of its own, at most workers at a
	// time, and returns nil when all calls have returned. Over all processes, a turn that was queued once is dispatched to
	// one call at a time; one that is queued again, to continue, may be dispatched while an earlier call is about to return.
	//
	// The account whose turns were dispatched longest ago, or never, is next; its turns are dispatched in the order in which
	// they were queued. An account holds at most half of a process's workers, rounded up, while others wait. Beyond that it
	// may use idle workers, except for a quarter, at least one, so that another account need not wait for its turns to end.
	//
	// A turn leaves the queue when work returns true. Otherwise it is dispatched again, to another process or at the next
	// start, as are the turns of a process that has died.
	WorkTurns(ctx context.Context, workers int, work func(ctx context.Context, t TurnRef) (done bool)) error
}

// Overdue selects turns that wait for a worker for too long.
type Overdue struct {
	// UnchangedSince selects the sessions that have not changed since that time, unless their environment has had a worker
	// since then: one with an id that polled, or one that had any of the environment's items by a lease that ended later.
	UnchangedSince time.Time
	// AnywaySince selects the sessions that have not changed since that time, whether or not there are workers.
	AnywaySince time.Time
}

// OverdueTurn is a session whose turn has waited for a worker for too long.
type OverdueTurn struct {
	Session SessionRef
	// Workers is whether the environment has workers, which had other work or hung.
	Workers bool
}

// Signals notifies of what happens to sessions, in whichever process.
type Signals interface {
	// Watch calls fn, until stop is called, for each session whose log, status or turn has changed or that was deleted, soon
	// after the commit, and for each increment that is published. Signals about one session arrive in order when one process
	// causes them, in any order otherwise. A change may be signalled more than once, one that was undone never is. The zero
	// Signal means that signals may have been missed; a store that starts to receive those of other processes also sends it.
	// fn must return soon and must not use the store; it may call stop. A running call of fn may outlast stop.
	Watch(fn func(Signal)) (stop func())

	// Publish sends an increment to all watchers in all processes immediately, whatever becomes of ctx's transaction. A long
	// text may arrive as several increments. Increments are not stored.
	Publish(ctx context.Context, inc Increment) error

	// PublishWith is Publish when ctx's transaction commits: just before Watch learns of what the transaction does after it. It
	// must be called within Atomically.
	PublishWith(ctx context.Context, inc Increment) error
}

// Streams counts the event streams that processes have open, for a bound on all of them together.
type Streams interface {
	// ShareStreams reports how many streams this process has open, by account, and returns how many the other processes
	// have, by their reports within StreamsLifetime. Where one process has the sessions for itself there are no others.
	ShareStreams(ctx context.Context, open map[string]int) (others map[string]int, err error)
}

// StreamsLifetime is how long a report of open streams counts: when a process was killed, its callers open theirs
// elsewhere.
const StreamsLifetime = 6 * time.Second

// Keys keeps idempotency keys and the responses recorded for them. ClaimKey and RecordResponse are called within
// Atomically, so that a key and its effect are one.
type Keys interface {
	// ClaimKey returns what is recorded for the key's account and value, or nil when nothing younger than KeyLifetime is:
	// then the caller holds the key until the end of its transaction. While another transaction holds the key, ClaimKey
	// waits for that to end.
	ClaimKey(ctx context.Context, k Key) (*RecordedKey, error)

	// RecordResponse records the response for a key that the caller holds; it fails for another one. The response is
	// erased, and the key kept, when the agent, the environment, the memory store or the session that it shows is deleted:
	// with it, or by SweepEvents.
	RecordResponse(ctx context.Context, k Key, r RecordedResponse) error

	// KeyBytes returns how many bytes the account's keys occupy, recorded responses included.
	KeyBytes(ctx context.Context, account string) (int64, error)

	// Secret returns 32 random bytes that belong to the name, the same for every caller. The first call creates them.
	Secret(ctx context.Context, name string) ([]byte, error)

	// SweepKeys removes at most limit keys that have reached KeyLifetime and returns how many it removed. It works in small
	// steps, so that writers never wait for long.
	SweepKeys(ctx context.Context, limit int) (int, error)
}

// KeyLifetime is how long a response is recorded for its idempotency key (decision "Idempotency-Key").
const KeyLifetime = 24 * time.Hour

// NewToken is a token to store.
type NewToken struct {
	Account string
	Name    string
	// Hash identifies the token without revealing it.
	Hash string
	// ExpiresAt is when the token expires; nil for never.
	ExpiresAt *time.Time
	// EnvironmentID restricts the token to an environment; "" for everything of the account.
	EnvironmentID string
}

// Token is what the store knows about a token.
type Token struct {
	ID, Account, Name, Hash string
	CreatedAt               time.Time
	ExpiresAt, RevokedAt    *time.Time
	Scope                   TokenScope
}

// AgentSpec is the part of an agent that callers set. Its JSON fields hold one JSON value each, never nil.
type AgentSpec struct {
	Name, Description, Model, System string
	Tools, MCPServers, Skills        json.RawMessage // arrays
	DefaultEnvironment               string
	Metadata                         map[string]string
}

// Agent is an agent in one of its versions. UpdatedAt is when the version was created or, for the latest version of an
// archived agent, when the agent was archived.
type Agent struct {
	AgentSpec
	ID                   string
	Version              int32
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// EnvironmentSpec is the part of an environment that callers set.
type EnvironmentSpec struct {
	Name, Description string
	Config            json.RawMessage // an object, never nil
	Metadata          map[string]string
}

// Environment is an environment.
type Environment struct {
	EnvironmentSpec
	ID                   string
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// SessionSpec is the part of a session that callers set when they create it.
type SessionSpec struct {
	AgentID string
	// AgentVersion is the version to keep; 0 for the latest.
	AgentVersion         int32
	EnvironmentID        string
	Title                string
	Metadata             map[string]string
	EnvironmentVariables map[string]string
	// DeltaFlushInterval is how long incremental output may be delayed.
	DeltaFlushInterval time.Duration
	MemoryStores       []MemoryStoreUse
	VaultIDs           []string
	Resources          []ResourceSpec
}

// ResourceSpec is a file that a caller adds to a session.
type ResourceSpec struct {
	FileID string
	// MountPath is where the file appears; "" for DefaultMountPath.
	MountPath string
}

// DefaultMountPath returns where a file appears unless its ResourceSpec has a MountPath.
func DefaultMountPath(fileID string) string { return "/mnt/session/uploads/" + fileID }

// Resource is a file or a memory store of a session.
type Resource struct {
	ID, MountPath string
	// FileID is "" for a memory store, and Memory nil for a file.
	FileID               string
	Memory               *MemoryMount
	CreatedAt, UpdatedAt time.Time
}

// Status is the state of a session.
type Status string

// The states of a session. StatusCanceling and StatusInterrupting are those of a processing session whose turn was told to
// stop; callers see them as processing.
const (
	StatusIdle         Status = "idle"
	StatusProcessing   Status = "processing"
	StatusCanceling    Status = "canceling"
	StatusInterrupting Status = "interrupting"
	StatusCancelled    Status = "cancelled"
)

// Busy reports whether a session in that state has a running turn.
func (s Status) Busy() bool {
	return s == StatusProcessing || s == StatusCanceling || s == StatusInterrupting
}

// Usage counts tokens, and credits in hundredths.
type Usage = usage.Usage

// Session is a session. Agent is a copy of the agent from when the session was created; it never changes, and its
// ArchivedAt is nil. Sessions may share what the copy refers to, so it must not be changed, except by the change of
// UpdateSession, which ignores that.
type Session struct {
	ID            string
	Agent         Agent
	EnvironmentID string
	// SelfHosted is whether the environment was self-hosted when the session was created: then the session has work items.
	SelfHosted           bool
	Title                string
	Status               Status
	Metadata             map[string]string
	EnvironmentVariables map[string]string
	DeltaFlushInterval   time.Duration
	MemoryStoreIDs       []string
	VaultIDs             []string
	Resources            []Resource
	Usage                Usage
	Turn                 Turn
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// SessionRevision is a session's id and what SessionRevision returns of it.
type SessionRevision struct {
	ID       string
	Revision int64
}

// Turn is a session's turn that is running or waits for the caller.
type Turn struct {
	// ID is "" when the session has no such turn.
	ID string
	// Lease counts the workers of the session's turns that have written: a worker with a lower count has lost its turn.
	Lease int64
	// Pending are the tool uses that wait, also of a turn that still runs; nil for none.
	Pending []PendingAction
	// Origin says where the turn comes from, for logs and traces, in the form of package tracing; "" for nothing. It has less
	// than 2 KiB.
	Origin string
}

// End makes it the turn of a session without one. The lease counts on.
func (t *Turn) End() { t.ID, t.Pending, t.Origin = "", nil, "" }

// PendingAction is a tool use that waits: for the caller's result, a confirmation, or a worker's result.
type PendingAction struct {
	// EventID and Type are the id and the type of the use's event.
	EventID string `json:"event_id"`
	Type    string `json:"type"`
	// Worker is whether a worker runs the tool, once Allowed: at once, or after a confirmation.
	Worker  bool `json:"worker,omitempty"`
	Allowed bool `json:"allowed,omitempty"`
}

// NewEvent is an event to append.
type NewEvent struct {
	// Type is the event's type in the contract.
	Type string
	// TurnID is the turn that it belongs to; "" for none.
	TurnID string
	// Payload is a JSON object with the event's fields, except those that all events have.
	Payload json.RawMessage
	// ID is unique within the session; "" for one that the store creates. Ids have no order.
	ID string
	// New is whether ID came from NewID, for this event: AppendEvents does not look whether the log has it already. If it
	// has, the transaction fails.
	New bool
	// Memo is what a runner keeps with the event, a JSON value; nil for nothing. It is not a part of the event: only
	// ListMemos returns it.
	Memo json.RawMessage
}

// MaxMemos is how many memos ListMemos returns at most.
const MaxMemos = 500

// Event is an event of a session's log.
type Event struct {
	// Position is the event's place in the order of the session's log, from 1.
	Position                    int64
	ID, SessionID, TurnID, Type string
	Payload                     json.RawMessage
	CreatedAt                   time.Time
}

// EventFilter selects the events to list; the zero value selects all.
type EventFilter struct {
	// AfterPosition selects the events with a greater position.
	AfterPosition int64
	// Types selects the events of these types; empty for all.
	Types []string
	// CreatedAfter and CreatedBefore exclude their time, CreatedFrom and CreatedTo include it.
	CreatedAfter, CreatedFrom, CreatedBefore, CreatedTo *time.Time
}

// Selects reports whether the filter may leave out events.
func (f EventFilter) Selects() bool {
	return f.AfterPosition > 0 || len(f.Types) > 0 || f.CreatedAfter != nil || f.CreatedFrom != nil || f.CreatedBefore != nil || f.CreatedTo != nil
}

// SessionRef names a session.
type SessionRef struct{ Account, ID string }

// TurnRef names a turn to run.
type TurnRef struct {
	Session SessionRef
	TurnID  string
	// Again is whether the turn may have been dispatched before, to a process that died or stopped.
	Again bool
	// Lost is whether a turn that was dispatched before, if it was, cannot continue: it must be ended.
	Lost bool
	// As is the session as it was when the turn was queued; nil when that is not known.
	As *Session
}

// Signal means that something has happened to a session.
type Signal struct {
	Session SessionRef
	// State is whether the session's status or turn has changed, or the session was deleted.
	State bool
	// Increment is the increment that was published; nil for every other signal.
	Increment *Increment
}

// Increment is a piece of an agent.message that is not complete.
type Increment struct {
	Session SessionRef
	// EventID is the id that the message's event will have.
	EventID string
	// Offset is how many bytes of the message precede Text.
	Offset int
	Text   string
}

// Page selects a part of a list. Lists are ordered by creation time, then id, unless the method says otherwise.
type Page struct {
	// Limit is the most rows to return, at least 1. Rows that are large may end the page before: see Bytes.
	Limit int
	// Ascending lists the oldest first instead of the newest.
	Ascending bool
	// Cursor is the id of the row next to the page; "" for the list's beginning. ErrUnknownCursor for an id that the account
	// never had.
	Cursor string
	// Backward returns the rows just before the cursor instead of those just after it, in the same order; none without a
	// cursor.
	Backward bool
	// IncludeArchived includes archived rows.
	IncludeArchived bool
	// Bytes bounds the rows of the page together, in bytes of JSON: the page ends before the row that exceeds it, except
	// that it always has room for one. 0 for PageBytes.
	Bytes int
	// Reserve, unless it is nil, is called with the bytes of each row of the page as it is read. Its error ends the list
	// and is returned.
	Reserve func(bytes int) error
}

// PageBytes bounds the rows of a page together, in bytes of JSON, unless Page.Bytes does.
const PageBytes = 8 << 20

// SessionFilter selects the sessions to list; the zero value selects all.
type SessionFilter struct {
	// AgentID selects the sessions of one agent, which may have been deleted.
	AgentID string
	// Statuses selects the sessions in one of these states; empty for all.
	Statuses []Status
	// CreatedAfter and CreatedBefore exclude their time, CreatedFrom and CreatedTo include it.
	CreatedAfter, CreatedFrom, CreatedBefore, CreatedTo *time.Time
}

// List is a part of a list.
type List[T any] struct {
	// Items is never nil.
	Items []T
	// HasMore is whether more rows follow in the direction of paging.
	HasMore bool
}

// Key is an idempotency key as one request sends it.
type Key struct {
	Account, Value string
	// Request is the method and the path of the request.
	Request string
	// Fingerprint is equal for requests with equal method, path and body only.
	Fingerprint string
}

// RecordedKey is a key with the response to the first request that was sent with it.
type RecordedKey struct {
	Key
	Response RecordedResponse
	// Erased is whether the response was erased, because what it showed was deleted.
	Erased bool
}

// RecordedResponse is a response that is recorded for an idempotency key.
type RecordedResponse struct {
	Status      int
	ContentType string
	// Resource is the id of the agent, the environment, the memory store or the session that the response shows; "" for none.
	Resource string
	// Body is the response's body, and Reference is for one that is not kept: it says what the body is made of.
	Body      []byte
	Reference string
}
