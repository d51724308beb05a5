package turn_test

import (
	"errors"
	"testing"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/server/turn"
	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// FuzzParseScript tests that ParseScript never panics and says where it fails, and that what it accepts
// can be played: the turn ends, or fails as the script says.
func FuzzParseScript(f *testing.F) {
	for _, seed := range []string{
		"rules: [{steps: [{say: [a, '{{text}}'], every: 1s}, {wait: 1h}, {stop: max_tokens}]}]",
		"rules: [{match: {regexp: a}, steps: [{tool: {name: a, input: {a: [1, .5]}, ask: true, denied: [{fail: x}]}}]}]",
		"rules:\n- match: {contains: a}\n  model: t*\n  agent: gopher\n  steps: [think: , say: b]\n- steps: []",
		"rules: [{steps: [think, {custom_tool: {name: a}}, {panic: x}]}]",
		"rules: [{steps: [{usage: {input_tokens: 1, cache_creation: {ephemeral_5m_input_tokens: 1}, credits: 0.1}}]}]",
		"a: &a [*a]", "? {}\n: <<", "!!binary x", "---\n---\n", "",
	} {
		f.Add([]byte(seed), "a")
	}
	f.Fuzz(func(t *testing.T, data []byte, message string) {
		script, err := turn.ParseScript("fuzz.yaml", data)
		if err != nil {
			var wrong *turn.ScriptError
			if !errors.As(err, &wrong) || wrong.File != "fuzz.yaml" || wrong.Message == "" || !utf8.ValidString(wrong.Message) && utf8.Valid(data) {
				t.Errorf("error %#v", err)
			}
			return
		}
		for _, settle := range []turntest.Settle{turntest.Allow, turntest.Deny} {
			playFuzzed(t, script, message, settle)
		}
	})
}

func playFuzzed(t *testing.T, script *turn.Script, message string, settle turntest.Settle) {
	defer func() {
		switch p := recover().(type) {
		case nil, turn.ScriptPanic:
		default:
			panic(p)
		}
	}()
	var (
		clock turntest.Clock
		rec   turntest.Recorder
	)
	outcome, err := turntest.Play(t.Context(), script.Runner(&clock), turntest.Input(message), &rec, settle)
	if (err == nil) != (outcome == turn.EndTurn || outcome == turn.MaxTokens) {
		t.Errorf("outcome %q with error %v", outcome, err)
	}
}
