package operations

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

// reference says what a response to a write is made of: a session, an agent in a version, an environment, a key of it, a file, a
// memory store, a memory in a version, or events of a session.
type reference struct {
	Session     string   `json:"session,omitempty"`
	Agent       string   `json:"agent,omitempty"`
	Version     int32    `json:"version,omitempty"`
	Environment string   `json:"environment,omitempty"`
	Key         string   `json:"key,omitempty"`
	File        string   `json:"file,omitempty"`
	MemoryStore string   `json:"memory_store,omitempty"`
	Memory      string   `json:"memory,omitempty"`
	MemoryIn    string   `json:"memory_in,omitempty"` // a version's id
	Events      []string `json:"events,omitempty"`
}

// Describe returns the id of the agent, the environment, the file, the memory store or the session that a response to a write shows,
// and a reference to rebuild the response from; "" for a response that shows none. secret is whether the body holds values
// that must not be kept: environment variables, and the content of memories, which redaction must reach. session is the session that the request is about; "" for none.
func (h *handler) Describe(session string, body []byte) (resource, text string, secret bool) {
	var shown struct {
		ID, Type             string
		FileID               string `json:"file_id"`
		Version              json.Number
		MemoryStoreID        string                `json:"memory_store_id"`
		MemoryVersionID      string                `json:"memory_version_id"`
		EnvironmentID        string                `json:"environment_id"`
		EnvironmentVariables map[string]string     `json:"environment_variables"`
		Data                 []struct{ ID string } // of sent events
	}
	if err := json.Unmarshal(body, &shown); err != nil {
		return session, "", false
	}
	var ref reference
	switch {
	case shown.Type == string(types.SessionTypeSession):
		resource, ref.Session = shown.ID, shown.ID
	case shown.Type == string(types.AgentTypeAgent):
		version, _ := shown.Version.Int64() // it is one
		resource, ref.Agent, ref.Version = shown.ID, shown.ID, int32(version)
	case shown.Type == string(types.EnvironmentTypeEnvironment):
		resource, ref.Environment = shown.ID, shown.ID
	case shown.FileID != "" && shown.FileID == shown.ID: // a session's resource has the type of a file, and another id
		resource, ref.File = shown.ID, shown.ID
	case shown.Type == string(types.EnvironmentKeyTypeEnvironmentKey):
		resource, secret = shown.EnvironmentID, true
		ref.Environment, ref.Key = shown.EnvironmentID, shown.ID
	case shown.Type == string(types.VaultTypeVault), shown.Type == string(types.VaultCredentialTypeVaultCredential):
		return shown.ID, "", false
	case shown.Type == string(types.MemoryStoreTypeMemoryStore):
		resource, ref.MemoryStore = shown.ID, shown.ID
	case shown.Type == string(types.MemoryTypeMemory):
		resource, secret = shown.MemoryStoreID, true
		ref.MemoryStore, ref.Memory, ref.MemoryIn = shown.MemoryStoreID, shown.ID, shown.MemoryVersionID
	case shown.Type == string(types.MemoryVersionTypeMemoryVersion): // a redacted one
		return shown.MemoryStoreID, "", false
	case shown.Type == string(types.DeletedSessionTypeSessionDeleted):
		return "", "", false
	case len(shown.Data) > 0:
		resource, ref.Session = session, session
		for _, e := range shown.Data {
			ref.Events = append(ref.Events, e.ID)
		}
	default:
		return session, "", false
	}
	encoded, err := json.Marshal(ref)
	if err != nil {
		return resource, "", false
	}
	return resource, string(encoded), secret || len(shown.EnvironmentVariables) > 0
}

// Rebuild makes the body that a reference stands for from what is stored now. It returns store.ErrNotFound when that was
// deleted.
func (h *handler) Rebuild(ctx context.Context, text string) ([]byte, error) {
	var ref reference
	if err := json.Unmarshal([]byte(text), &ref); err != nil {
		return nil, fmt.Errorf("a recorded reference is malformed: %w", err)
	}
	account := request.Account(ctx)
	switch {
	case len(ref.Events) > 0:
		return h.rebuiltEvents(ctx, store.SessionRef{Account: account, ID: ref.Session}, ref.Events)
	case ref.Session != "":
		session, err := h.store.GetSession(ctx, account, ref.Session)
		return encoded(session, err, wireSession)
	case ref.Agent != "":
		agent, err := h.store.GetAgent(ctx, account, ref.Agent, ref.Version)
		return encoded(agent, err, wireAgent)
	case ref.Memory != "":
		m, err := h.memoryIn(ctx, account, ref)
		return encoded(m, err, func(m store.Memory) (types.Memory, error) { return wireMemory(m, true), nil })
	case ref.MemoryStore != "":
		m, err := h.store.GetMemoryStore(ctx, account, ref.MemoryStore)
		return encoded(m, err, always(wireMemoryStore))
	}
	if ref.Key != "" {
		return h.rebuiltKey(ctx, ref)
	}
	if ref.File != "" {
		file, err := h.store.GetFile(ctx, account, ref.File)
		return encoded(file, err, func(f store.File) (types.File, error) { return wireFile(f), nil })
	}
	environment, err := h.store.GetEnvironment(ctx, account, ref.Environment)
	return encoded(environment, err, wireEnvironment)
}

// memoryIn returns a memory as it was in a version. It returns store.ErrNotFound when either was deleted, and when the
// content of the version was erased.
func (h *handler) memoryIn(ctx context.Context, account string, ref reference) (store.Memory, error) {
	m, err := h.store.GetMemory(ctx, account, ref.MemoryStore, ref.Memory)
	if err != nil {
		return store.Memory{}, err
	}
	v, err := h.store.GetMemoryVersion(ctx, account, ref.MemoryStore, ref.MemoryIn)
	if err == nil && v.RedactedAt != nil {
		err = store.ErrNotFound
	}
	m.MemorySpec, m.Size, m.SHA256, m.Version, m.VersionID, m.UpdatedAt = v.MemorySpec, v.Size, v.SHA256, v.Number, v.ID, v.CreatedAt
	return m, err
}

// rebuiltEvents returns the response of sendEvents with the events of these ids.
func (h *handler) rebuiltEvents(ctx context.Context, session store.SessionRef, ids []string) ([]byte, error) {
	sent := make([]event.Stored, len(ids))
	for i, id := range ids {
		position, err := h.store.EventPosition(ctx, session.Account, session.ID, id)
		if err != nil {
			return nil, err
		}
		list, err := h.store.ListEvents(ctx, session.Account, session.ID, store.EventFilter{AfterPosition: position - 1},
			store.Page{Limit: 1, Ascending: true})
		if err != nil {
			return nil, err
		}
		if sent[i], err = h.events.Encode(list.Items[0]); err != nil {
			return nil, err
		}
	}
	return h.eventsBody("sendEvents", types.SentEvents{Data: []types.Event{}}, sent)
}

// rebuiltKey returns the record of a key, without the key itself.
func (h *handler) rebuiltKey(ctx context.Context, ref reference) ([]byte, error) {
	keys, err := h.keysOf(ctx, ref.Environment)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if key.ID == ref.Key && isLive(key) {
			return encoded(key, nil, wireKey)
		}
	}
	return nil, store.ErrNotFound
}

// encoded returns a row as the generated code encodes it in a response.
func encoded[Row, Wire any](row Row, err error, wire func(Row) (Wire, error)) ([]byte, error) {
	if err != nil {
		return nil, err
	}
	value, err := wire(row)
	if err != nil {
		return nil, err
	}
	var body bytes.Buffer
	err = json.NewEncoder(&body).Encode(value)
	return body.Bytes(), err
}
