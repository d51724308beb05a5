package contract

import (
	"encoding/json"

	"github.com/cloud-sessions/sessions/api/sse"
)

// CheckEvent validates an event of a stream: its data, then its name and its id, which repeat parts of the data. It returns
// the first violation, or nil. The caller fills in the violation's Operation and Status.
func (s *Schema) CheckEvent(e sse.Event) *Violation {
	if v := s.Check(e.Data); v != nil {
		return v
	}
	var data struct {
		Type string
		ID   string // of stored events; increments have none
	}
	if err := json.Unmarshal(e.Data, &data); err != nil {
		return &Violation{Rule: "json", Reason: err.Error()} // a schema that is not of an object
	}
	switch {
	case e.Type != data.Type:
		return &Violation{Rule: "event", Reason: "the event name is not the type of the event, " + data.Type}
	case e.ID != data.ID && data.ID == "":
		return &Violation{Rule: "event", Reason: "an event of type " + data.Type + " is not stored and must not have an id line"}
	case e.ID != data.ID:
		return &Violation{Rule: "event", Reason: "the id line of an event of type " + data.Type + " is not its id"}
	}
	return nil
}
