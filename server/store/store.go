// Package store says what the server keeps and how it behaves. The interface's comments are the
// contract, package storetest is its proof, package sqlstore its implementation. It imports the
// vocabulary of errors and the standard library only.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Store keeps tokens, agents, environments, sessions, their events, turns and streams, and idempotency keys.
//
// Every method is safe for concurrent use and returns the context's error when it ends first. Every
// method that takes an account sees that account's rows only: a row of another account is, in every
// way, one that does not exist. A row that was deleted is one that does not exist, too, but its id
// still works as a list cursor. Functions called change or allow must not use the store. Times are UTC,
// cut to microseconds, and come from the store's clock; ids come from its id source.
type Store interface {
	Tokens
	Agents
	Environments
	Sessions
	Events
	Turns
	Signals
	Streams
	Keys

	// Atomically runs fn in one transaction: what the store's methods do with the context that fn is
	// given takes effect, durably, when Atomically returns nil, and not at all when fn returns an error,
	// which Atomically returns as it is. Within fn a further call is a part of the same transaction
	// that can fail, and be undone, alone. Calls that write run one after the other wherever the
	// database asks for it, so fn must not wait for anything but the store. What fn reads may be changed by
	// others before it ends, and reads differently then, but for what functions called change or allow get:
	// that stays as it is for them and for the rest of the transaction.
	Atomically(ctx context.Context, fn func(ctx context.Context) error) error

	// Ping returns nil when the database answers.
	Ping(ctx context.Context) error

	// Close waits for calls under way and frees everything. Later calls fail.
	Close() error
}

// Tokens keeps what is known of access tokens; never a token itself.
type Tokens interface {
	// CreateToken stores a token's hash and says what was stored. A hash that is stored already is
	// ErrExists.
	CreateToken(ctx context.Context, t NewToken) (Token, error)

	// TokenByHash returns the token with that hash, expired and revoked ones included, or ErrNotFound.
	TokenByHash(ctx context.Context, hash string) (Token, error)

	// ListTokens returns the account's tokens, or every account's for "", newest first.
	ListTokens(ctx context.Context, account string) ([]Token, error)

	// RevokeToken marks a token as revoked and returns it; one that is revoked already keeps its time.
	// ErrNotFound when there is none.
	RevokeToken(ctx context.Context, id string) (Token, error)

	// Revocations returns a number that is another one once RevokeToken has returned, in this process or, where
	// all are on one machine, in another on the same database. It costs no query.
	Revocations() int64
}

// Agents keeps agents and every version of them.
type Agents interface {
	// CreateAgent stores an agent at version 1, with equal CreatedAt and UpdatedAt.
	CreateAgent(ctx context.Context, account string, spec AgentSpec) (Agent, error)

	// GetAgent returns an agent, archived ones included: the given version, or the latest for 0.
	// Unknown agents and versions are ErrNotFound.
	GetAgent(ctx context.Context, account, id string, version int32) (Agent, error)

	// ListAgents returns one page of agents in their latest version.
	ListAgents(ctx context.Context, account string, page Page) (List[Agent], error)

	// UpdateAgent makes the agent's next version, even when nothing is new in it: change is called with
	// what the latest says and makes of it what the new one says; UpdatedAt is now. It runs within the
	// transaction and with the agent locked. An unknown agent is ErrNotFound, an archived one a StateError
	// (ErrConflict). Then version must be the latest, otherwise nothing happens: VersionError (ErrConflict).
	// An error of change is returned as it is.
	UpdateAgent(ctx context.Context, account, id string, version int32, change func(*AgentSpec) error) (Agent, error)

	// ArchiveAgent archives an agent and returns it; one that is archived already is returned as it is.
	// The version stays, UpdatedAt is now. ErrNotFound when there is none.
	ArchiveAgent(ctx context.Context, account, id string) (Agent, error)

	// DeleteAgent deletes an agent and its versions; sessions keep theirs. ErrNotFound when there is none.
	DeleteAgent(ctx context.Context, account, id string) error

	// ListAgentVersions returns one page of an agent's versions, ordered by version. Page.Cursor is a
	// version number in decimal, and ErrUnknownCursor for one that there is not; Page.IncludeArchived has no
	// meaning. ErrNotFound when there is no agent.
	ListAgentVersions(ctx context.Context, account, id string, page Page) (List[Agent], error)

	// SeedAgent stores an agent exactly as given, its earlier versions alike but for the number, and
	// reports whether it did: when the account has that id already, nothing happens.
	SeedAgent(ctx context.Context, account string, a Agent) (bool, error)
}

// Environments keeps environments.
type Environments interface {
	// CreateEnvironment stores an environment, with equal CreatedAt and UpdatedAt.
	CreateEnvironment(ctx context.Context, account string, spec EnvironmentSpec) (Environment, error)

	// GetEnvironment returns an environment, archived ones included, or ErrNotFound.
	GetEnvironment(ctx context.Context, account, id string) (Environment, error)

	// ListEnvironments returns one page of environments.
	ListEnvironments(ctx context.Context, account string, page Page) (List[Environment], error)

	// UpdateEnvironment changes what an environment says; UpdatedAt is now. change runs within the
	// transaction and with the environment locked. An archived environment is a StateError (ErrConflict),
	// an unknown one ErrNotFound, and an error of change is returned as it is.
	UpdateEnvironment(ctx context.Context, account, id string, change func(*EnvironmentSpec) error) (Environment, error)

	// ArchiveEnvironment archives an environment; UpdatedAt is now. One that is archived already is a
	// StateError (ErrConflict), an unknown one ErrNotFound.
	ArchiveEnvironment(ctx context.Context, account, id string) (Environment, error)

	// DeleteEnvironment deletes an environment. One that sessions refer to, archived ones included, is a
	// StateError (ErrConflict), an unknown one ErrNotFound.
	DeleteEnvironment(ctx context.Context, account, id string) error

	// SeedEnvironment stores an environment exactly as given and reports whether it did: when the
	// account has that id already, nothing happens.
	SeedEnvironment(ctx context.Context, account string, e Environment) (bool, error)
}

// Sessions keeps sessions.
type Sessions interface {
	// CreateSession stores an idle session that holds its agent as it is now, or in the version that
	// the spec pins. An agent, then an environment, that is unknown is a MissingError (ErrNotFound),
	// one that is archived an ArchivedError (ErrArchived).
	CreateSession(ctx context.Context, account string, spec SessionSpec) (Session, error)

	// GetSession returns a session, archived ones included, or ErrNotFound.
	GetSession(ctx context.Context, account, id string) (Session, error)

	// SessionRevision returns a number that is another one once anything about the session has changed,
	// or ErrNotFound. It costs less than GetSession. What GetSession returns after it is good for that
	// revision, or for a later one of which SessionRevision will tell.
	SessionRevision(ctx context.Context, account, id string) (int64, error)

	// ListSessions returns one page of the sessions that the filter lets pass.
	ListSessions(ctx context.Context, account string, filter SessionFilter, page Page) (List[Session], error)

	// UpdateSession stores what change makes of a session: Title, Status, Metadata, Resources, Usage, Turn and
	// ArchivedAt; anything else that change touches is ignored. UpdatedAt is now, unless nothing changed.
	// change runs within the transaction and with the session locked; its error is returned as it is.
	// Resources that change adds get their ID, CreatedAt, UpdatedAt and default MountPath before they
	// are stored when their ID is "". ErrNotFound when there is no session.
	UpdateSession(ctx context.Context, account, id string, change func(*Session) error) (Session, error)

	// DeleteSession deletes a session when allow, called with it locked, returns nil; allow's error is
	// returned as it is. ErrNotFound when there is no session. What was in it is erased, its events too, but those
	// of a long log by SweepEvents; its id stays known as a list cursor.
	DeleteSession(ctx context.Context, account, id string, allow func(Session) error) error

	// CountBusySessions counts the account's sessions that have a turn under way (Status.Busy), up to limit.
	CountBusySessions(ctx context.Context, account string, limit int) (int, error)
}

// Events keeps the sessions' logs of events. Events are never changed.
type Events interface {
	// NewID returns a fresh id of a prefix, such as "turn"; the id of an event to come for "evt".
	NewID(prefix string) string

	// AppendEvents is UpdateSession that appends to the session's log, too: add, for use within change only,
	// gives an event its id and time, and returns it; all that were added are stored, in that order, in the
	// same transaction. They alone are no change of UpdatedAt. Within a session ids ascend and times do not fall,
	// whatever the clocks say, and no event appears before one that was seen. AppendEvents returns the session as
	// it is now. It is ErrNotFound when there is no session.
	AppendEvents(ctx context.Context, account, session string, change func(s *Session, add func(NewEvent) (Event, error)) error) (Session, error)

	// ListEvents returns one page of the events of a session that the filter lets pass, ordered by id.
	// Page.Cursor is any event of the session, and ErrUnknownCursor otherwise; Page.IncludeArchived has no
	// meaning. ErrNotFound when there is no session.
	ListEvents(ctx context.Context, account, session string, filter EventFilter, page Page) (List[Event], error)

	// SweepEvents erases at most limit events that DeleteSession has left, and says how many it erased: fewer than
	// limit when none are left. It works in small steps, so that writers are never kept waiting for long.
	SweepEvents(ctx context.Context, limit int) (int, error)
}

// Turns hands out the turns that sessions are to process.
type Turns interface {
	// QueueTurn puts a turn in line, as a part of ctx's transaction. It must be called within Atomically.
	QueueTurn(ctx context.Context, t TurnRef) error

	// WorkTurns hands out turns until ctx ends: it calls work for each, in a goroutine of its own, at most
	// workers at a time, and returns nil when all calls have returned. What was queued once is handed to one call
	// at a time, over all processes; a turn that is queued again, to go on, may be handed out while an earlier call
	// is about to return. It is out of line when work returns true; otherwise it is handed out again, to
	// another process or at the next start, as are turns whose process has died.
	WorkTurns(ctx context.Context, workers int, work func(ctx context.Context, t TurnRef) (done bool)) error
}

// Signals tells what has happened to sessions, whichever process did it.
type Signals interface {
	// Watch calls fn, until stop is called, for each session whose log, status or turn has changed or that
	// was deleted, soon after the commit, and for each increment that is published. What one process does to a
	// session is told in its order; what several do, in any. A change may be told of more than once, one that was
	// undone never. The zero Signal says that some may have been missed, as it does when a store that was just
	// opened begins to hear the others. fn must return soon and must not use the store; it may call stop, and a call
	// that is under way then may outlast stop.
	Watch(fn func(Signal)) (stop func())

	// Publish gives an increment to everyone who watches, in every process, at once, whatever becomes of ctx's
	// transaction. A long text may come as several increments. It is stored nowhere.
	Publish(ctx context.Context, inc Increment) error
}

// Streams counts the event streams that processes have open, for a bound on all of them together.
type Streams interface {
	// ShareStreams tells how many streams this process has open, by account, and returns how many the others have
	// that told so within StreamsLifetime. Nobody is told of, or heard from, where one process has the sessions for
	// itself.
	ShareStreams(ctx context.Context, open map[string]int) (others map[string]int, err error)
}

// StreamsLifetime is how long the streams count that a process told of: those of one that was killed are its caller's to
// open elsewhere.
const StreamsLifetime = 6 * time.Second

// Keys keeps idempotency keys and the replies they stand for. Its methods are for use within
// Atomically, so that a key and its effect are one.
type Keys interface {
	// ClaimKey returns the reply recorded for the key, or nil when there is none that is younger than
	// KeyLifetime: then the key is the caller's, until the end of its transaction. A caller that
	// comes while the key is claimed waits for that end. A key recorded for another fingerprint is
	// ErrKeyReused.
	ClaimKey(ctx context.Context, k Key) (*Reply, error)

	// RecordReply keeps the reply for a claimed key; it fails for one that is not claimed.
	RecordReply(ctx context.Context, k Key, r Reply) error

	// SweepKeys removes at most limit keys that are not younger than KeyLifetime and says how many it
	// removed. It works in small steps, so that writers are never kept waiting for long.
	SweepKeys(ctx context.Context, limit int) (int, error)
}

// KeyLifetime is how long a reply is kept for its idempotency key (decision "Idempotency-Key").
const KeyLifetime = 24 * time.Hour

// Errors that the store's methods return, to be matched with errors.Is. Any other error is a failure
// of the database.
var (
	ErrNotFound      = errors.New("not found")
	ErrArchived      = errors.New("archived")
	ErrExists        = errors.New("exists already")
	ErrConflict      = errors.New("conflict")
	ErrUnknownCursor = errors.New("unknown cursor")
	// ErrUnavailable is a database that cannot be reached, or is too busy, for the moment, or a store that was
	// closed. A write that fails so took no effect, unless its commit was under way: then nobody knows.
	ErrUnavailable error = &failure{"the database is not available", unavailable}
	ErrKeyReused   error = &failure{"idempotency key reused with a different request", keyReused}
)

// Noun is a kind of resource, as error messages name it.
type Noun string

// The kinds of resources.
const (
	NounAgent       Noun = "Agent"
	NounEnvironment Noun = "Environment"
	NounSession     Noun = "Session"
	NounResource    Noun = "Resource"
	NounToken       Noun = "Token"
)

// MissingError is ErrNotFound with the resource that is missing. Its text is fit for callers.
type MissingError struct {
	Noun    Noun
	ID      string
	Version int32 // the version asked for, when the version is what is missing; otherwise 0
}

func (e *MissingError) Error() string {
	if e.Version != 0 {
		return fmt.Sprintf("%s '%s' version %d was not found.", e.Noun, e.ID, e.Version)
	}
	return fmt.Sprintf("%s '%s' was not found.", e.Noun, e.ID)
}

// Is reports whether target is ErrNotFound.
func (e *MissingError) Is(target error) bool { return target == ErrNotFound }

// ArchivedError is ErrArchived with the resource that is archived. Its text is fit for callers.
type ArchivedError struct {
	Noun Noun
	ID   string
}

func (e *ArchivedError) Error() string {
	return fmt.Sprintf("%s '%s' is archived and cannot be used for new sessions.", e.Noun, e.ID)
}

// Is reports whether target is ErrArchived.
func (e *ArchivedError) Is(target error) bool { return target == ErrArchived }

// VersionError is ErrConflict for an update that is based on a version other than the latest. Its text
// is fit for callers.
type VersionError struct {
	// Latest is the agent's version, Got the one that the update is based on.
	Latest, Got int32
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("Version conflict. Expected version %d, got %d.", e.Latest, e.Got)
}

// Is reports whether target is ErrConflict.
func (e *VersionError) Is(target error) bool { return target == ErrConflict }

// StateError is ErrConflict for something that a resource's state does not allow. Its text is fit for
// callers.
type StateError struct {
	Noun Noun
	ID   string
	// Reason ends the sentence that starts with the noun and the id: "is archived already."
	Reason string
}

func (e *StateError) Error() string { return fmt.Sprintf("%s '%s' %s", e.Noun, e.ID, e.Reason) }

// Is reports whether target is ErrConflict.
func (e *StateError) Is(target error) bool { return target == ErrConflict }

// NewToken is a token to store.
type NewToken struct {
	Account string
	Name    string
	// Hash identifies the token without revealing it.
	Hash string
	// ExpiresAt is when the token ends; nil for never.
	ExpiresAt *time.Time
}

// Token is what the store knows of a token.
type Token struct {
	ID, Account, Name, Hash string
	CreatedAt               time.Time
	ExpiresAt, RevokedAt    *time.Time
}

// AgentSpec is what a caller says of an agent. JSON fields hold one JSON value each, never nil.
type AgentSpec struct {
	Name, Description, Model, System string
	Tools, MCPServers, Skills        json.RawMessage // arrays
	DefaultEnvironment               string
	Metadata                         map[string]string
}

// Agent is an agent in one of its versions. UpdatedAt is when the version was made or, for the latest of an
// archived agent, when that was archived.
type Agent struct {
	AgentSpec
	ID                   string
	Version              int32
	CreatedAt, UpdatedAt time.Time
	ArchivedAt           *time.Time
}

// EnvironmentSpec is what a caller says of an environment.
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

// SessionSpec is what a caller says of a session.
type SessionSpec struct {
	AgentID string
	// AgentVersion is the version to keep; 0 for the latest.
	AgentVersion         int32
	EnvironmentID        string
	Title                string
	Metadata             map[string]string
	EnvironmentVariables map[string]string
	// DeltaFlushInterval is how long incremental output may be held back.
	DeltaFlushInterval time.Duration
	MemoryStoreIDs     []string
	VaultIDs           []string
	Resources          []ResourceSpec
}

// ResourceSpec is a file that a caller gives to a session.
type ResourceSpec struct {
	FileID string
	// MountPath is where the file appears; "" for the default place.
	MountPath string
}

// DefaultMountPath is where a file appears unless its ResourceSpec says otherwise.
func DefaultMountPath(fileID string) string { return "/mnt/session/uploads/" + fileID }

// Resource is a file of a session.
type Resource struct {
	ID, FileID, MountPath string
	CreatedAt, UpdatedAt  time.Time
}

// Status is the state of a session.
type Status string

// The states of a session. StatusCanceling and StatusInterrupting are a processing session whose turn was
// told to stop; callers see them as processing, the seed names the other three.
const (
	StatusIdle         Status = "idle"
	StatusProcessing   Status = "processing"
	StatusCanceling    Status = "canceling"
	StatusInterrupting Status = "interrupting"
	StatusCancelled    Status = "cancelled"
)

// Busy reports whether a session in that state has a turn under way.
func (s Status) Busy() bool {
	return s == StatusProcessing || s == StatusCanceling || s == StatusInterrupting
}

// Usage counts tokens, and credits in hundredths.
type Usage struct {
	InputTokens, OutputTokens, CacheReadInputTokens int64
	CacheCreation5m, CacheCreation1h                int64
	CreditCents                                     int64
}

// Session is a session. Agent is the agent as it was when the session was created; it never changes,
// and its ArchivedAt is nil. What is in it may belong to other sessions, too, and must not be changed,
// unless by the change of UpdateSession, which ignores that.
type Session struct {
	ID                   string
	Agent                Agent
	EnvironmentID        string
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

// Turn is the turn that a session has under way, or that waits for the caller.
type Turn struct {
	// ID is "" when there is none.
	ID string
	// Lease counts the workers that the session's turns were handed to: who has a lower one has lost it.
	Lease int64
	// Pending are the tool uses that wait for the caller; nil for none.
	Pending []PendingAction
}

// PendingAction is a tool use that waits for the caller.
type PendingAction struct {
	// EventID and Type are those of the use's event.
	EventID string `json:"event_id"`
	Type    string `json:"type"`
}

// NewEvent is an event to append.
type NewEvent struct {
	// Type is the event's type in the contract.
	Type string
	// TurnID is the turn that it belongs to; "" for none.
	TurnID string
	// Payload is a JSON object with what events of the type have beside that which all have.
	Payload json.RawMessage
	// ID is the id to give to the event, from NewID; another one is given if events came in between, or for "".
	ID string
}

// Event is an event of a session's log.
type Event struct {
	ID, SessionID, TurnID, Type string
	Payload                     json.RawMessage
	CreatedAt                   time.Time
}

// EventFilter says which events are listed; the zero value lists all.
type EventFilter struct {
	// Types lists the events of these types.
	Types []string
	// CreatedAfter and CreatedBefore exclude their time, CreatedFrom and CreatedTo include it.
	CreatedAfter, CreatedFrom, CreatedBefore, CreatedTo *time.Time
}

// SessionRef names a session.
type SessionRef struct{ Account, ID string }

// TurnRef is a turn to work on.
type TurnRef struct {
	Session SessionRef
	TurnID  string
	// Again is whether the turn was handed out before, to a process that died or stopped.
	Again bool
	// Lost is whether it is too late to go on with a turn that was handed out before: it is to be ended.
	Lost bool
}

// Signal says that something has happened to a session.
type Signal struct {
	Session SessionRef
	// State is whether its status or turn has changed, or it was deleted.
	State bool
	// Increment is the increment that was published; nil for anything else.
	Increment *Increment
}

// Increment is a piece of an agent.message that is still being made.
type Increment struct {
	Session SessionRef
	// EventID is the id that the event is meant to get.
	EventID string
	// Offset is how many bytes of the message come before Text.
	Offset int
	Text   string
}

// Page says which part of a list to return. Lists are ordered by creation time, then id.
type Page struct {
	// Limit is the most rows to return, at least 1.
	Limit int
	// Ascending lists the oldest first instead of the newest.
	Ascending bool
	// Cursor is the id of the row next to the page; "" for the list's beginning. An id that the account
	// has never had is ErrUnknownCursor.
	Cursor string
	// Backward returns the rows just before the cursor instead of those just after it, in the same order;
	// none without a cursor.
	Backward bool
	// IncludeArchived lists archived rows too.
	IncludeArchived bool
}

// SessionFilter says which sessions are listed; the zero value lists all.
type SessionFilter struct {
	// AgentID lists the sessions of one agent, which may be a deleted one.
	AgentID string
	// Statuses lists the sessions in one of these states.
	Statuses []Status
	// CreatedAfter and CreatedBefore exclude their time, CreatedFrom and CreatedTo include it.
	CreatedAfter, CreatedFrom, CreatedBefore, CreatedTo *time.Time
}

// List is a part of a list.
type List[T any] struct {
	// Items is never nil.
	Items []T
	// HasMore is whether there are more rows in the direction of paging.
	HasMore bool
}

// Key is an idempotency key in one use of it.
type Key struct {
	Account, Value string
	// Fingerprint is the same for requests with the same method, path and body, and no others.
	Fingerprint string
}

// Reply is an answer kept for its idempotency key.
type Reply struct {
	Status      int
	ContentType string
	Body        []byte
}
