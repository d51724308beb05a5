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
		MemoryStoreIDs: spec.MemoryStoreIDs, VaultIDs: spec.VaultIDs, CreatedAt: now, UpdatedAt: now,
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
	}
	return err
}
