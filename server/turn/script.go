package turn

import (
	"encoding/json"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/server/internal/strictyaml"
)

// Script is what an agent says and does, written down in YAML for tests that need a certain answer. It
// does not change once parsed and is safe for concurrent use; Runner makes it answer turns.
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
//   - tool: {name, input, result, failed, ask, denied}: a built-in tool and its result. With ask: true the
//     turn stops for a confirmation first. After a denial it goes on with the steps under denied and ends
//     with them; without denied, with the next step.
//   - custom_tool: {name, input}: the turn stops for the caller's result and goes on with the next step
//   - usage: {input_tokens, output_tokens, cache_read_input_tokens, cache_creation:
//     {ephemeral_5m_input_tokens, ephemeral_1h_input_tokens}, credits}: adds to what the turn has used
//   - fail: message: the turn ends with this error
//   - panic: message: the runner panics with a ScriptPanic
//   - stop: end_turn or max_tokens
//
// A turn ends after the last step. Where it stands after an action follows from the uses in its entries:
// a script that changes while a turn waits may make that turn fail. Durations are written as in Go, 0s to
// 1h. Anchors, aliases and tags are refused, as are unknown keys and steps or rules that nothing reaches.
type Script struct {
	name  string
	rules []rule
}

// LoadScript reads and parses the script at path. An error of the script is a *ScriptError that names
// the file by its base name.
func LoadScript(path string) (*Script, error) {
	rules, err := strictyaml.Load(path, "script", parseRules)
	if err != nil {
		return nil, err
	}
	return &Script{name: filepath.Base(path), rules: rules}, nil
}

// Runner returns a Runner that plays the script; a nil clock is WallClock.
func (s *Script) Runner(clock Clock) Runner {
	if clock == nil {
		clock = WallClock{}
	}
	return &scripted{script: s, clock: clock}
}

// ScriptError says what is wrong in a script, and where: its fields are File, the name that ParseScript was given,
// Line and Column, from 1, or 0 where unknown, and Message, one sentence without the place.
type ScriptError = strictyaml.Error

// ScriptPanic is what a script's panic step panics with: the step's message.
type ScriptPanic string

// rule is one of a script's answers, and when it is given.
type rule struct {
	line         int
	matches      func(message string) bool // nil: always
	model, agent string                    // "": any
	steps        []step
}

func (r rule) fits(in Input) bool {
	return (r.model == "" || fits(r.model, in.Agent.Model)) &&
		(r.agent == "" || r.agent == in.Agent.ID || r.agent == in.Agent.Name) &&
		(r.matches == nil || r.matches(in.Message()))
}

// step is one of thinkStep, sayStep and so on.
type step any

type (
	thinkStep struct{}
	sayStep   struct {
		pieces []string
		every  time.Duration
	}
	waitStep struct{ wait time.Duration }
	toolStep struct {
		name   string
		input  json.RawMessage
		result string
		failed bool
		ask    bool
		denied []step // nil: go on with the next step; empty: end
	}
	customToolStep struct {
		name  string
		input json.RawMessage
	}
	usageStep struct{ usage Usage }
	failStep  struct{ message string }
	panicStep struct{ message string }
	stopStep  struct{ outcome Outcome }
)

// ends reports whether nothing after s is reached.
func ends(s step) bool {
	switch s.(type) {
	case failStep, panicStep, stopStep:
		return true
	}
	return false
}

// uses reports whether e is the use of a tool.
func uses(e Entry) bool { return e.Kind == ToolUse || e.Kind == CustomToolUse }

// find returns the newest entry of that kind that belongs to the use.
func find(entries []Entry, kind EntryKind, use string) (Entry, bool) {
	for _, e := range slices.Backward(entries) {
		if e.Kind == kind && e.UseID == use {
			return e, true
		}
	}
	return Entry{}, false
}

// placeholders returns a function that fills in a say text.
func placeholders(text, result string) func(string) string {
	return strings.NewReplacer("{{text}}", text, "{{result}}", result).Replace
}

// badPlaceholder returns the first placeholder of a say text that placeholders does not know, or "".
func badPlaceholder(text string) string {
	for _, found := range regexp.MustCompile(`\{\{[^{}]*\}\}`).FindAllString(text, -1) {
		if found != "{{text}}" && found != "{{result}}" {
			return found
		}
	}
	return ""
}
