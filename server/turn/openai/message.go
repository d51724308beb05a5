package openai

import (
	"encoding/json"
	"maps"
	"strings"
)

// The roles of messages.
const (
	system    = "system"
	user      = "user"
	assistant = "assistant"
	toolRole  = "tool"
)

// message is one message of a request. The library's types cannot hold the fields that only some endpoints want, nor
// leave out those that others refuse.
type message struct {
	role    string
	content string
	calls   []toolCall
	callID  string // of a tool's result
	extra   object
	form    contentForm
}

// contentForm is how a message without text writes that it has none. Endpoints refuse one form or the other.
type contentForm int

// The forms, in the order in which they are tried. No endpoint is known to accept an empty text and then show it to the
// model as something else, as templates do with null.
const (
	contentEmpty contentForm = iota
	contentOmitted
	contentNull
)

// MarshalJSON implements json.Marshaler.
func (m message) MarshalJSON() ([]byte, error) {
	fields := map[string]any{}
	for name, value := range m.extra {
		fields[name] = value
	}
	fields["role"] = m.role
	switch {
	case m.content != "" || m.form == contentEmpty:
		fields["content"] = m.content
	case m.form == contentNull:
		fields["content"] = nil
	}
	if len(m.calls) > 0 {
		fields["tool_calls"] = m.calls
	}
	if m.callID != "" {
		fields["tool_call_id"] = m.callID
	}
	return json.Marshal(fields)
}

// toolCall is a tool call of an assistant message.
type toolCall struct {
	id, name, arguments string
	memo                memo
}

// MarshalJSON implements json.Marshaler.
func (c toolCall) MarshalJSON() ([]byte, error) {
	function := map[string]any{}
	for name, value := range c.memo.Function {
		function[name] = value
	}
	function["name"], function["arguments"] = c.name, c.arguments
	fields := map[string]any{}
	for name, value := range c.memo.Call {
		fields[name] = value
	}
	fields["id"], fields["type"], fields["function"] = c.id, "function", function
	return json.Marshal(fields)
}

// joinNeighbours makes the messages fit strict templates: those of one role that follow each other become one, and what a
// user says after a tool's result comes after an assistant's word.
func joinNeighbours(messages []message) []message {
	var joined []message
	for _, m := range messages {
		if len(joined) == 0 {
			joined = append(joined, m)
			continue
		}
		last := &joined[len(joined)-1]
		switch {
		case m.role == last.role && m.role == user,
			m.role == last.role && m.role == assistant && len(last.calls) == 0:
			last.content = strings.Trim(last.content+"\n\n"+m.content, "\n")
			last.calls = m.calls
			last.extra = joinExtra(last.extra, m.extra)
		case m.role == user && last.role == toolRole:
			joined = append(joined, message{role: assistant, content: noReply}, m)
		default:
			joined = append(joined, m)
		}
	}
	return joined
}

// joinExtra returns the fields of two messages that become one.
func joinExtra(first, second object) object {
	if len(first) == 0 {
		return second
	}
	sum := maps.Clone(first)
	for name, value := range second {
		if sum[name] != nil {
			value = join(name, []json.RawMessage{sum[name], value})
		}
		sum[name] = value
	}
	return sum
}
