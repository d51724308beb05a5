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

// reference says what a response to a write is made of: a session, an agent in a version, an environment, a file, or
// events of a session.
type reference struct {
	Session     string   `json:"session,omitempty"`
	Agent       string   `json:"agent,omitempty"`
	Version     int32    `json:"version,omitempty"`
	Environment string   `json:"environment,omitempty"`
	File        string   `json:"file,omitempty"`
	Events      []string `json:"events,omitempty"`
}

// Describe returns the id of the agent, the environment, the file or the session that a response to a write shows, and a reference
// to rebuild the response from; "" for a response that shows none. secret is whether the body holds values that must not
// be kept. session is the session that the request is about; "" for none.
func (h *handler) Describe(session string, body []byte) (resource, text string, secret bool) {
	var shown struct {
		ID, Type             string
		FileID               string `json:"file_id"`
		Version              int32
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
		resource, ref.Agent, ref.Version = shown.ID, shown.ID, shown.Version
	case shown.Type == string(types.EnvironmentTypeEnvironment):
		resource, ref.Environment = shown.ID, shown.ID
	case shown.FileID != "" && shown.FileID == shown.ID: // a session's resource has the type of a file, and another id
		resource, ref.File = shown.ID, shown.ID
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
	return resource, string(encoded), len(shown.EnvironmentVariables) > 0
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
	}
	if ref.File != "" {
		file, err := h.store.GetFile(ctx, account, ref.File)
		return encoded(file, err, func(f store.File) (types.File, error) { return wireFile(f), nil })
	}
	environment, err := h.store.GetEnvironment(ctx, account, ref.Environment)
	return encoded(environment, err, wireEnvironment)
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
