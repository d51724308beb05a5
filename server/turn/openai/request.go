package openai

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/cloud-sessions/sessions/server/turn"
)

// request is the body of a request.
type request struct {
	Model         string         `json:"model"`
	Messages      []message      `json:"messages"`
	Tools         []any          `json:"tools,omitempty"`
	Stream        bool           `json:"stream,omitempty"`
	StreamOptions *streamOptions `json:"stream_options,omitempty"`
}

type streamOptions struct {
	IncludeUsage bool `json:"include_usage"`
}

// bytesPerToken is how many bytes of a request make a token, until the endpoint has told.
const bytesPerToken = 3

// request returns the request that lets the model go on with the turn, what it has that may be refused, and how many
// turns were left out of it.
func (r *Runner) request(ctx context.Context, in turn.Input, tools turn.Offers, p profile) (body []byte, s sent, leftOut int, err error) {
	history, err := in.Past(ctx)
	if err != nil {
		return nil, s, 0, err
	}
	text := in.System()
	s = sent{system: text != "", fields: map[string]bool{}, keywords: map[string]bool{}}
	q := request{Model: r.modelOf(in), Tools: functions(tools, p, &s), Stream: !p.noStream}
	if q.Stream && !p.noStreamOptions {
		q.StreamOptions = &streamOptions{IncludeUsage: true}
	}
	past, now := turns(history), turns(in.Entries)
	h := newHistory(slices.Concat(history, in.Entries), r.origin(in), p, &s)
	left := r.budget(in, p) - len(text) - len(encoded(q.Tools))
	var newest [][]message // from the newest turn to the oldest
	for i, entries := range slices.Backward(append(past, now...)) {
		messages := h.messages(entries)
		left -= len(encoded(messages))
		if left < 0 && i < len(past) {
			leftOut = i + 1
			break
		}
		newest = append(newest, messages)
	}
	s.turns = len(past) - leftOut
	for _, messages := range slices.Backward(newest) {
		q.Messages = append(q.Messages, messages...)
	}
	q.Messages = r.complete(joinNeighbours(q.Messages), text, p)
	body, err = json.Marshal(q)
	s.bytes = len(body)
	return body, s, leftOut, err
}

// complete adds the system's text, and a user's word where the model has spoken last.
func (r *Runner) complete(messages []message, text string, p profile) []message {
	if last := len(messages) - 1; last < 0 || messages[last].role == assistant {
		messages = append(messages, message{role: user, content: goOn})
	}
	switch {
	case text == "":
	case p.systemAsUser:
		messages[0].content = text + "\n\n" + messages[0].content
	default:
		messages = slices.Insert(messages, 0, message{role: system, content: text})
	}
	return messages
}

// budget returns how many bytes a request's messages and tools may have: what the operator has set, what the endpoint
// was seen to accept, and the model's window.
func (r *Runner) budget(in turn.Input, p profile) int {
	const unlimited = 1 << 40
	budget := unlimited
	if r.maxInputBytes > 0 {
		budget = r.maxInputBytes
	} else if tokens := in.Agent.MaxInputTokens; tokens > 0 && (r.model == "" || r.model == in.Agent.Model) {
		rate := p.bytesPerToken
		if rate == 0 {
			rate = bytesPerToken
		}
		budget = min(unlimited, int(float64(tokens)*rate))
	}
	if p.maxBytes > 0 {
		budget = min(budget, p.maxBytes)
	}
	return budget
}

// learned returns the profile with what a response tells of the request's size. A short request tells little, since
// what the endpoint adds to it counts as well.
func (p profile) learned(requestBytes int, promptTokens int64) profile {
	if promptTokens > 0 && requestBytes >= 4096 {
		p.bytesPerToken = max(1, min(float64(requestBytes)/float64(promptTokens), 2*bytesPerToken))
	}
	return p
}
