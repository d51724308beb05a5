package openai_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/openai"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// strict is an endpoint that refuses requests which one of its rules names.
type strict struct {
	status int
	body   string // of the refusal
	// refuses reports whether it refuses a request.
	refuses func(r received) bool
	// call is the tool call of its replies: a delta, or several.
	call []string
}

// messages returns the request's messages.
func (r received) messages() (messages []map[string]any) {
	list, _ := r.body["messages"].([]any)
	for _, m := range list {
		message, _ := m.(map[string]any)
		messages = append(messages, message)
	}
	return messages
}

// anyMessage reports whether a request has a message that is such.
func anyMessage(is func(m map[string]any) bool) func(received) bool {
	return func(r received) bool {
		for _, m := range r.messages() {
			if is(m) {
				return true
			}
		}
		return false
	}
}

// anyCall reports whether a request has a tool call that is such.
func anyCall(is func(call map[string]any) bool) func(received) bool {
	return anyMessage(func(m map[string]any) bool {
		calls, _ := m["tool_calls"].([]any)
		for _, c := range calls {
			if call, _ := c.(map[string]any); is(call) {
				return true
			}
		}
		return false
	})
}

// alternates reports whether the roles follow each other as strict templates demand.
func alternates(r received) bool {
	after := map[string]string{"system": "|", "user": "|system assistant", "assistant": "user tool", "tool": "assistant tool"}
	last := "|"
	for _, m := range r.messages() {
		role, _ := m["role"].(string)
		if role == "tool" && last == "tool" {
			continue
		}
		if !strings.Contains(after[role], last) {
			return false
		}
		last = role
	}
	return last == "user" || last == "tool"
}

// anySchema reports whether a request has a tool whose parameters are such, or are missing.
func anySchema(is func(parameters map[string]any, there bool) bool) func(received) bool {
	return func(r received) bool {
		tools, _ := r.body["tools"].([]any)
		for _, t := range tools {
			function, _ := t.(map[string]any)["function"].(map[string]any)
			parameters, there := function["parameters"].(map[string]any)
			if is(parameters, there) {
				return true
			}
		}
		return false
	}
}

func refusal(message string) string {
	return fmt.Sprintf(`{"error":{"message":%q,"type":"invalid_request_error"}}`, message)
}

// TestStrictEndpoints plays a session of several turns on endpoints that each demand something of their own: the session
// comes from another endpoint, a tool is used, the endpoint fails once, the model says nothing, a call has no result. Every
// later turn must succeed, and the endpoint must not refuse the same form twice.
func TestStrictEndpoints(t *testing.T) {
	t.Parallel()
	nine := regexp.MustCompile(`^[a-zA-Z0-9]{9}$`)
	signed := `{"tool_calls":[{"index":0,"id":"function-call-1","type":"function","function":{"name":"get_weather","arguments":"{}"},"extra_content":{"google":{"thought_signature":"c2ln"}}}]}`
	thinks := `{"reasoning_content":"I need the weather.","tool_calls":[{"index":0,"id":"call_00","type":"function","function":{"name":"get_weather","arguments":"{}"}}]}`
	plain := `{"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]}`
	for name, c := range map[string]strict{
		"nothing": {call: []string{plain}, refuses: func(received) bool { return false }},
		"ids of nine characters": {status: 400, body: refusal("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9."), call: []string{plain},
			refuses: anyCall(func(call map[string]any) bool { return !nine.MatchString(fmt.Sprint(call["id"])) })},
		"reasoning returned": {status: 400, body: refusal("The reasoning_content in the thinking mode must be passed back to the API."), call: []string{thinks},
			refuses: anyMessage(func(m map[string]any) bool { return m["tool_calls"] != nil && m["reasoning_content"] == nil })},
		"reasoning refused": {status: 400, body: `{"error":{"message":"'messages.2' : for 'role:assistant' the following must be satisfied[('messages.2' : property 'reasoning_content' is unsupported)]"}}`, call: []string{thinks},
			refuses: anyMessage(func(m map[string]any) bool { return m["reasoning_content"] != nil })},
		"signature returned": {status: 400, body: `[{"error":{"code":400,"message":"Function call is missing a thought_signature in functionCall parts.","status":"INVALID_ARGUMENT"}}]`, call: []string{signed},
			refuses: anyCall(func(call map[string]any) bool { return call["extra_content"] == nil })},
		"own id returned": {status: 400, body: refusal("unknown tool_call_id"), call: []string{plain},
			refuses: anyCall(func(call map[string]any) bool { return !strings.HasPrefix(fmt.Sprint(call["id"]), "call_1") })},
		"content present": {status: 422, body: "Failed to deserialize the JSON body into the target type: messages[2]: missing field `content` at line 1 column 354", call: []string{plain},
			refuses: anyMessage(func(m map[string]any) bool { _, there := m["content"]; return !there })},
		"content not null": {status: 400, body: `{"error":{"message":"invalid message content type: <nil>"}}`, call: []string{plain},
			refuses: anyMessage(func(m map[string]any) bool { content, there := m["content"]; return there && content == nil })},
		"content not empty": {status: 400, body: refusal("messages: text content blocks must be non-empty"), call: []string{plain},
			refuses: anyMessage(func(m map[string]any) bool { return m["content"] == "" })},
		"content null or text": {status: 400, body: refusal("messages.2.content: either a text or null is required"), call: []string{plain},
			refuses: anyMessage(func(m map[string]any) bool { content, there := m["content"]; return !there || content == "" })},
		"roles alternate": {status: 400, body: `{"object":"error","message":"Conversation roles must alternate user/assistant/user/assistant/...","type":"BadRequestError","code":400}`, call: []string{plain},
			refuses: func(r received) bool { return !alternates(r) }},
		"no system": {status: 500, body: `{"error":{"code":500,"message":"System role not supported","type":"server_error"}}`, call: []string{plain},
			refuses: anyMessage(func(m map[string]any) bool { return m["role"] == "system" })},
		"no stream options": {status: 422, body: `{"object":"error","message":{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not permitted"}]}}`, call: []string{plain},
			refuses: func(r received) bool { return r.body["stream_options"] != nil }},
		"no stream": {status: 400, body: refusal("Your organization must be verified to stream this model."), call: []string{plain},
			refuses: func(r received) bool { return r.body["stream"] == true }},
		"schemas with properties": {status: 400, body: refusal("Invalid schema for function 'get_weather': In context=(), object schema missing properties."), call: []string{plain},
			refuses: anySchema(func(p map[string]any, _ bool) bool { return p["type"] != "object" || p["properties"] == nil })},
		"no empty schemas": {status: 400, body: refusal("GenerateContentRequest.tools[0].function_declarations[0].parameters.properties: should be non-empty for OBJECT type"), call: []string{plain},
			refuses: anySchema(func(p map[string]any, there bool) bool {
				properties, _ := p["properties"].(map[string]any)
				return there && len(properties) == 0
			})},
		"no unknown keywords": {status: 400, body: refusal(`Invalid JSON payload received. Unknown name "$schema" at 'tools[0].function_declarations[0].parameters': Cannot find field. Unknown name "additionalProperties" at 'tools[0]'.`), call: []string{plain},
			refuses: anySchema(func(p map[string]any, _ bool) bool { return p["$schema"] != nil || p["additionalProperties"] != nil })},
		"no calls in the past": {status: 400, body: refusal("litellm.UnsupportedParamsError: Anthropic expects the `tools=` param to be passed if tool calls are in history"), call: []string{plain},
			refuses: func(r received) bool {
				return anyMessage(func(m map[string]any) bool { return m["tool_calls"] != nil || m["role"] == "tool" })(r)
			}},
		"a small window": {status: 400, body: refusal("This model's maximum context length is 512 tokens. Please reduce the length of the messages."), call: []string{plain},
			refuses: func(r received) bool { return len(encode(r.body["messages"])) > 900 }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			newSession(t, c).play()
		})
	}
}

func encode(v any) []byte {
	encoded, _ := json.Marshal(v)
	return encoded
}

// session is a session on a strict endpoint.
type session struct {
	t       *testing.T
	c       strict
	e       *endpoint
	runner  turn.Runner
	history []turn.Entry
	refused map[string]int // by the message that began the turn
	fails   bool           // the endpoint fails
	silent  bool           // the model says nothing
}

func newSession(t *testing.T, c strict) *session {
	s := &session{t: t, c: c, refused: map[string]int{}}
	s.e = newEndpoint(t, s.respond)
	s.runner = s.e.runner(t, func(o *openai.Options) { o.BaseURL = s.e.URL + "/v1" })
	return s
}

// respond is the endpoint: it calls the tool when the user says weather, and repeats the message otherwise.
func (s *session) respond(n int, w http.ResponseWriter, r received) {
	text, resulted := r.lastUser()
	switch {
	case s.fails:
		refuse(w, http.StatusInternalServerError, refusal("boom"))
	case s.c.refuses(r):
		s.refused[text]++
		refuse(w, s.c.status, s.c.body)
	case s.silent:
		stream(w, finished("stop"), "[DONE]")
	case strings.HasSuffix(text, "weather?") && !resulted:
		var events []string
		for _, d := range s.c.call {
			events = append(events, delta(strings.Replace(d, `"call_1"`, fmt.Sprintf(`"call_1%d"`, n), 1)))
		}
		s.send(w, r, append(events, finished("tool_calls"), "[DONE]"))
	default:
		s.send(w, r, []string{said("You said: " + text), finished("stop"), "[DONE]"})
	}
}

// send sends a response, in one piece where no stream was requested.
func (s *session) send(w http.ResponseWriter, r received, events []string) {
	if r.body["stream"] == true {
		stream(w, events...)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprint(w, strings.ReplaceAll(strings.Join(events[:len(events)-1], "\n"), `"delta":`, `"message":`))
}

// say plays a turn and adds it to the history. It returns the agent's messages.
func (s *session) say(text string, settle turntest.Settle) ([]string, error) {
	in := turntest.Input(text)
	in.Agent.Tools = json.RawMessage(`[
		{"type":"custom","name":"get_weather","input_schema":{"$schema":"x","type":"object","additionalProperties":false,
			"properties":{"city":{"type":"string"},"default":{"type":"array"}}}},
		{"type":"custom","name":"bare","input_schema":{}}]`)
	in.History = turn.InMemory(s.history)
	n := len(s.history)
	in.Entries[0].ID = fmt.Sprintf("evt_user_%d", n)
	var rec turntest.Recorder
	_, err := turntest.Play(s.t.Context(), s.runner, in, &rec, settle)
	s.history = append(s.history, in.Entries[0])
	for _, e := range rec.Entries() {
		if e.ID != "" {
			e.ID = fmt.Sprintf("%s_%d", e.ID, n)
		}
		s.history = append(s.history, e)
		if e.Kind == turn.CustomToolUse && !strings.HasSuffix(text, "lost weather?") {
			s.history = append(s.history, turn.Entry{Kind: turn.CustomToolResult, UseID: e.ID, Text: "sunny"})
		}
	}
	return rec.Messages(), err
}

// mustSay plays a turn that must succeed.
func (s *session) mustSay(text string) {
	s.t.Helper()
	messages, err := s.say(text, turntest.Allow)
	if err != nil || len(messages) == 0 || !strings.Contains(messages[len(messages)-1], text) && !strings.Contains(messages[len(messages)-1], "weather") {
		s.t.Errorf("%s: messages %q, error %v", text, messages, err)
	}
}

// play plays the session.
func (s *session) play() {
	s.history = []turn.Entry{ // of another endpoint
		{Kind: turn.UserMessage, ID: "evt_0", Text: "before"},
		{Kind: turn.CustomToolUse, ID: "evt_foreign", Name: "get_weather", Input: json.RawMessage(`{}`), Memo: json.RawMessage(`{"origin":"elsewhere","id":"call_foreign"}`)},
		{Kind: turn.CustomToolResult, UseID: "evt_foreign", Text: "rain"},
		{Kind: turn.AgentMessage, ID: "evt_2", Text: "It rains."},
	}
	s.mustSay("hello")
	s.mustSay("the weather?")
	s.mustSay("thanks")
	s.fails = true
	if _, err := s.say("fail", turntest.Allow); err == nil {
		s.t.Error("the endpoint's failure is not one of the turn")
	}
	s.fails = false
	s.mustSay("again")
	s.silent = true
	if _, err := s.say("silence", turntest.Allow); err == nil {
		s.t.Error("silence is not an error")
	}
	s.silent = false
	s.mustSay("the weather?")
	s.mustSay("the lost weather?")
	s.mustSay("bye")
	s.mustSay("really")
	if n := s.refused["bye"] + s.refused["really"]; n > 0 && !strings.Contains(s.c.body, "context") {
		s.t.Errorf("%d refusals at the end, want none", n)
	}
}
