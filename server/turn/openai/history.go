package openai

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/server/turn"
)

// What the model is told where there is nothing else to tell.
const (
	noResult  = "No result: the turn was stopped before the tool was done."
	noOutput  = "(no output)"
	noText    = "(no text)"
	noReply   = "(The turn was stopped before a reply.)"
	goOn      = "Continue."
	wasDenied = "The user did not allow this tool use."
)

// history turns a session's entries into messages.
type history struct {
	origin  string
	profile profile
	results map[string]string // by the use's id
	ids     map[string]string // that the endpoint knows the uses by
	sent    *sent             // what the messages have that an endpoint may refuse
}

// newHistory prepares the messages of a turn's entries.
func newHistory(entries []turn.Entry, origin string, p profile, sent *sent) *history {
	h := &history{origin: origin, profile: p, results: map[string]string{}, ids: map[string]string{}, sent: sent}
	own, denied := map[string]int{}, map[string]string{}
	for _, e := range entries {
		switch {
		case e.IsResult() && denied[e.UseID] == "":
			h.results[e.UseID] = e.Text
			if e.Text == "" {
				h.results[e.UseID] = noOutput
			}
			if e.Failed {
				h.results[e.UseID] = "Error: " + h.results[e.UseID]
			}
		case e.Kind == turn.ToolConfirmation && e.Denied:
			denied[e.UseID] = strings.TrimSpace(wasDenied + " " + e.Text)
			h.results[e.UseID] = denied[e.UseID]
		case e.IsUse():
			own[recall(e, origin).ID]++
		}
	}
	for _, e := range entries {
		if !e.IsUse() {
			continue
		}
		h.ids[e.ID] = shortID(e.ID)
		if id := recall(e, origin).ID; id != "" && own[id] == 1 && !p.derivedIDs {
			h.ids[e.ID] = id
			sent.ownIDs = true
		}
	}
	return h
}

func isInput(e turn.Entry) bool { return e.Kind == turn.UserMessage || e.Kind == turn.DefineOutcome }

// shortID returns an id of nine letters and digits for an event's: the strictest form that an endpoint is known to demand.
// It is the same in every request.
func shortID(eventID string) string {
	sum := sha256.Sum256([]byte(eventID))
	text := new(big.Int).SetBytes(sum[:8]).Text(62)
	return strings.Repeat("0", 9)[:max(0, 9-len(text))] + text[:min(9, len(text))]
}

// turns splits entries where the user says something. What comes before the first such place, because the log was not
// read to its beginning, is left out.
func turns(entries []turn.Entry) (turns [][]turn.Entry) {
	for _, e := range entries {
		switch {
		case isInput(e):
			turns = append(turns, []turn.Entry{e})
		case len(turns) > 0:
			turns[len(turns)-1] = append(turns[len(turns)-1], e)
		}
	}
	return turns
}

// messages returns the messages of one turn. Each assistant message with tool calls is followed at once by a result for
// every call, so results are looked up when that message is complete; where they stand among the entries does not matter.
func (h *history) messages(entries []turn.Entry) []message {
	var (
		done    []message
		current *message
	)
	flush := func() {
		if current != nil {
			done = append(done, h.settle(*current)...)
			current = nil
		}
	}
	for _, e := range entries {
		switch {
		case isInput(e):
			flush()
			text := e.Text
			if strings.TrimSpace(text) == "" {
				text = noText
			}
			done = append(done, message{role: user, content: text})
		case e.Kind == turn.AgentMessage:
			flush()
			if strings.TrimSpace(e.Text) != "" {
				current = &message{role: assistant, content: e.Text, extra: recall(e, h.origin).Message}
			}
		case e.IsUse():
			if current == nil {
				current = &message{role: assistant, form: h.profile.content}
			}
			h.addCall(current, e)
		case e.IsResult():
			flush()
		}
	}
	flush()
	h.keepFields(done)
	return done
}

// addCall adds the call of a use.
func (h *history) addCall(m *message, e turn.Entry) {
	c := toolCall{id: e.ID, name: e.ModelName(), arguments: string(e.Input), memo: recall(e, h.origin)}
	if c.arguments == "" {
		c.arguments = "{}"
	}
	m.extra = joinExtra(m.extra, c.memo.Message)
	m.calls = append(m.calls, c)
}

// settle returns an assistant message and the results of its calls.
func (h *history) settle(m message) []message {
	if len(m.calls) == 0 {
		return []message{m}
	}
	if h.asText(m.calls) {
		return h.told(m)
	}
	h.sent.calls += len(m.calls)
	h.sent.noContent = h.sent.noContent || m.content == ""
	results := make([]message, 0, len(m.calls))
	for i := range m.calls {
		c := &m.calls[i]
		result := h.result(c.id)
		c.id, c.name = h.ids[c.id], wireName(c.name)
		results = append(results, message{role: toolRole, content: result, callID: c.id})
	}
	return append([]message{m}, results...)
}

// asText reports whether calls are told as text, because the endpoint refuses them as calls.
func (h *history) asText(calls []toolCall) bool {
	foreign := slices.ContainsFunc(calls, func(c toolCall) bool { return c.memo.Origin == "" })
	h.sent.foreign = h.sent.foreign || foreign && h.profile.calls == callsNative
	return h.profile.calls == callsNone || h.profile.calls == callsOwn && foreign
}

// told returns an assistant message whose calls, and their results, are text.
func (h *history) told(m message) []message {
	var said, results []string
	if m.content != "" {
		said = append(said, m.content)
	}
	for _, c := range m.calls {
		said = append(said, fmt.Sprintf("[Called the tool %s with %s]", c.name, c.arguments))
		results = append(results, fmt.Sprintf("[Result of the tool %s]\n%s", c.name, h.result(c.id)))
	}
	return []message{
		{role: assistant, content: strings.Join(said, "\n\n"), extra: m.extra},
		{role: user, content: strings.Join(results, "\n\n")},
	}
}

// result returns the text of a use's result.
func (h *history) result(useID string) string {
	if text, ok := h.results[useID]; ok {
		return text
	}
	return noResult
}

// keepFields takes out of a turn's messages the fields that the endpoint refused, and thoughts in plain text when the turn
// used no tool: endpoints ignore those or refuse them, and they are long.
func (h *history) keepFields(messages []message) {
	tools := slices.ContainsFunc(messages, func(m message) bool { return len(m.calls) > 0 })
	for i := range messages {
		kept := object{}
		for name, value := range messages[i].extra {
			if !h.profile.noFields && !h.profile.dropped[name] && (tools || kind(value) != '"') {
				kept[name] = value
				h.sent.fields[name] = true
			}
		}
		messages[i].extra = kept
	}
}
