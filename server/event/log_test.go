package event_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// bed is a log over a store with one session.
type bed struct {
	*testing.T
	store   store.Store
	log     *event.Log
	session store.SessionRef
}

func newBed(t *testing.T) *bed {
	t.Helper()
	compiled, err := contract.Load()
	check(t, err)
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	none := json.RawMessage("[]")
	agent, err := db.CreateAgent(t.Context(), "acme", store.AgentSpec{Name: "a", Model: "m", Tools: none, MCPServers: none, Skills: none})
	check(t, err)
	environment, err := db.CreateEnvironment(t.Context(), "acme", store.EnvironmentSpec{Name: "e", Config: json.RawMessage("{}")})
	check(t, err)
	s, err := db.CreateSession(t.Context(), "acme", store.SessionSpec{AgentID: agent.ID, EnvironmentID: environment.ID})
	check(t, err)
	return &bed{t, db, event.NewLog(db, compiled), store.SessionRef{Account: "acme", ID: s.ID}}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// append appends events and starts a turn.
func (b *bed) append(ctx context.Context, events ...event.New) (store.Session, []event.Stored, error) {
	return b.log.Append(ctx, b.session, func(s *store.Session) ([]event.New, error) {
		s.Turn.ID = "turn_1"
		return events, nil
	})
}

// stored returns the events of the log.
func (b *bed) stored() []store.Event {
	b.Helper()
	list, err := b.store.ListEvents(b.Context(), b.session.Account, b.session.ID, store.EventFilter{}, store.Page{Limit: 100, Ascending: true})
	check(b.T, err)
	return list.Items
}

// unchanged fails the test unless neither the log nor the session has changed.
func (b *bed) unchanged() {
	b.Helper()
	if log := b.stored(); len(log) != 0 {
		b.Errorf("stored: %v", log)
	}
	s, err := b.store.GetSession(b.Context(), b.session.Account, b.session.ID)
	check(b.T, err)
	if s.Turn.ID != "" {
		b.Error("the session was changed")
	}
}

func message(text string) event.New {
	return event.New{Type: event.AgentMessage, TurnID: "turn_1", Payload: event.Payload{Content: event.Content(text)}}
}

func TestAppendReturnsWhatIsStored(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	first, second := message("Hi <there>"), event.New{Type: event.AgentThinking, TurnID: "turn_1"}
	first.ID = b.store.NewID("evt")
	s, appended, err := b.append(t.Context(), first, second)
	check(t, err)
	log := b.stored()
	if s.Turn.ID != "turn_1" || len(appended) != 2 || len(log) != 2 || appended[0].ID != first.ID {
		t.Fatalf("%+v, %+v, stored %+v", s, appended, log)
	}
	for i, e := range appended {
		if diff := cmp.Diff(log[i], e.Event); diff != "" {
			t.Errorf("event %d (-stored +returned):\n%s", i, diff)
		}
		if diff := cmp.Diff(string(event.Wire(log[i])), string(e.Wire)); diff != "" {
			t.Errorf("wire of event %d: %s", i, diff)
		}
		if !b.log.Validated(e.Wire) {
			t.Errorf("%s was not validated", e.Wire)
		}
	}
}

// TestWhatViolatesTheContractIsNotStored appends events that no response may hold, after one that is valid.
func TestWhatViolatesTheContractIsNotStored(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for name, c := range map[string]struct {
		event         event.New
		pointer, rule string
	}{
		"a long name":       {event.New{Type: event.AgentCustomTool, TurnID: "turn_1", Payload: event.Payload{Name: strings.Repeat("x", 400), Input: json.RawMessage("{}")}}, "/name", "pattern"},
		"no content":        {event.New{Type: event.AgentMessage, TurnID: "turn_1"}, "/content", "required"},
		"an unknown type":   {event.New{Type: "agent.secret", TurnID: "turn_1"}, "", "discriminator"},
		"a foreign field":   {event.New{Type: event.AgentThinking, TurnID: "turn_1", Payload: event.Payload{Name: "x"}}, "/name", "additionalProperties"},
		"an id of no event": {event.New{Type: event.AgentThinking, TurnID: "turn_1", ID: "turn_1"}, "/id", "pattern"},
	} {
		_, appended, err := b.append(t.Context(), message("Hi"), c.event)
		var violation *contract.Violation
		if !errors.As(err, &violation) || violation.Operation != c.event.Type || violation.Pointer != c.pointer || violation.Rule != c.rule || appended != nil {
			t.Errorf("%s: %v, %+v", name, err, violation)
		}
		b.unchanged()
		check(t, b.store.Atomically(t.Context(), func(ctx context.Context) error { // the rest of a transaction can go on
			if _, _, err := b.append(ctx, c.event); !errors.As(err, &violation) {
				t.Errorf("%s, in a transaction: %v", name, err)
			}
			return nil
		}))
		b.unchanged()
	}
}

func TestErrorsOfAChange(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	want := errors.New("no")
	_, _, err := b.log.Append(t.Context(), b.session, func(s *store.Session) ([]event.New, error) {
		s.Turn.ID = "turn_1"
		return []event.New{message("Hi")}, want
	})
	if err != want {
		t.Errorf("want the error of the change, got %v", err)
	}
	if _, _, err := b.append(t.Context(), event.New{Type: event.AgentToolUse, Payload: event.Payload{Input: json.RawMessage("{")}}); err == nil {
		t.Error("a payload that is not JSON is no error")
	}
	b.unchanged()
	other := b.session
	other.Account = "other"
	if _, _, err := b.log.Append(t.Context(), other, func(*store.Session) ([]event.New, error) { return nil, nil }); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("another account's session: %v", err)
	}
}

// TestEncode encodes rows that this process did not write: what violates the contract is found every time.
func TestEncode(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	_, appended, err := b.append(t.Context(), message("Hi"))
	check(t, err)
	row := appended[0].Event
	row.Payload = json.RawMessage(`{"content":[{"type":"text","text":"Hello"}]}`)
	for range 2 {
		got, err := b.log.Encode(row)
		check(t, err)
		if string(got.Wire) != string(event.Wire(row)) || !b.log.Validated(got.Wire) {
			t.Errorf("%s", got.Wire)
		}
	}
	row.Payload = json.RawMessage(`{"content":[{"type":"text","text":""}]}`)
	for range 2 {
		got, err := b.log.Encode(row)
		var violation *contract.Violation
		if !errors.As(err, &violation) || violation.Pointer != "/content/0/text" || string(got.Wire) != string(event.Wire(row)) || b.log.Validated(got.Wire) {
			t.Errorf("%s: %v", got.Wire, err)
		}
	}
}

// TestBounds compares what the log reads of the contract to the contract.
func TestBounds(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, n := range []int{b.log.MaxText(), b.log.MaxText() + 1} {
		if _, _, err := b.append(t.Context(), message(strings.Repeat("é", n))); (err == nil) != (n == b.log.MaxText()) {
			t.Errorf("%d characters: %v", n, err)
		}
	}
}

// TestALargeEventIsNotStored appends events at and beyond the bound of what is stored.
func TestALargeEventIsNotStored(t *testing.T) {
	b := newBed(t)
	message := func(encoded int) event.New {
		const around = len(`{"content":[{"type":"text","text":""}]}`)
		return event.New{Type: event.AgentMessage, Payload: event.Payload{Content: event.Content(strings.Repeat("\n", (encoded-around)/2) + strings.Repeat("a", (encoded-around)%2))}}
	}
	_, _, err := b.append(t.Context(), message(2<<20+1))
	var violation *contract.Violation
	if !errors.As(err, &violation) || violation.Rule != "x-max-bytes" || !strings.Contains(err.Error(), "it has 2097153 bytes of JSON; at most 2097152 can be stored") {
		t.Errorf("%v", err)
	}
	b.unchanged()
}
