package broker

import (
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/event"
)

// made is the pieces of a draft that were made last. Readers that are equally far share them.
type made struct {
	start    Frame
	startOf  string // the event's id
	piece    Frame
	pieceOf  string // the event's id
	from, to int    // of its text, in bytes
}

// start returns the frame that announces a draft.
func (t *topic) start(id string) (Frame, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.made.startOf == id {
		return t.made.start, nil
	}
	f, err := t.broker.passing(event.Start, startOf(id, types.DeltaTypeAgentMessage))
	if err == nil {
		t.made.start, t.made.startOf = f, id
	}
	return f, err
}

// piece returns the frame of a draft's text from a place on. It does not keep others waiting while it makes one.
func (t *topic) piece(d draft, from int) (Frame, error) {
	if f, ok := t.sharedPiece(d, from); ok {
		return f, nil
	}
	f, err := t.broker.passing(event.Delta, types.EventDelta{
		Type: types.EventDeltaTypeEventDelta, EventID: d.eventID,
		Delta: types.ContentDelta{
			Type:    types.ContentDeltaTypeContentDelta,
			Content: types.TextBlock{Type: types.TextBlockTypeText, Text: string(d.text[from:])},
		},
	})
	if err == nil && len(f.Text) <= windowBytes { // a larger one is not kept
		t.mu.Lock()
		defer t.mu.Unlock()
		t.made.piece, t.made.pieceOf, t.made.from, t.made.to = f, d.eventID, from, len(d.text)
	}
	return f, err
}

// sharedPiece returns what piece has made last, if it is that.
func (t *topic) sharedPiece(d draft, from int) (f Frame, ok bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := &t.made
	return m.piece, m.pieceOf == d.eventID && m.from == from && m.to == len(d.text)
}

func startOf(id string, kind types.DeltaType) types.EventStart {
	return types.EventStart{Type: types.EventStartTypeEventStart, Event: types.StartedEvent{ID: id, Type: kind}}
}
