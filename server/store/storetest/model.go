package storetest

import (
	"cmp"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// model is agents, environments, sessions and their logs as the contract has them, kept in the simplest way. It takes
// the store's clock, and ids from a source like the store's.
type model struct {
	now   func() time.Time
	newID func(prefix string) string

	agents       shelf[history]
	environments shelf[store.Environment]
	sessions     shelf[store.Session]
	logs         map[store.SessionRef][]store.Event
}

// history is an agent in all of its versions.
type history []store.Agent

func (h history) latest() store.Agent { return h[len(h)-1] }

// clone returns a model that changes alone. Rows are values: changes replace them.
func (m *model) clone() *model {
	c := *m
	c.agents, c.environments, c.sessions = slices.Clone(m.agents), slices.Clone(m.environments), slices.Clone(m.sessions)
	c.logs = maps.Clone(m.logs)
	return &c
}

// shelf has all rows of a kind that ever were.
type shelf[T any] []shelved[T]

type shelved[T any] struct {
	row
	account string
	deleted bool
	value   T
}

// put adds a row, or replaces the one with its id.
func (s *shelf[T]) put(account string, r row, value T) {
	for i := range *s {
		if (*s)[i].account == account && (*s)[i].id == r.id {
			(*s)[i].row, (*s)[i].value = r, value
			return
		}
	}
	*s = append(*s, shelved[T]{row: r, account: account, value: value})
}

// find returns the row, or nil and the error that the store returns.
func (s shelf[T]) find(noun store.Noun, account, id string) (*shelved[T], error) {
	for i := range s {
		if s[i].account == account && s[i].id == id && !s[i].deleted {
			return &s[i], nil
		}
	}
	return nil, &store.MissingError{Noun: noun, ID: id}
}

// live returns the ids of an account's rows.
func (s shelf[T]) live(account string) (ids []string) {
	for _, r := range s {
		if r.account == account && !r.deleted {
			ids = append(ids, r.id)
		}
	}
	return ids
}

// list returns a page of the rows that are shown.
func (s shelf[T]) list(account string, page store.Page, shown func(T) bool) (store.List[T], error) {
	whole := slices.DeleteFunc(slices.Clone(s), func(r shelved[T]) bool { return r.account != account })
	slices.SortFunc(whole, func(a, b shelved[T]) int {
		return cmp.Or(a.createdAt.Compare(b.createdAt), cmp.Compare(a.id, b.id))
	})
	if !page.Ascending {
		slices.Reverse(whole)
	}
	list := store.List[T]{Items: []T{}}
	isCursor := func(r shelved[T]) bool { return r.id == page.Cursor }
	if page.Cursor != "" && !slices.ContainsFunc(whole, isCursor) {
		return list, store.ErrUnknownCursor
	}
	got := pageOf(whole, page, func(r shelved[T]) string { return r.id }, func(r shelved[T]) bool {
		return !r.deleted && (page.IncludeArchived || r.archivedAt == nil) && shown(r.value)
	})
	for _, r := range got.Items {
		list.Items = append(list.Items, r.value)
	}
	list.HasMore = got.HasMore
	return list, nil
}

func (m *model) stamp() time.Time { return m.now().UTC().Truncate(time.Microsecond) }

func (m *model) putAgent(account string, h history) store.Agent {
	m.agents.put(account, agentRow(h.latest()), h)
	return h.latest()
}

func (m *model) createAgent(account string, spec store.AgentSpec) (store.Agent, error) {
	now := m.stamp()
	return m.putAgent(account, history{{AgentSpec: spec, ID: m.newID("agent"), Version: 1, CreatedAt: now, UpdatedAt: now}}), nil
}

func (m *model) getAgent(account, id string, version int32) (store.Agent, error) {
	r, err := m.agents.find(store.NounAgent, account, id)
	switch {
	case err != nil:
		return store.Agent{}, err
	case version == 0:
		return r.value.latest(), nil
	case version < 1 || int(version) > len(r.value):
		return store.Agent{}, &store.MissingError{Noun: store.NounAgent, ID: id, Version: version}
	}
	return r.value[version-1], nil
}

func (m *model) listAgents(account string, page store.Page) (store.List[store.Agent], error) {
	list, err := m.agents.list(account, page, func(history) bool { return true })
	got := store.List[store.Agent]{Items: []store.Agent{}, HasMore: list.HasMore}
	for _, h := range list.Items {
		got.Items = append(got.Items, h.latest())
	}
	return got, err
}

func (m *model) updateAgent(account, id string, version int32, change func(*store.AgentSpec) error) (store.Agent, error) {
	r, err := m.agents.find(store.NounAgent, account, id)
	if err != nil {
		return store.Agent{}, err
	}
	next := r.value.latest()
	if next.ArchivedAt != nil {
		return store.Agent{}, &store.StateError{Noun: store.NounAgent, ID: id, Reason: "is archived and takes no changes."}
	}
	if next.Version != version {
		return store.Agent{}, &store.VersionError{Latest: next.Version, Got: version}
	}
	next.Metadata = maps.Clone(next.Metadata)
	if err := change(&next.AgentSpec); err != nil {
		return store.Agent{}, err
	}
	next.Version, next.UpdatedAt = version+1, m.stamp()
	return m.putAgent(account, append(slices.Clone(r.value), next)), nil
}

func (m *model) archiveAgent(account, id string) (store.Agent, error) {
	r, err := m.agents.find(store.NounAgent, account, id)
	if err != nil {
		return store.Agent{}, err
	}
	h, now := slices.Clone(r.value), m.stamp()
	if h.latest().ArchivedAt != nil {
		return h.latest(), nil
	}
	for i := range h {
		h[i].ArchivedAt = &now
	}
	h[len(h)-1].UpdatedAt = now
	return m.putAgent(account, h), nil
}

func (m *model) deleteAgent(account, id string) error {
	r, err := m.agents.find(store.NounAgent, account, id)
	if err == nil {
		r.deleted = true
	}
	return err
}

func (m *model) listAgentVersions(account, id string, page store.Page) (store.List[store.Agent], error) {
	none := store.List[store.Agent]{Items: []store.Agent{}}
	r, err := m.agents.find(store.NounAgent, account, id)
	if err != nil {
		return none, err
	}
	whole := slices.Clone(r.value)
	if !page.Ascending {
		slices.Reverse(whole)
	}
	cursorOf := func(a store.Agent) string { return strconv.Itoa(int(a.Version)) }
	isCursor := func(a store.Agent) bool { return cursorOf(a) == page.Cursor }
	if page.Cursor != "" && !slices.ContainsFunc(whole, isCursor) {
		return none, store.ErrUnknownCursor
	}
	return pageOf(whole, page, cursorOf, func(store.Agent) bool { return true }), nil
}

func (m *model) putEnvironment(account string, e store.Environment) store.Environment {
	m.environments.put(account, environmentRow(e), e)
	return e
}

func (m *model) createEnvironment(account string, spec store.EnvironmentSpec) (store.Environment, error) {
	now := m.stamp()
	return m.putEnvironment(account, store.Environment{EnvironmentSpec: spec, ID: m.newID("env"), CreatedAt: now, UpdatedAt: now}), nil
}

func (m *model) updateEnvironment(account, id string, change func(*store.EnvironmentSpec) error) (store.Environment, error) {
	r, err := m.environments.find(store.NounEnvironment, account, id)
	if err != nil {
		return store.Environment{}, err
	}
	e := r.value
	if e.ArchivedAt != nil {
		return store.Environment{}, &store.StateError{Noun: store.NounEnvironment, ID: id, Reason: "is archived and takes no changes."}
	}
	e.Metadata = maps.Clone(e.Metadata)
	if err := change(&e.EnvironmentSpec); err != nil {
		return store.Environment{}, err
	}
	e.UpdatedAt = m.stamp()
	return m.putEnvironment(account, e), nil
}

func (m *model) archiveEnvironment(account, id string) (store.Environment, error) {
	r, err := m.environments.find(store.NounEnvironment, account, id)
	if err != nil {
		return store.Environment{}, err
	}
	e, now := r.value, m.stamp()
	if e.ArchivedAt != nil {
		return store.Environment{}, &store.StateError{Noun: store.NounEnvironment, ID: id, Reason: "is archived already."}
	}
	e.UpdatedAt, e.ArchivedAt = now, &now
	return m.putEnvironment(account, e), nil
}

func (m *model) deleteEnvironment(account, id string) error {
	r, err := m.environments.find(store.NounEnvironment, account, id)
	if err != nil {
		return err
	}
	for _, v := range m.sessions {
		if v.account == account && v.value.EnvironmentID == id && !v.deleted {
			return &store.StateError{Noun: store.NounEnvironment, ID: id, Reason: "is used by sessions; archive it instead."}
		}
	}
	r.deleted = true
	return nil
}
