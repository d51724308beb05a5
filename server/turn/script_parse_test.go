package turn_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/turn"
)

// TestParseScriptErrors gives the steps of a rule that begins at line 2, or a whole script.
func TestParseScriptErrors(t *testing.T) {
	t.Parallel()
	step := func(s string) string { return "rules:\n- steps:\n  - " + s }
	for name, c := range map[string]struct{ script, want string }{
		"empty":               {"", "f.yaml: the script is empty; it needs rules"},
		"only a comment":      {"# nothing", "f.yaml: the script is empty; it needs rules"},
		"null":                {"null", "f.yaml:1:1: a script must be a mapping, not nothing"},
		"a list":              {"- steps: []", "f.yaml:1:1: a script must be a mapping, not a list"},
		"not YAML":            {"rules:\n  - a: b: c", "f.yaml:2: not valid YAML: mapping values are not allowed in this context"},
		"tab":                 {"rules:\n\t- steps: []", "f.yaml:2: not valid YAML: found character that cannot start any token"},
		"not UTF-8":           {"rules: \xff", "f.yaml: not valid YAML: "},
		"two documents":       {"rules: [{steps: []}]\n---\nrules: []", "f.yaml:2:1: a script is one document; here begins a second one"},
		"broken second":       {"rules: [{steps: []}]\n---\n[", "f.yaml:3: not valid YAML: "},
		"unknown key":         {"rule: []", `f.yaml:1:1: a script has no key "rule"; there are: rules`},
		"no rules key":        {"{}", "f.yaml:1:1: rules is missing"},
		"no rules":            {"rules: []", "f.yaml:1:1: a script needs at least one rule"},
		"rules a text":        {"rules: x", "f.yaml:1:8: rules must be a list, not a text"},
		"rule a text":         {"rules: [x]", "f.yaml:1:9: a rule must be a mapping, not a text"},
		"rule key":            {"rules:\n- stepps: []", `f.yaml:2:3: a rule has no key "stepps"; there are: match, model, agent, steps`},
		"no steps":            {"rules:\n- match: {text: a}", "f.yaml:2:3: steps is missing"},
		"rule not reached":    {"rules:\n- steps: []\n- steps: []", "f.yaml:3:3: no message reaches this rule: the one at line 2 fits them all"},
		"key twice":           {"rules: []\nrules: []", `f.yaml:2:1: the key "rules" is there already, at line 1`},
		"key a number":        {"1: a", "f.yaml:1:1: a key must be a text, not the number 1"},
		"key a list":          {"? [a]\n: b", "f.yaml:1:3: a key must be a text, not a list"},
		"merge":               {"rules: [{<<: {steps: []}}]", "f.yaml:1:10: a key must be a text, not <<"},
		"alias":               {"rules: &a [*a]", "f.yaml:1:8: anchors and aliases are not allowed"},
		"tag":                 {"rules: !!seq []", "f.yaml:1:8: tags are not allowed"},
		"match a text":        {"rules: [{match: hi, steps: []}]", "f.yaml:1:17: match must be a mapping, not a text"},
		"match two":           {"rules: [{match: {text: a, contains: b}, steps: []}]", "f.yaml:1:17: match must have exactly one of: text, contains, regexp"},
		"match none":          {"rules: [{match: {}, steps: []}]", "f.yaml:1:17: match must have exactly one of: text, contains, regexp"},
		"match key":           {"rules: [{match: {prefix: a}, steps: []}]", `f.yaml:1:18: match has no key "prefix"; there are: text, contains, regexp`},
		"match a number":      {"rules: [{match: {text: 42}, steps: []}]", "f.yaml:1:24: text must be a text, not the number 42; put it in quotes"},
		"match a bool":        {"rules: [{match: {text: true}, steps: []}]", "f.yaml:1:24: text must be a text, not true; put it in quotes"},
		"regexp":              {"rules:\n- match:\n    regexp: '('\n  steps: []", "f.yaml:3:13: regexp is malformed: missing closing ): `(`"},
		"model":               {"rules: [{model: 'a*b', steps: []}]", "f.yaml:1:17: in a model pattern, '*' may only be the last character"},
		"model empty":         {"rules: [{model: '', steps: []}]", "f.yaml:1:17: model must not be empty"},
		"agent":               {"rules: [{agent: , steps: []}]", "f.yaml:1:17: agent must be a text, not nothing"},
		"step unknown":        {step("sai: hi"), `f.yaml:3:5: a step has no key "sai"; there are: think, say, wait, tool, custom_tool, usage, fail, panic, stop`},
		"step a text":         {step("hi"), "f.yaml:3:5: a step must be a mapping, not a text"},
		"step of two":         {step("{say: a, wait: 1s}"), "f.yaml:3:5: a step must have exactly one of: think, say, "},
		"step of none":        {step("{}"), "f.yaml:3:5: a step must have exactly one of: think, say, "},
		"think a value":       {step("think: true"), "f.yaml:3:12: think takes no value, not true"},
		"say empty":           {step("say: ''"), "f.yaml:3:10: say must not be empty"},
		"say nothing":         {step("say:"), "f.yaml:3:9: say must be a text, not nothing"},
		"say no pieces":       {step("say: []"), "f.yaml:3:10: say needs at least one piece"},
		"say a number":        {step("say: [a, 1]"), "f.yaml:3:14: say must be a text, not the number 1; put it in quotes"},
		"say a date":          {step("say: 2026-01-02"), "f.yaml:3:10: say must be a text, not the date 2026-01-02; put it in quotes"},
		"say a mapping":       {step("say: {a: b}"), "f.yaml:3:10: say must be a text, not a mapping"},
		"placeholder":         {step("say: 'a {{reslt}}'"), "f.yaml:3:10: unknown placeholder {{reslt}}; there are {{text}} and {{result}}"},
		"every alone":         {step("every: 1s"), "f.yaml:3:5: every needs a say beside it"},
		"every of a text":     {step("{say: a, every: 1s}"), "f.yaml:3:21: every is the time between pieces; say must be a list of them"},
		"every unit":          {step("{say: [a], every: 50}"), "f.yaml:3:23: every must be a duration from 0s to 1h, as 50ms, not the number 50"},
		"every beside":        {step("{say: [a], every: 1s, wait: 1s}"), `f.yaml:3:27: a say step has no key "wait"; there are: say, every`},
		"wait":                {step("wait: soon"), `f.yaml:3:11: wait must be a duration from 0s to 1h, as 50ms, not "soon"`},
		"wait negative":       {step("wait: -1s"), `f.yaml:3:11: wait must be a duration from 0s to 1h, as 50ms, not "-1s"`},
		"wait long":           {step("wait: 61m"), `f.yaml:3:11: wait must be a duration from 0s to 1h, as 50ms, not "61m"`},
		"tool a text":         {step("tool: Bash"), "f.yaml:3:11: tool must be a mapping, not a text"},
		"tool key":            {step("tool: {name: a, output: b}"), `f.yaml:3:21: tool has no key "output"; there are: name, input, result, failed, ask, denied`},
		"tool nameless":       {step("tool: {}"), "f.yaml:3:11: tool needs a name"},
		"tool input":          {step("tool: {name: a, input: [1]}"), "f.yaml:3:28: input must be a mapping, not a list"},
		"tool input infinite": {step("tool: {name: a, input: {x: [.inf]}}"), "f.yaml:3:33: JSON has no number .inf"},
		"tool input key":      {step("tool: {name: a, input: {1: x}}"), "f.yaml:3:29: a key must be a text, not the number 1"},
		"tool result":         {step("tool: {name: a, result: 1}"), "f.yaml:3:29: result must be a text, not the number 1; put it in quotes"},
		"tool failed":         {step("tool: {name: a, failed: 'true'}"), "f.yaml:3:29: failed must be true or false, not a text"},
		"tool ask":            {step("tool: {name: a, ask: yes}"), "f.yaml:3:26: ask must be true or false, not a text"},
		"denied unasked":      {step("tool: {name: a, denied: []}"), "f.yaml:3:29: only a tool with ask: true can be denied"},
		"denied step":         {step("tool: {name: a, ask: true, denied: [x]}"), "f.yaml:3:41: a step must be a mapping, not a text"},
		"custom_tool key":     {step("custom_tool: {name: a, result: b}"), `f.yaml:3:28: custom_tool has no key "result"; there are: name, input`},
		"custom_tool name":    {step("custom_tool: {name: ''}"), "f.yaml:3:25: name must not be empty"},
		"usage key":           {step("usage: {tokens: 1}"), `f.yaml:3:13: usage has no key "tokens"; there are: input_tokens, `},
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
