package turn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// TestParseScriptErrors gives the steps of a rule that begins at line 2, or a whole script.
func TestParseScriptErrors(t *testing.T) {
	t.Parallel()
	step := func(s string) string { return "rules:\n- steps:\n  - " + s }
	for name, c := range map[string]struct{ script, want string }{
		"empty":               {"", "f.yaml: the script is empty"},
		"only a comment":      {"# nothing", "f.yaml: the script is empty"},
		"null":                {"null", "f.yaml:1:1: the script must be a mapping, not nothing"},
		"a list":              {"- steps: []", "f.yaml:1:1: the script must be a mapping, not a list"},
		"not YAML":            {"rules:\n  - a: b: c", "f.yaml:2: not valid YAML: mapping values are not allowed in this context"},
		"tab":                 {"rules:\n\t- steps: []", "f.yaml:2: not valid YAML: found character that cannot start any token"},
		"not UTF-8":           {"rules: \xff", "f.yaml: not valid YAML: "},
		"two documents":       {"rules: [{steps: []}]\n---\nrules: []", "f.yaml:2:1: the script must be only one document; a second one begins here"},
		"broken second":       {"rules: [{steps: []}]\n---\n[", "f.yaml:3: not valid YAML: "},
		"unknown key":         {"rule: []", `f.yaml:1:1: the script has no key "rule"; its keys are: rules`},
		"no rules key":        {"{}", `f.yaml:1:1: the script needs the key "rules"`},
		"no rules":            {"rules: []", "f.yaml:1:1: the script needs at least one rule"},
		"rules a text":        {"rules: x", `f.yaml:1:8: rules must be a list, not "x"`},
		"rule a text":         {"rules: [x]", `f.yaml:1:9: a rule must be a mapping, not "x"`},
		"rule key":            {"rules:\n- stepps: []", `f.yaml:2:3: a rule has no key "stepps"; its keys are: match, model, agent, steps`},
		"no steps":            {"rules:\n- match: {text: a}", `f.yaml:2:3: a rule needs the key "steps"`},
		"rule not reached":    {"rules:\n- steps: []\n- steps: []", "f.yaml:3:3: no message reaches this rule: the one at line 2 fits every message"},
		"key twice":           {"rules: []\nrules: []", `f.yaml:2:1: the key "rules" is already defined at line 1`},
		"key a number":        {"1: a", "f.yaml:1:1: a key must be a text, not the number 1"},
		"key a list":          {"? [a]\n: b", "f.yaml:1:3: a key must be a text, not a list"},
		"merge":               {"rules: [{<<: {steps: []}}]", "f.yaml:1:10: a key must be a text, not <<"},
		"alias":               {"rules: &a [*a]", "f.yaml:1:8: anchors and aliases are not allowed"},
		"tag":                 {"rules: !!seq []", "f.yaml:1:8: tags are not allowed"},
		"match a text":        {"rules: [{match: hi, steps: []}]", "f.yaml:1:17: match must be a mapping, not \"hi\""},
		"match two":           {"rules: [{match: {text: a, contains: b}, steps: []}]", "f.yaml:1:17: match must have exactly one of: text, contains, regexp"},
		"match none":          {"rules: [{match: {}, steps: []}]", "f.yaml:1:17: match must have exactly one of: text, contains, regexp"},
		"match key":           {"rules: [{match: {prefix: a}, steps: []}]", `f.yaml:1:18: match has no key "prefix"; its keys are: text, contains, regexp`},
		"regexp":              {"rules:\n- match:\n    regexp: '('\n  steps: []", "f.yaml:3:13: regexp is malformed: missing closing ): `(`"},
		"model":               {"rules: [{model: 'a*b', steps: []}]", "f.yaml:1:17: in a model pattern, '*' may only be the last character"},
		"model empty":         {"rules: [{model: '', steps: []}]", "f.yaml:1:17: model must not be empty"},
		"agent":               {"rules: [{agent: , steps: []}]", "f.yaml:1:17: agent must be a text, not nothing"},
		"step unknown":        {step("sai: hi"), `f.yaml:3:5: a step has no key "sai"; its keys are: think, say, wait, use, tool, custom_tool, usage, fail, panic, stop`},
		"step a text":         {step("hi"), `f.yaml:3:5: a step must be a mapping, not "hi"`},
		"step of two":         {step("{say: a, wait: 1s}"), `f.yaml:3:14: a say step has no key "wait"; its keys are: say, every`},
		"step of none":        {step("{}"), "f.yaml:3:5: a step must have exactly one of: think, say, "},
		"think a value":       {step("think: true"), "f.yaml:3:12: think accepts no value, not true"},
		"say empty":           {step("say: ''"), "f.yaml:3:10: say must not be empty"},
		"say nothing":         {step("say:"), "f.yaml:3:9: say must be a text, not nothing"},
		"say no pieces":       {step("say: []"), "f.yaml:3:10: say needs at least one piece"},
		"say a mapping":       {step("say: {a: b}"), "f.yaml:3:10: say must be a text, not a mapping"},
		"placeholder":         {step("say: 'a {{reslt}}'"), "f.yaml:3:10: unknown placeholder {{reslt}}; use {{text}} or {{result}}"},
		"every alone":         {step("every: 1s"), `f.yaml:3:5: a say step needs the key "say"`},
		"every of a text":     {step("{say: a, every: 1s}"), "f.yaml:3:21: every is the time between pieces; say must be a list of them"},
		"every unit":          {step("{say: [a], every: 50}"), "f.yaml:3:23: every must be a duration from 0s to 1h, such as 50ms, not the number 50"},
		"every beside":        {step("{say: [a], every: 1s, wait: 1s}"), `f.yaml:3:27: a say step has no key "wait"; its keys are: say, every`},
		"wait":                {step("wait: soon"), `f.yaml:3:11: wait must be a duration from 0s to 1h, such as 50ms, not "soon"`},
		"wait negative":       {step("wait: -1s"), `f.yaml:3:11: wait must be a duration from 0s to 1h, such as 50ms, not "-1s"`},
		"wait long":           {step("wait: 61m"), `f.yaml:3:11: wait must be a duration from 0s to 1h, such as 50ms, not "61m"`},
		"tool a text":         {step("tool: Bash"), "f.yaml:3:11: tool must be a mapping, not \"Bash\""},
		"tool key":            {step("tool: {name: a, output: b}"), `f.yaml:3:21: tool has no key "output"; its keys are: name, input, result, failed, ask, denied`},
		"tool nameless":       {step("tool: {}"), `f.yaml:3:11: tool needs the key "name"`},
		"steps two":           {step("{wait: 1s, think: }"), "f.yaml:3:5: a step must have exactly one of: think, say, "},
		"usage octal":         {step("usage: {input_tokens: 012}"), "f.yaml:3:27: input_tokens must be a whole number from 0 to 1000000000000, not the number 012"},
		"usage hexadecimal":   {step("usage: {input_tokens: 0x1F}"), "f.yaml:3:27: input_tokens must be a whole number from 0 to 1000000000000, not the number 0x1F"},
		"after a BOM":         {"\ufeffrule: []", `f.yaml:1:1: the script has no key "rule"; its keys are: rules`},
		"alias bomb":          {"a: &a [x, x]\nb: &b [*a, *a]\nrules: [*b, *b]", "f.yaml:1:4: anchors and aliases are not allowed"},
		"match a list":        {"rules: [{match: {text: [a]}, steps: []}]", "f.yaml:1:24: text must be a text, not a list"},
		"tool result nothing": {step("tool: {name: a, result: }"), "f.yaml:3:29: result must be a text, not nothing"},
		"tool input":          {step("tool: {name: a, input: [1]}"), "f.yaml:3:28: input must be a mapping, not a list"},
		"tool input infinite": {step("tool: {name: a, input: {x: [.inf]}}"), "f.yaml:3:33: JSON has no number .inf"},
		"tool input key":      {step("tool: {name: a, input: {1: x}}"), "f.yaml:3:29: a key must be a text, not the number 1"},
		"tool failed":         {step("tool: {name: a, failed: 'true'}"), "f.yaml:3:29: failed must be true or false, not \"true\""},
		"tool ask":            {step("tool: {name: a, ask: yes}"), "f.yaml:3:26: ask must be true or false, not \"yes\""},
		"denied unasked":      {step("tool: {name: a, denied: []}"), "f.yaml:3:29: only a tool with ask: true can be denied"},
		"denied step":         {step("tool: {name: a, ask: true, denied: [x]}"), "f.yaml:3:41: a step must be a mapping, not \"x\""},
		"custom_tool key":     {step("custom_tool: {name: a, result: b}"), `f.yaml:3:28: custom_tool has no key "result"; its keys are: name, input`},
		"custom_tool name":    {step("custom_tool: {name: ''}"), "f.yaml:3:25: name must not be empty"},
		"usage key":           {step("usage: {tokens: 1}"), `f.yaml:3:13: usage has no key "tokens"; its keys are: input_tokens, `},
		"usage negative":      {step("usage: {input_tokens: -1}"), "f.yaml:3:27: input_tokens must be a whole number from 0 to 1000000000000, not the number -1"},
		"usage fraction":      {step("usage: {output_tokens: 1.5}"), "f.yaml:3:28: output_tokens must be a whole number from 0 to 1000000000000, not the number 1.5"},
		"usage large":         {step("usage: {output_tokens: 1000000000001}"), "f.yaml:3:28: output_tokens must be a whole number"},
		"usage a text":        {step("usage: {input_tokens: '1'}"), `f.yaml:3:27: input_tokens must be a whole number from 0 to 1000000000000, not "1"`},
		"usage cache":         {step("usage: {cache_creation: 1}"), "f.yaml:3:29: cache_creation must be a mapping, not the number 1"},
		"usage credits":       {step("usage: {credits: 0.125}"), "f.yaml:3:22: credits must be a number from 0 with up to two decimals, not the number 0.125"},
		"fail":                {step("fail:"), "f.yaml:3:10: fail must be a text, not nothing"},
		"panic":               {step("panic: ''"), "f.yaml:3:12: panic must not be empty"},
		"stop":                {step("stop: now"), `f.yaml:3:11: stop must be end_turn or max_tokens, not "now"`},
		"after the end":       {step("stop: end_turn\n  - think"), "f.yaml:4:5: the turn never reaches this step: it ended with the one before"},
	} {
		t.Run(name, func(t *testing.T) {
			script, err := turn.ParseScript("f.yaml", []byte(c.script))
			var wrong *turn.ScriptError
			if script != nil || !errors.As(err, &wrong) {
				t.Fatalf("script %v with error %v, want a *ScriptError", script, err)
			}
			if !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("error\n     %s\nwant %s", err, c.want)
			}
		})
	}
}

// TestScriptKeepsSpelling tests that a text needs no quotes where YAML would read something else than a text, and that
// it stays as it is spelled.
func TestScriptKeepsSpelling(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"1.10", "012", "yes", "true", "0x1F", "2026-05-18", "1_000", "1e3", ".inf", "12:30:45", "=", "<<"} {
		t.Run(text, func(t *testing.T) {
			script := parse(t, "rules:\n- match: {text: "+text+"}\n  agent: "+text+"\n  model: "+text+`
  steps:
  - tool: {name: `+text+", input: {"+"day: 2026-05-18}, result: "+text+`}
  - say: [`+text+", "+text+`]
  - fail: `+text)
			in := turntest.Input(text)
			in.Agent.Name, in.Agent.Model = text, text
			var rec turntest.Recorder
			_, err := script.Runner(nil).Run(t.Context(), in, &rec)
			want := []turntest.Call{
				{Method: turntest.UseTool, ID: "evt_000001", Name: text, Input: `{"day":"2026-05-18"}`},
				{Method: turntest.ToolResult, ID: "evt_000001", Text: text},
				{Method: turntest.Say, Text: text}, {Method: turntest.Say, Text: text}, {Method: turntest.EndMessage},
			}
			if diff := cmp.Diff(want, rec.Calls()); diff != "" || err == nil || err.Error() != text {
				t.Errorf("error %v, calls (-want +got):\n%s", err, diff)
			}
		})
	}
}
