package contract

import (
	"encoding/json"

	"github.com/cloud-sessions/sessions/api/sse"
)

// CheckFrame validates a server-sent event of a stream by s, the schema of its data, and returns the first violation, or nil:
// the data, then the name, which is the data's type, and the id, which is the data's id. Data without an id is not stored, and
// its event has no id. The caller fills in the violation's Operation and Status.
func (s *Schema) CheckFrame(f sse.Event) *Violation {
	if v := s.Check(f.Data); v != nil {
		return v
	}
	var data struct {
		Type string
		ID   string
	}
	if err := json.Unmarshal(f.Data, &data); err != nil {
		return &Violation{Rule: "event", Reason: err.Error()} // never: the data is valid
	}
	reason := ""
	switch {
	case f.Type != data.Type:
		reason = "the event name is not the type of the event, " + data.Type
	case f.ID != data.ID && data.ID == "":
		reason = "an event of type " + data.Type + " is not stored and must not have an id line"
	case f.ID != data.ID:
		reason = "the id line of an event of type " + data.Type + " is not its id"
	default:
		return nil
	}
	return &Violation{Rule: "event", Reason: reason}
}
