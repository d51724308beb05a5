package turn

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/cloud-sessions/sessions/api/yamlfile"
)

// Script is what an agent says and does, written down in YAML for tests that need a certain reply. It
// does not change once parsed and is safe for concurrent use; Runner returns the Runner that plays it.
//
//	rules:
//	  - match: {contains: weather}      # or text: the whole message; or regexp: RE2, anywhere in it
//	    model: gpt-*                    # optional: a model, or the start of one and a *
//	    agent: agent_01                 # optional: an agent's id or name
//	    steps:
//	      - think
//	      - say: [Let me, " look."]     # one message, in pieces; or one text
//	        every: 50ms                 # optional: the time between pieces
//	      - wait: 200ms
//	      - custom_tool: {name: get_weather, input: {city: Oslo}}
//	      - say: "You asked: {{text}}. The tool says: {{result}}"
//	      - usage: {input_tokens: 12, output_tokens: 7, credits: 0.25}
//
// The first rule that fits the message that began the turn wins; one without match fits every message.
// A turn that no rule fits fails. Every say is one message. In it, {{text}} is the user's message and
// {{result}} the latest tool result or the text of the latest denial, "" before there is one. The steps
// are:
//
//   - think
//   - say, and every with a list of pieces
//   - wait: how long
//   - use: {tool, mcp_server, input, denied}: a tool that the turn has, as a model uses it: of the agent's, of the server's,
//     or with mcp_server of an MCP server's. It runs, or the turn stops for its result or a confirmation, and it continues
//     as after the two steps below. A turn that has no such tool fails.
//   - tool: {name, input, result, failed, ask, denied}: a built-in tool and its result. With ask: true the
//     turn stops for a confirmation first. After a denial it continues with the steps under denied and
//     ends with them; without denied, with the next step.
//   - custom_tool: {name, input}: the turn stops for the caller's result and continues with the next step
//   - usage: {input_tokens, output_tokens, cache_read_input_tokens, cache_creation:
//     {ephemeral_5m_input_tokens, ephemeral_1h_input_tokens}, credits}: adds to what the turn has used
//   - fail: message: the turn ends with this error
//   - panic: message: the runner panics with a ScriptPanic
//   - stop: end_turn or max_tokens
//
// A turn ends after the last step. Where it stands after an action follows from the uses in its entries:
// a script that changes while a turn waits may make that turn fail. Durations are written as in Go, 0s to
// 1h. A text keeps its spelling: 1.10 and yes need no quotes. Anchors, aliases and tags are refused, as are
// unknown keys and steps or rules that nothing reaches.
type Script struct {
	name  string
	rules ruleList
}

// LoadScript reads and parses the script at path. An error in its content is a *ScriptError that names
// the file by its base name.
func LoadScript(path string) (*Script, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("script: %w", err)
	}
	return ParseScript(filepath.Base(path), data)
}

// ParseScript parses a script; name is what errors and failing turns call it. Every error is a
// *ScriptError.
func ParseScript(name string, data []byte) (*Script, error) {
	var rules ruleList
	if err := yamlfile.Parse(name, "script", data, &rules); err != nil {
		return nil, err
	}
	return &Script{name: name, rules: rules}, nil
}

// Runner returns a Runner that plays the script; a nil clock is WallClock.
func (s *Script) Runner(clock Clock) Runner {
	if clock == nil {
		clock = WallClock{}
	}
	return &scripted{script: s, clock: clock}
}

// ScriptError reports what is wrong in a script, and where: its fields are File, the name that ParseScript was given,
// Line and Column, from 1, or 0 where unknown, and Message, one sentence without the place.
type ScriptError = yamlfile.Error

// ScriptPanic is what a script's panic step panics with: the step's message.
type ScriptPanic string
