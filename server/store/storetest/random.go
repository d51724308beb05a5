package storetest

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// RunRandom does random things to a store and to a model of it, which have to agree at every step. The seed
// decides what it does.
func RunRandom(t *testing.T, open Opener, seed uint64, steps int) {
	b := newBed(t, open, Options{NewID: prefixed()})
	w := &walker{
		bed: b, Rand: rand.New(rand.NewPCG(seed, 0)),
		model: &model{now: b.clock.Now, newID: prefixed(), logs: map[store.SessionRef][]store.Event{}},
		seen:  map[revision]store.Session{},
		known: map[string][]string{"agent": {"agent_x"}, "env": {"env_x"}, "sess": {"sess_x"}, "evt": {"evt_000000"}},
	}
	for w.step = range steps {
		if w.Failed() {
			t.Fatalf("stopped before step %d of seed %d", w.step, seed)
		}
		w.act()
		w.revision()
		if w.IntN(4) > 0 { // the others tie
			b.clock.advance(time.Duration(1+w.IntN(3000)) * time.Nanosecond)
		}
		if w.step%50 == 0 {
			w.lists()
		}
	}
	w.lists()
}

// prefixed returns a source of ids that sort by age among those of their prefix. How many ids of other prefixes come
// in between is left open by the contract, and does not matter.
func prefixed() func(prefix string) string {
	n := map[string]int{}
	return func(prefix string) string {
		n[prefix]++
		return fmt.Sprintf("%s_%06d", prefix, n[prefix])
	}
}

// walker takes the steps of RunRandom.
type walker struct {
	*bed
	*rand.Rand
	model *model
	known map[string][]string // ids by their prefix, with those of deleted rows and one that never was
	step  int
	seen  map[revision]store.Session
}

// revision is a session at some time.
type revision struct {
	account, id string
	number      int64
}

// step is what to do, to the store and to the model.
type step struct {
	what  string
	store func(ctx context.Context) (any, error)
	model func(m *model) (any, error)
}

// both returns a step of two functions that do the same.
func both[T any](what string, inStore func(ctx context.Context) (T, error), inModel func(m *model) (T, error)) step {
	return step{
		what:  what,
		store: func(ctx context.Context) (any, error) { return inStore(ctx) },
		model: func(m *model) (any, error) { return inModel(m) },
	}
}

// done returns a result without a value.
func done(err error) (any, error) { return nil, err }

// act does one thing at random. One out of ten is undone as a whole.
func (w *walker) act() {
	act := w.choose()
	undo := w.IntN(10) == 0
	var got, want any
	var gotErr, wantErr error
	if undo {
		err := w.Atomically(w.ctx, func(ctx context.Context) error {
			got, gotErr = act.store(ctx)
			return errStop
		})
		fails(w.T, act.what, errStop, err)
	} else {
		got, gotErr = act.store(w.ctx)
	}
	next := w.model.clone()
	want, wantErr = act.model(next)
	if wantErr == nil && !undo {
		w.model = next
	}
	what := fmt.Sprintf("step %d: %s", w.step, act.what)
	equal(w.T, what+": error", fmt.Sprint(wantErr), fmt.Sprint(gotErr))
	if reflect.TypeOf(wantErr) != reflect.TypeOf(gotErr) {
		w.Errorf("%s: want a %T, got a %T", what, wantErr, gotErr)
	}
	if wantErr == nil {
		equal(w.T, what, want, got)
		w.remember(want)
	}
	if undo {
		w.lists()
	}
}

// revision looks at a session, which is what it was when its revision is.
func (w *walker) revision() {
	acc := w.account()
	id := w.id("sess", acc)
	number, err := w.SessionRevision(w.ctx, acc, id)
	got, getErr := w.GetSession(w.ctx, acc, id)
	equal(w.T, "error of the revision", fmt.Sprint(getErr), fmt.Sprint(err))
	if err != nil {
		return
	}
	at := revision{acc, id, number}
	if before, ok := w.seen[at]; ok {
		equal(w.T, fmt.Sprintf("after step %d: %+v", w.step, at), before, got)
	}
	w.seen[at] = got
}

// remember adds a result's id to the known ones, even when the step was undone and no such row exists.
func (w *walker) remember(result any) {
	var id string
	switch v := result.(type) {
	case store.Agent:
		id = v.ID
	case store.Environment:
		id = v.ID
	case store.Session:
		id = v.ID
	case appendedEvents:
		w.known["evt"] = append(w.known["evt"], eventIDs(v.Events)...)
		return
	default:
		return
	}
	prefix, _, _ := strings.Cut(id, "_")
	if !slices.Contains(w.known[prefix], id) {
		w.known[prefix] = append(w.known[prefix], id)
	}
}

// lists compares the whole lists of both accounts.
func (w *walker) lists() {
	w.Helper()
	for _, acc := range []string{account, other} {
		page := store.Page{Limit: 1 << 30, Ascending: true, IncludeArchived: true}
		lists := []step{w.listAgents(acc, page), w.listEnvironments(acc, page), w.listSessions(acc, store.SessionFilter{}, page)}
		for _, session := range w.model.sessions.live(acc) {
			lists = append(lists, w.listEvents(acc, session, store.EventFilter{}, page))
		}
		for _, list := range lists {
			got, err := list.store(w.ctx)
			check(w.T, err)
			want, err := list.model(w.model)
			check(w.T, err)
			equal(w.T, fmt.Sprintf("after step %d: %s", w.step, list.what), want, got)
		}
	}
}

// account is mostly the same, so that much belongs together.
func (w *walker) account() string {
	if w.IntN(6) == 0 {
		return other
	}
	return account
}

// id returns an id of a row that the account has, or, now and then, any that is known.
func (w *walker) id(prefix, acc string) string {
	ids := w.known[prefix]
	if w.IntN(8) > 0 {
		live := map[string][]string{
			"agent": w.model.agents.live(acc), "env": w.model.environments.live(acc), "sess": w.model.sessions.live(acc),
		}[prefix]
		if len(live) > 0 {
			ids = live
		}
	}
	return ids[w.IntN(len(ids))]
}

func (w *walker) page(cursor func() string) store.Page {
	page := store.Page{
		Limit: 1 + w.IntN(6), Ascending: w.IntN(2) == 0, Backward: w.IntN(2) == 0, IncludeArchived: w.IntN(2) == 0,
	}
	if w.IntN(4) > 0 {
		page.Cursor = cursor()
	}
	return page
}

// time returns nil or a time near those of the sessions.
func (w *walker) time() *time.Time {
	if w.IntN(4) > 0 {
		return nil
	}
	at := w.clock.Now().Add(-time.Duration(w.IntN(100_000)) * time.Nanosecond)
	if n := len(w.model.sessions); n > 0 && w.IntN(2) == 0 {
		at = w.model.sessions[w.IntN(n)].createdAt
	}
	return &at
}

func (w *walker) filter(acc string) (filter store.SessionFilter) {
	if w.IntN(2) == 0 {
		filter.AgentID = w.id("agent", acc)
	}
	if w.IntN(2) == 0 {
		filter.Statuses = statuses[:1+w.IntN(len(statuses))]
	}
	filter.CreatedAfter, filter.CreatedFrom, filter.CreatedBefore, filter.CreatedTo = w.time(), w.time(), w.time(), w.time()
	return filter
}

func (w *walker) eventFilter() (filter store.EventFilter) {
	if w.IntN(2) == 0 {
		filter.Types = eventTypes[:1+w.IntN(len(eventTypes))]
	}
	if w.IntN(3) == 0 {
		filter.AfterPosition = int64(w.IntN(10))
	}
	filter.CreatedAfter, filter.CreatedFrom, filter.CreatedBefore, filter.CreatedTo = w.time(), w.time(), w.time(), w.time()
	return filter
}

var eventTypes = []string{"user.message", "agent.message", "session.status_idle"}

// event returns the id of an event of a session, or, now and then, any that is known.
func (w *walker) event(acc, session string) string {
	ids := eventIDs(w.model.log(acc, session))
	if len(ids) == 0 || w.IntN(8) == 0 {
		ids = w.known["evt"]
	}
	return ids[w.IntN(len(ids))]
}

var statuses = []store.Status{store.StatusCancelled, store.StatusIdle, store.StatusProcessing}
