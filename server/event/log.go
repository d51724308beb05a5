package event

import (
	"context"
	"fmt"
	"hash/maphash"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/cache"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/usage"
)

// Log appends to sessions' logs. Every event is encoded once and validated against the contract before it is committed.
// Its methods are safe for concurrent use.
type Log struct {
	store             store.Store
	schema, toolInput *contract.Schema

	maxText, maxErrorMessage, maxPending int
	usage                                usage.Bounds

	// validated has a hash of each text that fitted the schema in this process, of late: the same bytes need not be
	// validated again.
	validated *cache.Cache[uint64, struct{}]
	seed      maphash.Seed
}

// maxValidated bounds the hashes that a Log keeps.
const maxValidated = 1 << 16

// NewLog returns the logs of a store. Events are validated against the contract's schema Event.
func NewLog(s store.Store, c *contract.Contract) *Log {
	return &Log{
		store: s, schema: c.Schema("Event"), toolInput: c.Schema("ToolInput"),
		maxText:         c.Schema("TextBlock").At("text").MaxLength(),
		maxErrorMessage: c.Schema("SessionErrorDetail").At("message").MaxLength(),
		maxPending:      c.Schema("StopReason").At("event_ids").MaxItems(),
		usage:           usageBounds(c),
		validated:       cache.New[uint64, struct{}](maxValidated), seed: maphash.MakeSeed(),
	}
}

// usageBounds returns the bounds that hold for the usage of an event and for that of a session.
func usageBounds(c *contract.Contract) usage.Bounds {
	event, session := c.Schema("EventUsage"), c.Schema("SessionUsage")
	credits := min(event.At("credits").MaximumNumber(), session.At("total_credits").MaximumNumber())
	return usage.Bounds{
		Tokens: min(event.At("input_tokens").Maximum(), session.At("input_tokens").Maximum()),
		Cents:  int64(credits) * 100,
	}
}

// Usage returns what the contract allows for the usage of a turn and of a session.
func (l *Log) Usage() usage.Bounds { return l.usage }

// MaxPending is the contract's bound on the tool uses that a turn may wait for.
func (l *Log) MaxPending() int { return l.maxPending }

// MaxText is the contract's bound on a text block, in characters.
func (l *Log) MaxText() int { return l.maxText }

// Stored is an event of a log with its form on the wire.
type Stored struct {
	store.Event
	Wire []byte
}

// Append is store.Events.AppendEvents with typed payloads. When an event violates the contract, Append returns a
// *contract.Violation and nothing is stored. It returns the events as they were stored and validated.
func (l *Log) Append(ctx context.Context, session store.SessionRef, change func(s *store.Session) ([]New, error)) (store.Session, []Stored, error) {
	var s store.Session
	var appended []Stored
	err := l.store.Atomically(ctx, func(ctx context.Context) error {
		var events []store.Event
		var err error
		s, events, err = l.store.AppendEvents(ctx, session.Account, session.ID, func(s *store.Session) ([]store.NewEvent, error) {
			events, err := change(s)
			if err != nil {
				return nil, err
			}
			return l.encoded(events)
		})
		if err != nil {
			return err
		}
		appended, err = l.encodeAll(events)
		return err
	})
	if err != nil {
		return store.Session{}, nil, err
	}
	return s, appended, nil
}

// encoded returns the events as the store keeps them. Nothing is stored that is larger than the contract allows.
func (l *Log) encoded(events []New) ([]store.NewEvent, error) {
	stored := make([]store.NewEvent, len(events))
	for i, e := range events {
		var err error
		if stored[i], err = e.stored(); err != nil {
			return nil, err
		}
		if size, most := len(stored[i].Payload), l.schema.MaxBytes(); size > most {
			return nil, &contract.Violation{Operation: e.Type, Rule: "x-max-bytes", Reason: fmt.Sprintf("it has %d bytes of JSON; at most %d can be stored", size, most)}
		}
	}
	return stored, nil
}

func (l *Log) encodeAll(events []store.Event) ([]Stored, error) {
	stored := make([]Stored, len(events))
	for i, e := range events {
		var err error
		if stored[i], err = l.Encode(e); err != nil {
			return nil, err
		}
	}
	return stored, nil
}

// Encode returns an event with its form on the wire, and a *contract.Violation when that violates the contract. What
// fitted the contract before in this process is not validated again.
func (l *Log) Encode(e store.Event) (Stored, error) {
	stored := Stored{e, Wire(e)}
	hash := maphash.Bytes(l.seed, stored.Wire)
	if _, ok := l.validated.Get(hash); ok {
		return stored, nil
	}
	if violation := l.schema.Check(stored.Wire); violation != nil {
		violation.Operation = e.Type
		return stored, violation
	}
	l.validated.Add(hash, struct{}{}, 1)
	return stored, nil
}

// Validated reports whether an event in its form on the wire fitted the contract before in this process, as far as the
// Log remembers.
func (l *Log) Validated(wire []byte) bool {
	_, ok := l.validated.Get(maphash.Bytes(l.seed, wire))
	return ok
}
