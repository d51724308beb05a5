package openai

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/server/turn"
)

// memo is what an endpoint wants to have back with its own message or tool call: what the model thought before it called
// a tool, signatures of thoughts, the id that it gave a call. Nobody else sees it, and no other endpoint or model.
type memo struct {
	// Origin is the endpoint and model that the rest came from.
	Origin string `json:"origin"`
	// Message has fields of the message: that of a response's text or, without text, its first call.
	Message object `json:"message,omitempty"`
	// ID is the call's id; Call and Function are fields of the call and of its function.
	ID       string `json:"id,omitempty"`
	Call     object `json:"call,omitempty"`
	Function object `json:"function,omitempty"`
}

// encode returns the memo; nil when there is nothing in it, or too much. What is cut would be refused by the endpoint, so
// all of the message's fields go, or all of the memo.
func (m memo) encode() json.RawMessage {
	for _, m := range []memo{m, {Origin: m.Origin, ID: m.ID, Call: m.Call, Function: m.Function}} {
		if len(m.Message)+len(m.Call)+len(m.Function) == 0 && m.ID == "" {
			return nil
		}
		encoded, err := json.Marshal(m)
		if encoded = bytes.ToValidUTF8(encoded, []byte("\uFFFD")); err == nil && len(encoded) <= turn.MaxMemo {
			return encoded
		}
	}
	return nil
}

// recall returns an entry's memo if it came from that origin, or else an empty one.
func recall(e turn.Entry, origin string) memo {
	var m memo
	if len(e.Memo) == 0 || json.Unmarshal(e.Memo, &m) != nil || m.Origin != origin {
		return memo{}
	}
	return m
}

// isReturned reports whether a field of a message is one that endpoints want back: all that tell of thoughts, under the
// names that are in use, and what gateways pass through.
func isReturned(name string) bool {
	if name == "extra_content" || name == "provider_specific_fields" {
		return true
	}
	return slices.ContainsFunc([]string{"reason", "think", "thought", "signature"}, func(part string) bool {
		return strings.Contains(name, part)
	})
}

// collected are fields that arrive in pieces.
type collected struct {
	pieces map[string][]json.RawMessage
	bytes  int
}

// maxCollected bounds the bytes of the pieces of a message's fields, which shrink when they are joined.
const maxCollected = 4 * turn.MaxMemo

// add adds the pieces that one chunk has.
func (c *collected) add(name string, value json.RawMessage) {
	if isNothing(value) {
		return
	}
	if c.bytes += len(value); c.bytes > maxCollected {
		c.pieces = nil
		return
	}
	if c.pieces == nil {
		c.pieces = map[string][]json.RawMessage{}
	}
	c.pieces[name] = append(c.pieces[name], value)
}

// fields returns the fields; none when they are too many bytes, since a part of them is of no use to the endpoint.
func (c *collected) fields() object {
	if c.bytes > maxCollected {
		return nil
	}
	return joinFields(c.pieces)
}

func joinFields(pieces map[string][]json.RawMessage) object {
	fields := object{}
	for name, values := range pieces {
		fields[name] = join(name, values)
	}
	return fields
}

// join returns what the pieces of a field make together: texts and lists grow, objects are joined field by field, of all
// else the last piece counts.
func join(name string, pieces []json.RawMessage) json.RawMessage {
	last := pieces[len(pieces)-1]
	pieces = slices.DeleteFunc(slices.Clone(pieces), func(piece json.RawMessage) bool { return kind(piece) != kind(last) })
	var joined any
	switch kind(last) {
	case '"':
		if !grows(name) {
			return last
		}
		var text []byte
		for _, piece := range pieces {
			text = append(text, unquote(piece)...)
		}
		joined = toUTF8(text)
	case '{':
		byName := map[string][]json.RawMessage{}
		for _, piece := range pieces {
			for name, value := range asObject(piece) {
				if !isNothing(value) || byName[name] == nil {
					byName[name] = append(byName[name], value)
				}
			}
		}
		joined = joinFields(byName)
	case '[':
		joined = joinLists(name, pieces)
	default:
		return last
	}
	encoded, err := json.Marshal(joined)
	if err != nil {
		return last
	}
	return encoded
}

// joinLists returns the elements of all lists. Those that follow each other with the same index and type are pieces of
// one, until it is signed.
func joinLists(name string, lists []json.RawMessage) []json.RawMessage {
	var joined, group []json.RawMessage
	var open object // the last element of the group; nil when nothing can go on with it
	flush := func() {
		if len(group) > 0 {
			joined = append(joined, join(name, group))
		}
		group = nil
	}
	for _, list := range lists {
		for _, element := range asArray(list) {
			next := asObject(element)
			if open == nil || next == nil || !isNothing(open["signature"]) ||
				string(open["index"]) != string(next["index"]) || string(open["type"]) != string(next["type"]) {
				flush()
			}
			group, open = append(group, element), next
		}
	}
	flush()
	return joined
}

// grows reports whether the pieces of a text of that name are parts of one text. Others, such as ids, types and
// signatures, are sent at once or repeated.
func grows(name string) bool {
	return name == "text" || name == "summary" || isReturned(name) && !strings.Contains(name, "signature")
}
