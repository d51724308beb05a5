package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// The bounds of one response's tool calls: how many, and the bytes of their arguments together.
const (
	maxCalls     = 128
	maxArguments = 4 << 20
)

// call is a tool call of the model, put together from its pieces.
type call struct {
	index     float64 // -1 for none
	id, name  string
	arguments []byte // as unquote returns them
	progress  progress
	// extra and functionExtra are the fields that this package does not know, which the endpoint may want back.
	extra, functionExtra collected
}

// calls are the tool calls of one response, in the order in which they began.
type calls struct {
	list  []*call
	bytes int
	// knows reports whether a text begins the name of a tool.
	knows func(start string) bool
}

// piece is a part of a call, as one chunk has it.
type piece struct {
	index          float64 // -1 for none
	id, name       string
	arguments      []byte
	call, function object
}

// add adds the pieces of one chunk.
func (cs *calls) add(raw json.RawMessage) error {
	pieces := asArray(raw)
	if kind(raw) == '{' {
		pieces = []json.RawMessage{raw}
	}
	var here []*call // the calls that this chunk has had a piece of
	for position, raw := range pieces {
		o := asObject(raw)
		if len(o) == 0 {
			continue
		}
		p := newPiece(o)
		c := cs.find(p, position, len(pieces))
		if p.index < 0 && p.id == "" && p.name != "" && slices.Contains(here, c) {
			c = nil // no chunk has two pieces of one call
		}
		c, err := cs.addPiece(p, c)
		if err != nil {
			return err
		}
		here = append(here, c)
	}
	return nil
}

// newPiece reads a piece of a call.
func newPiece(o object) piece {
	function := asObject(o["function"])
	if function == nil && (o["name"] != nil || o["arguments"] != nil) {
		function = object{"name": o["name"], "arguments": o["arguments"]}
	}
	p := piece{index: -1, id: asText(o["id"]), name: asText(function["name"]), call: object{}, function: object{}}
	if index, ok := asNumber(o["index"]); ok {
		p.index = index
	}
	if n := o["id"]; p.id == "" && kind(n) != '"' && !isNothing(n) {
		p.id = string(n)
	}
	switch arguments := function["arguments"]; kind(arguments) {
	case '"':
		p.arguments = unquote(arguments)
	case 0, 'n':
	default: // an object in place of the text of one
		p.arguments = arguments
	}
	for name, value := range o {
		if !slices.Contains([]string{"index", "id", "type", "function", "name", "arguments"}, name) && !isNothing(value) {
			p.call[name] = value
		}
	}
	for name, value := range function {
		if name != "name" && name != "arguments" && !isNothing(value) {
			p.function[name] = value
		}
	}
	return p
}

// addPiece adds a piece to a call, or to a new one when it is nil, and returns the call.
func (cs *calls) addPiece(p piece, c *call) (*call, error) {
	if c == nil && p.name == "" && len(bytes.TrimSpace(p.arguments)) == 0 && (len(cs.list) > 0 || p.id == "") {
		return nil, nil // it says nothing
	}
	if c == nil {
		if len(cs.list) == maxCalls {
			return nil, permanent("The model made more than %d tool calls in one reply.", maxCalls)
		}
		c = &call{index: p.index}
		cs.list = append(cs.list, c)
	}
	if c.id == "" {
		c.id = p.id
	}
	if p.name != "" && p.name != c.name {
		c.name += p.name
	}
	if cs.bytes += len(p.arguments); cs.bytes > maxArguments {
		return nil, permanent("The model sent more than %d bytes of tool arguments in one reply.", maxArguments)
	}
	c.append(p.arguments)
	for name, value := range p.call {
		c.extra.add(name, value)
		cs.bytes += len(value)
	}
	for name, value := range p.function {
		c.functionExtra.add(name, value)
		cs.bytes += len(value)
	}
	return c, nil
}

// append adds arguments. An empty object that more follows was a placeholder; the arguments once more are a repetition.
func (c *call) append(arguments []byte) {
	if len(bytes.TrimSpace(arguments)) == 0 {
		if len(c.arguments) > 0 {
			c.arguments = append(c.arguments, arguments...)
		}
		return
	}
	if c.progress.complete {
		switch {
		case string(bytes.TrimSpace(c.arguments)) == "{}":
			c.arguments, c.progress = nil, progress{}
		case bytes.Equal(bytes.TrimSpace(c.arguments), bytes.TrimSpace(arguments)):
			return
		}
	}
	c.arguments = append(c.arguments, arguments...)
	c.progress.add(arguments)
}

// find returns the call that a piece goes on with, nil when it begins one. Endpoints agree on little: they number calls
// by index or leave it out, give all the index 0, count it up with every piece, repeat id and name in each piece, or
// make up a new id for each. What all of them have in common is that a call's pieces follow each other, and that its
// arguments are a JSON object, so that a call is known to be complete.
func (cs *calls) find(p piece, position, pieces int) *call {
	if len(cs.list) == 0 {
		return nil
	}
	last := cs.list[len(cs.list)-1]
	c := cs.numbered(p, position, pieces)
	switch {
	case c == nil && p.id != "":
		c = cs.identified(p.id)
		if c != nil && p.index >= 0 && p.name != "" && (c.progress.complete || len(c.arguments) == 0) {
			return nil // all calls have the same id, but each an index of its own
		}
		if c == nil && p.name == "" && !last.progress.complete {
			c = last // an id that was made up for the piece
		}
	case c == nil && p.name == "":
		c = last
	}
	if c == nil || p.name == "" {
		return c
	}
	return cs.named(c, p)
}

// named decides whether a piece that has a name, and seems to go on with c, begins a call of its own.
func (cs *calls) named(c *call, p piece) *call {
	otherID := p.id != "" && c.id != "" && p.id != c.id
	blank := len(bytes.TrimSpace(p.arguments)) == 0
	switch {
	case c.name == "":
		return c
	case p.name != c.name && !otherID && len(c.arguments) == 0 && cs.knows(c.name+p.name):
		return c // the rest of the name
	case p.name != c.name:
		return nil
	case otherID && (c.progress.complete || len(c.arguments) == 0):
		return nil
	case c.progress.complete && !blank && !bytes.Equal(bytes.TrimSpace(c.arguments), bytes.TrimSpace(p.arguments)):
		return nil
	case c.progress.complete && !blank && p.id == "" && p.index < 0:
		return nil // the same call twice, without anything that would make the second one a repetition
	}
	return c
}

// numbered returns the last call with the piece's index. Without index, id and name, pieces that arrive together are
// numbered by their position.
func (cs *calls) numbered(p piece, position, pieces int) *call {
	if p.index < 0 && p.id == "" && p.name == "" && pieces > 1 && position < len(cs.list) {
		return cs.list[position]
	}
	if p.index < 0 {
		if p.id == "" && p.name != "" && len(cs.list) > 0 {
			return cs.list[len(cs.list)-1]
		}
		return nil
	}
	for _, c := range slices.Backward(cs.list) {
		if c.index == p.index {
			return c
		}
	}
	return nil
}

// identified returns the last call with that id.
func (cs *calls) identified(id string) *call {
	for _, c := range slices.Backward(cs.list) {
		if c.id == id {
			return c
		}
	}
	return nil
}

// input returns the arguments; models leave them out for tools that need none.
func (c *call) input() json.RawMessage {
	joined, _ := joinUTF8(c.arguments)
	text := strings.TrimSpace(joined)
	if text == "" {
		return json.RawMessage("{}")
	}
	if inner := strings.TrimSpace(asText(json.RawMessage(text))); json.Valid([]byte(text)) && strings.HasPrefix(inner, "{") {
		text = inner // the text of a text of an object
	}
	return json.RawMessage(text)
}

// progress follows a JSON object while it arrives, byte by byte.
type progress struct {
	depth            int
	inText, escaping bool
	complete         bool // the object was closed
}

// add takes notice of the next bytes.
func (p *progress) add(data []byte) {
	for _, b := range data {
		switch {
		case p.escaping:
			p.escaping = false
		case p.inText:
			p.escaping = b == '\\'
			p.inText = b != '"'
		case b == '"':
			p.inText = true
		case b == '{' || b == '[':
			p.depth++
		case b == '}' || b == ']':
			p.depth--
			p.complete = p.depth == 0
		}
	}
}

// settle gives the call the name that a tool has, where the model or its parser wrote more: a namespace before it, or a
// mark of the model's format after it.
func (c *call) settle(names map[string]string) {
	name, _, _ := strings.Cut(c.name, "<|")
	name = strings.TrimSpace(name)
	for _, name := range []string{name, name[strings.LastIndexAny(name, ".:/")+1:]} {
		if _, known := names[c.name]; !known && names[name] != "" {
			c.name = name
		}
	}
}

// check returns an error unless the call is one of a known tool, with arguments that an event can hold.
func (c *call) check(names map[string]string) error {
	if _, known := names[c.name]; !known {
		return permanent("The model called the tool %q, which the agent does not have.", clip(c.name, 128))
	}
	problem := inputProblem(c.input())
	if _, valid := joinUTF8(c.arguments); !valid {
		problem = "are not valid UTF-8"
	}
	if problem != "" {
		return permanent("The model called the tool %q with arguments that %s.", c.name, problem)
	}
	return nil
}
