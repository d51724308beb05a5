package storetest

import (
	"cmp"
	"maps"
	"reflect"
	"slices"

	"github.com/cloud-sessions/sessions/server/store"
)

func (m *model) createSession(account string, spec store.SessionSpec) (store.Session, error) {
	agent, err := m.getAgent(account, spec.AgentID, spec.AgentVersion)
	if err == nil && agent.ArchivedAt != nil {
		err = &store.ArchivedError{Noun: store.NounAgent, ID: spec.AgentID}
	}
	if err != nil {
		return store.Session{}, err
	}
	e, err := m.environments.find(store.NounEnvironment, account, spec.EnvironmentID)
	if err == nil && e.archivedAt != nil {
		err = &store.ArchivedError{Noun: store.NounEnvironment, ID: spec.EnvironmentID}
	}
	if err != nil {
		return store.Session{}, err
	}
	now := m.stamp()
	v := store.Session{
		ID: m.newID("sess"), Agent: agent, EnvironmentID: spec.EnvironmentID, Title: spec.Title, Status: store.StatusIdle,
		Metadata: spec.Metadata, EnvironmentVariables: spec.EnvironmentVariables, DeltaFlushInterval: spec.DeltaFlushInterval,
		MemoryStoreIDs: []string{}, VaultIDs: spec.VaultIDs, CreatedAt: now, UpdatedAt: now,
	}
	for _, r := range spec.Resources {
		v.Resources = append(v.Resources, store.Resource{FileID: r.FileID, MountPath: r.MountPath})
	}
	return m.putSession(account, v), nil
}

// putSession gives new resources what the store gives them.
func (m *model) putSession(account string, v store.Session) store.Session {
	v.Resources = append([]store.Resource{}, v.Resources...)
	for i := range v.Resources {
		if r := &v.Resources[i]; r.ID == "" {
			r.ID, r.CreatedAt, r.UpdatedAt = m.newID("sesr"), m.stamp(), m.stamp()
			r.MountPath = cmp.Or(r.MountPath, store.DefaultMountPath(r.FileID))
		}
	}
	m.sessions.put(account, sessionRow(v), v)
	return v
}

func (m *model) updateSession(account, id string, change func(*store.Session) error) (store.Session, error) {
	r, err := m.sessions.find(store.NounSession, account, id)
	if err != nil {
		return store.Session{}, err
	}
	v := r.value
	v.Metadata, v.Resources = maps.Clone(v.Metadata), slices.Clone(v.Resources)
	if err := change(&v); err != nil {
		return store.Session{}, err
	}
	if !reflect.DeepEqual(v, r.value) {
		v.UpdatedAt = m.stamp()
	}
	return m.putSession(account, v), nil
}

func (m *model) deleteSession(account, id string, allow func(store.Session) error) error {
	r, err := m.sessions.find(store.NounSession, account, id)
	if err == nil {
		err = allow(r.value)
	}
	if err == nil {
		r.deleted = true
		delete(m.logs, store.SessionRef{Account: account, ID: id})
	}
	return err
}

func (m *model) countBusySessions(account string, limit int) (n int) {
	for _, v := range m.sessions {
		if v.account == account && !v.deleted && v.value.Status.Busy() {
			n++
		}
	}
	return min(n, limit)
}

// log returns a session's log.
func (m *model) log(account, session string) []store.Event {
	return slices.Clip(m.logs[store.SessionRef{Account: account, ID: session}])
}

func (m *model) appendEvents(account, session string, change func(*store.Session) ([]store.NewEvent, error)) (store.Session, []store.Event, error) {
	var events []store.NewEvent
	v, err := m.updateSession(account, session, func(v *store.Session) (err error) {
		events, err = change(v)
		return err
	})
	if err != nil {
		return store.Session{}, nil, err
	}
	log := m.log(account, session)
	before := len(log)
	for i := range events {
		if events[i].ID == "" {
			events[i].ID = m.newID("evt")
		}
	}
	for _, n := range events {
		e := store.Event{
			Position: int64(len(log)) + 1, ID: n.ID, SessionID: session, TurnID: n.TurnID, Type: n.Type, Payload: n.Payload, CreatedAt: m.stamp(),
		}
		if slices.Contains(eventIDs(log), e.ID) {
			return store.Session{}, nil, store.ErrExists
		}
		log = append(log, e)
	}
	m.logs[store.SessionRef{Account: account, ID: session}] = log
	return v, append([]store.Event(nil), log[before:]...), nil
}

func (m *model) eventPosition(account, session, id string) (int64, error) {
	if _, err := m.sessions.find(store.NounSession, account, session); err != nil || id == "" {
		return 0, err
	}
	at := slices.Index(eventIDs(m.log(account, session)), id)
	if at < 0 {
		return 0, store.ErrUnknownCursor
	}
	return int64(at) + 1, nil
}

func (m *model) listEvents(account, session string, filter store.EventFilter, page store.Page) (store.List[store.Event], error) {
	none := store.List[store.Event]{Items: []store.Event{}}
	if _, err := m.sessions.find(store.NounSession, account, session); err != nil {
		return none, err
	}
	whole := m.log(account, session)
	if page.Cursor != "" && !slices.Contains(eventIDs(whole), page.Cursor) {
		return none, store.ErrUnknownCursor
	}
	if !page.Ascending {
		whole = reversed(whole)
	}
	return pageOf(whole, page, func(e store.Event) string { return e.ID }, func(e store.Event) bool { return passesEvents(filter, e) }), nil
}
