package openai

import (
	"encoding/json"
	"slices"
	"strings"
)

// ending is how a response came to its end. A later one is worse.
type ending int

const (
	unfinished ending = iota // the endpoint has not said
	finished                 // the model said all that it wanted to say
	cut                      // the limit of tokens was reached
	filtered                 // a filter stopped the response
	failed                   // the endpoint failed, or gave a reason that nobody knows
)

// endings are the reasons to finish that endpoints give, in small letters. A reason that is not among them is a failure:
// half a response must not pass for a whole one.
var endings = map[ending][]string{
	finished: {
		"stop", "eos", "eos_token", "stop_sequence", "stop_token", "end_turn", "complete",
		"tool_calls", "tool_call", "tool_use", "function_call", "function_calls",
	},
	cut: {
		"length", "max_tokens", "max_output_tokens", "max_completion_tokens", "max_new_tokens", "max_length",
		"token_limit", "model_length", "model_context_window_exceeded",
	},
	filtered: {
		"content_filter", "content_filtered", "content-filter", "sensitive", "safety", "image_safety", "refusal", "recitation",
		"prohibited_content", "blocklist", "spii", "moderation", "guardrail_intervened",
	},
}

// judge returns how a response ended by the reason that a chunk gives, and the reason as the endpoint spells it.
func judge(raw json.RawMessage) (ending, string) {
	if isNothing(raw) {
		return unfinished, ""
	}
	reason := strings.TrimSpace(asText(raw))
	if kind(raw) != '"' {
		reason = string(raw)
	}
	switch known := strings.ToLower(reason); known {
	case "", "null", "none": // some endpoints write null as a text
		return unfinished, ""
	default:
		for end, reasons := range endings {
			if slices.Contains(reasons, known) {
				return end, reason
			}
		}
	}
	return failed, reason
}
