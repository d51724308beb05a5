package openai

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/api/sse"
	"github.com/cloud-sessions/sessions/server/turn"
)

// The bounds of one response, in bytes: one event, the text that is said as well as the thoughts, and what is kept of
// lines that are no events.
const (
	maxEvent = 8 << 20
	maxText  = 8 << 20
	maxStray = 64 << 10
)

// maxLabel is how many characters are recorded of an id or a name that the endpoint sends.
const maxLabel = 128

// response is what one completion had, and reads it: as a stream of events or as one JSON value, whatever its
// Content-Type says.
type response struct {
	out turn.Sink

	speech  speech
	said    int // bytes of text
	calls   calls
	message collected // the fields that the endpoint may want back
	usage   turn.Usage
	prompt  int64 // tokens of the request, cached ones included; 0 when the endpoint has not told

	end     ending
	reason  string   // of the end, as the endpoint spells it
	filters []string // that stopped the response, if the endpoint names them
	done    bool     // the endpoint has nothing more to say
	deltas  bool     // text came in deltas
	thought bool     // the model thought
	refused error    // of the sink, which the runner returns unchanged
	stray   []byte   // lines that are no events
	unknown string   // the words of the last event that was not understood

	traced    bool // id and model are wanted
	id, model string
}

// read reads a response to its end.
func (r *response) read(ctx context.Context, body io.Reader) error {
	in := bufio.NewReader(body)
	var err error
	switch begins(in) {
	case '{', '[':
		err = r.readJSON(ctx, in)
	case '<':
		return r.readPage(in)
	default:
		err = r.readEvents(ctx, in)
	}
	if r.refused == nil && ctx.Err() == nil {
		restErr := r.sayText(ctx, r.speech.rest())
		err = cmp.Or(err, restErr)
	}
	switch {
	case r.refused != nil:
		return r.refused
	case ctx.Err() != nil:
		return ctx.Err()
	case err == errNotJSON:
		return temporary("The model endpoint sent an event that is not JSON.")
	}
	var lost *connectionError
	if r.end != unfinished && errors.As(err, &lost) {
		return nil // the response was over
	}
	return err
}

// errNotJSON is an event that begins like JSON and is not.
var errNotJSON = errors.New("not JSON")

// begins returns the first byte of the response that means something.
func begins(in *bufio.Reader) byte {
	if bom, _ := in.Peek(3); string(bom) == "\xef\xbb\xbf" {
		_, _ = in.Discard(3)
	}
	for {
		first, err := in.Peek(1)
		if err != nil {
			return 0
		}
		if !strings.ContainsRune(" \t\r\n", rune(first[0])) {
			return first[0]
		}
		_, _ = in.Discard(1) // a blank line keeps the connection alive
	}
}

// readJSON reads a response that is not a stream of events: one JSON value, or one after the other.
func (r *response) readJSON(ctx context.Context, in io.Reader) error {
	limited := &io.LimitedReader{R: in, N: maxEvent}
	decoder := json.NewDecoder(limited)
	for !r.done {
		var value json.RawMessage
		err := decoder.Decode(&value)
		switch {
		case err == io.EOF:
			return nil
		case err == io.ErrUnexpectedEOF && limited.N <= 0:
			return permanent("The model endpoint sent a response of more than %d bytes.", maxEvent)
		case err != nil:
			return broken(err)
		}
		if err := r.value(ctx, "", value); err != nil {
			return err
		}
	}
	return nil
}

// readPage reads a web page, which only a wrong address returns.
func (r *response) readPage(in io.Reader) error {
	page, _ := io.ReadAll(io.LimitReader(in, maxStray))
	text := "The model endpoint sent a web page in place of a reply"
	if title := pageTitle(page); title != "" {
		text += " (" + title + ")"
	}
	return permanent("%s; check the base URL.", text)
}

// readEvents reads a stream of events.
func (r *response) readEvents(ctx context.Context, in io.Reader) error {
	events := sse.NewReader(in, maxEvent)
	events.Ignored = func(line []byte) {
		if line[0] != ':' && len(r.stray)+len(line) < maxStray {
			r.stray = append(append(r.stray, line...), '\n')
		}
	}
	for !r.done {
		event, err := events.Next()
		if data, ok := events.Unfinished(); err == io.EOF && ok {
			// The standard drops it. But some endpoints do not end their last event; half an event is the early end.
			if err := r.event(ctx, "", data); err != nil && err != errNotJSON {
				return err
			}
		}
		switch {
		case err == io.EOF:
			return r.strayError()
		case errors.Is(err, sse.ErrTooLong):
			return permanent("The model endpoint sent an event of more than %d bytes.", maxEvent)
		case err != nil:
			return broken(err)
		}
		if err := r.event(ctx, event.Type, event.Data); err != nil {
			return err
		}
	}
	return nil
}

// strayError returns the error that an endpoint wrote into its stream without an event around it.
func (r *response) strayError() error {
	text, isField := bytes.CutPrefix(bytes.TrimSpace(r.stray), []byte("error:"))
	if len(text) == 0 {
		return nil
	}
	if value := asObject(text); value != nil && (isField || !isNothing(value["error"]) || r.end == unfinished) {
		return reported(value)
	}
	if isField || r.end == unfinished {
		return reportedText(words(text))
	}
	return nil
}

// event reads the data of one event: JSON values, mostly one.
func (r *response) event(ctx context.Context, kindOfEvent string, data []byte) error {
	data = bytes.TrimSpace(data)
	if word := strings.Trim(string(data[:min(len(data), 10)]), `[]" `); strings.EqualFold(word, "DONE") {
		r.done = true
		return nil
	}
	if len(data) == 0 {
		return nil
	}
	values := [][]byte{data}
	if !json.Valid(data) {
		if isError(kindOfEvent) {
			return reportedText(words(data))
		}
		values = bytes.Split(data, []byte("\n")) // events without the blank lines between them
	}
	for _, value := range values {
		value = bytes.TrimSpace(value)
		if len(values) > 1 && strings.EqualFold(string(value), "[DONE]") {
			r.done = true
			return nil
		}
		switch {
		case len(value) == 0:
		case json.Valid(value):
			if err := r.value(ctx, kindOfEvent, value); err != nil {
				return err
			}
		case value[0] == '{' || value[0] == '"':
			return errNotJSON
		default:
			r.unknown = words(value) // a keep-alive, if all goes well
		}
	}
	return nil
}

// isError reports whether an event of that name reports an error.
func isError(kindOfEvent string) bool { return strings.Contains(strings.ToLower(kindOfEvent), "error") }

// value reads a JSON value of the response.
func (r *response) value(ctx context.Context, kindOfEvent string, raw json.RawMessage) error {
	if elements := asArray(raw); elements != nil {
		for _, element := range elements {
			if err := r.value(ctx, kindOfEvent, element); err != nil {
				return err
			}
		}
		return nil
	}
	chunk := asObject(raw)
	if isError(kindOfEvent) {
		if chunk != nil {
			return reported(chunk)
		}
		return reportedText(words(raw))
	}
	if chunk == nil {
		r.unknown = words(raw)
		return nil
	}
	if r.traced && r.id == "" {
		r.id, r.model = clip(asText(chunk["id"]), maxLabel), clip(asText(chunk["model"]), maxLabel)
	}
	understood, err := r.choices(ctx, chunk["choices"])
	if err != nil {
		return err
	}
	understood = r.countTokens(chunk) || understood
	if saysError(chunk, understood) {
		return reported(chunk)
	}
	if !understood && !isHeartbeat(chunk) {
		r.unknown = words(raw)
	}
	return nil
}

// choices reads the first of a chunk's choices, whatever its index is: one was asked for, and some endpoints count the
// chunks there. It reports whether there was one.
func (r *response) choices(ctx context.Context, raw json.RawMessage) (bool, error) {
	choice := asObject(raw)
	if elements := asArray(raw); len(elements) > 0 {
		choice = asObject(elements[0])
	}
	if choice == nil {
		return false, nil
	}
	if err := r.content(ctx, choice); err != nil {
		return true, err
	}
	end, reason := judge(choice["finish_reason"])
	if end > r.end {
		r.end, r.reason = end, reason
	}
	for name, filter := range asObject(choice["content_filter_results"]) {
		if string(asObject(filter)["filtered"]) == "true" {
			r.filters = append(r.filters, name)
		}
	}
	slices.Sort(r.filters)
	if !isNothing(choice["error"]) {
		return true, reported(choice)
	}
	return true, nil
}

// content reads what a choice says: in pieces, or at once.
func (r *response) content(ctx context.Context, choice object) error {
	delta := asObject(choice["delta"])
	r.deltas = r.deltas || len(delta) > 0
	if !r.deltas {
		delta = asObject(choice["message"])
		if len(delta) == 0 && kind(choice["text"]) == '"' {
			delta = object{"content": choice["text"]}
		}
	}
	for _, field := range []string{"content", "refusal"} {
		if err := r.say(ctx, delta[field], field == "content"); err != nil {
			return err
		}
	}
	for name, value := range delta {
		if isReturned(name) && !isNothing(value) {
			r.thought = true
			r.message.add(name, value)
		}
	}
	if r.message.bytes > maxText {
		return permanent("The model thought more than %d bytes in one reply.", maxText)
	}
	if err := r.calls.add(delta["tool_calls"]); err != nil {
		return err
	}
	if old := delta["function_call"]; kind(old) == '{' {
		call, _ := json.Marshal(object{"function": old})
		return r.calls.add(call)
	}
	return nil
}

// say says the text of a field: a text, or a list of parts, of which only those of text are the model's words to the user.
func (r *response) say(ctx context.Context, content json.RawMessage, parts bool) error {
	switch k := kind(content); {
	case k == '"':
		return r.sayPiece(ctx, unquote(content))
	case parts && (k == '-' || k >= '0' && k <= '9'):
		return r.sayPiece(ctx, content) // a piece of digits, which a gateway took for a number
	case parts && k == '[':
		for _, part := range asArray(content) {
			if err := r.say(ctx, part, parts); err != nil {
				return err
			}
		}
	case parts && k == '{':
		part := asObject(content)
		switch asText(part["type"]) {
		case "", "text", "output_text", "refusal":
		default:
			r.thought = true
			return nil
		}
		for _, field := range []string{"text", "refusal", "value"} {
			if text := part[field]; !isNothing(text) {
				return r.say(ctx, text, kind(text) == '{')
			}
		}
	}
	return nil
}

// sayPiece says as much of the text as can be said by now.
func (r *response) sayPiece(ctx context.Context, piece []byte) error {
	text := r.speech.add(piece)
	r.thought = r.thought || r.speech.thought
	return r.sayText(ctx, text)
}

func (r *response) sayText(ctx context.Context, text string) error {
	if text == "" {
		return nil
	}
	if r.said += len(text); r.said > maxText {
		return permanent("The model sent more than %d bytes of text in one reply.", maxText)
	}
	if err := r.out.Say(ctx, text); err != nil {
		r.refused = err
		return err
	}
	return nil
}

// countTokens reads a chunk's usage and reports whether there is one. Some endpoints send a running total with every
// chunk: the last one counts.
func (r *response) countTokens(chunk object) bool {
	usage := asObject(chunk["usage"])
	if usage == nil {
		usage = asObject(asObject(chunk["x_groq"])["usage"])
	}
	prompt, completion := tokens(usage["prompt_tokens"]), tokens(usage["completion_tokens"])
	if prompt+completion == 0 {
		return usage != nil
	}
	cached := tokens(asObject(usage["prompt_tokens_details"])["cached_tokens"])
	if cached == 0 {
		cached = tokens(usage["prompt_cache_hit_tokens"])
	}
	cached = min(cached, prompt)
	r.prompt = prompt
	// The contract does not count cached tokens among those of the input.
	r.usage = turn.Usage{InputTokens: prompt - cached, OutputTokens: completion, CacheReadInputTokens: cached}
	return true
}

// maxTokens bounds a number of tokens that an endpoint reports for one response.
const maxTokens = 1 << 40

func tokens(raw json.RawMessage) int64 {
	n, _ := asNumber(raw)
	return int64(max(0, min(n, maxTokens)))
}

// isHeartbeat reports whether a chunk only keeps the connection alive.
func isHeartbeat(chunk object) bool {
	for _, field := range []string{"type", "object", "event", "status"} {
		switch strings.ToLower(asText(chunk[field])) {
		case "ping", "heartbeat", "keepalive", "keep-alive", "keep_alive":
			return true
		}
	}
	return false
}
