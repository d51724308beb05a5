// Package union has the Go types of the contract's unions without a discriminator: a value is written either short, as a
// string, or long, as an object. It imports only the standard library.
package union

import (
	"bytes"
	"encoding/json"
)

// Agent names the agent of a new session (schema AgentRef): {ID: "agent_…"} means the
// latest version of the agent, {ID: "agent_…", Version: 2} pins one.
type Agent struct {
	// ID is the agent's id.
	ID string
	// Version is the pinned version, from 1; 0 means the latest.
	Version int32
}

// pinned is the long form of an Agent.
type pinned struct {
	ID      string `json:"id"`
	Type    string `json:"type,omitempty"`
	Version int32  `json:"version,omitempty"`
}

// MarshalJSON writes the short form unless a version is pinned.
func (a Agent) MarshalJSON() ([]byte, error) {
	if a.Version == 0 {
		return json.Marshal(a.ID)
	}
	return json.Marshal(pinned{ID: a.ID, Type: "agent", Version: a.Version})
}

// UnmarshalJSON reads either form.
func (a *Agent) UnmarshalJSON(data []byte) error {
	if isString(data) {
		*a = Agent{}
		return json.Unmarshal(data, &a.ID)
	}
	var p pinned
	err := json.Unmarshal(data, &p)
	*a = Agent{ID: p.ID, Version: p.Version}
	return err
}

// isString reports whether data, one JSON value, is a string.
func isString(data []byte) bool { return bytes.HasPrefix(bytes.TrimSpace(data), []byte(`"`)) }
