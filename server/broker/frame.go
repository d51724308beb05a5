package broker

import (
	"bytes"

	"github.com/cloud-sessions/sessions/server/event"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/store"
)

// Frame is one server-sent event. The readers of a session share its bytes, which must not be changed.
type Frame struct {
	// ID is the event's id, the cursor to resume from; "" for a frame that is not stored.
	ID string
	// Type is the event's type.
	Type string
	// Text is the complete event as it is sent, with the empty line at its end.
	Text []byte
	// Data is the line of JSON in Text.
	Data []byte

	position int64 // in the log
}

// logged returns the frame of an event of the log.
func (b *Broker) logged(e store.Event) (Frame, error) {
	text := appendHead(make([]byte, 0, len(e.Payload)+roomBeside), e.ID, e.Type)
	at := len(text)
	text = event.AppendWire(text, e)
	err := b.opts.Check(text[at:])
	f := finished(text, at)
	f.ID, f.Type, f.position = e.ID, e.Type, e.Position
	return f, err
}

// passing returns a frame that is not stored.
func (b *Broker) passing(kind string, v any) (Frame, error) {
	data, err := plainjson.Marshal(v)
	if err == nil {
		err = b.opts.Check(data)
	}
	text := appendHead(make([]byte, 0, len(data)+len(kind)+roomBeside/8), "", kind)
	at := len(text)
	f := finished(append(text, data...), at)
	f.Type = kind
	return f, err
}

// roomBeside is about what a frame takes beside an event's payload, in bytes.
const roomBeside = 512

// appendHead appends the lines of a frame that come before its data.
func appendHead(text []byte, id, kind string) []byte {
	if id != "" {
		text = append(append(append(text, "id: "...), id...), '\n')
	}
	text = append(append(append(text, "event: "...), kind...), '\n')
	return append(text, "data: "...)
}

// finished returns the frame with that text, which ends with the data that begin at a place.
func finished(text []byte, at int) Frame {
	text = inOneLine(text, at)
	end := len(text)
	return Frame{Text: append(text, "\n\n"...), Data: text[at:end:end]}
}

// lineBreaks are the characters that end a line for Unicode but not for server-sent events, with their JSON escapes.
// Clients that split lines by Unicode's rules, as Python's splitlines does, would cut a frame there.
var lineBreaks = [...]struct{ char, escape string }{
	{"\u0085", `\u0085`}, {"\u2028", `\u2028`}, {"\u2029", `\u2029`},
}

// inOneLine escapes what ends a line in the JSON that begins at a place of text. In JSON such characters occur in strings
// only.
func inOneLine(text []byte, at int) []byte {
	for _, b := range lineBreaks {
		if data := text[at:]; bytes.Contains(data, []byte(b.char)) {
			text = append(text[:at:at], bytes.ReplaceAll(data, []byte(b.char), []byte(b.escape))...)
		}
	}
	return text
}
