package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/openai/openai-go/v3/packages/ssestream"

	"github.com/cloud-sessions/sessions/server/internal/text"
)

// maxMessage is the length in bytes that an endpoint's message is cut to.
const maxMessage = 1000

// EndpointError is an error that the endpoint itself reported.
type EndpointError struct {
	// Status is the HTTP status of a refused request; 200 if the error came within a reply.
	Status int
	// Message is the endpoint's own, cut to 1000 bytes and without the API key; "" if it sent none that
	// could be read.
	Message string
}

// Error returns the status and the message.
func (e *EndpointError) Error() string {
	if e.Status == http.StatusOK {
		return "the endpoint broke off its answer: " + e.Message
	}
	text := strings.TrimSpace(fmt.Sprintf("the endpoint answered %d %s", e.Status, http.StatusText(e.Status)))
	if e.Message != "" {
		text += ": " + e.Message
	}
	return text
}

// Public returns the same as Error: callers may see it.
func (e *EndpointError) Public() string { return e.Error() }

// failure converts an error of the client library. It does not wrap the library's errors, since they contain
// the request, and with it the key.
func (r *Runner) failure(response *http.Response, err error) error {
	if response != nil && response.StatusCode >= http.StatusBadRequest {
		// The library has read the body and put it back.
		body, _ := io.ReadAll(response.Body)
		return &EndpointError{Status: response.StatusCode, Message: r.clean(message(body))}
	}
	var broken *ssestream.StreamError
	if errors.As(err, &broken) {
		return &EndpointError{Status: http.StatusOK, Message: r.clean(message(broken.Event.Data))}
	}
	return errors.New("asking the endpoint failed: " + r.clean(err.Error()))
}

// clean removes the key from a message and cuts it.
func (r *Runner) clean(message string) string {
	if r.secret != "" {
		message = strings.ReplaceAll(message, r.secret, "[key]")
	}
	if beginning := text.Cut(message, maxMessage); beginning != message {
		message = beginning + "..."
	}
	return strings.TrimSpace(strings.ToValidUTF8(message, ""))
}

// message finds the message in an error body, in the shapes that endpoints use: {"error":{"message"}},
// {"error":"…"}, {"message"}, {"detail"}; a text that is not JSON is the message itself.
func message(body []byte) string {
	var shape struct {
		Error   json.RawMessage
		Message json.RawMessage
		Detail  json.RawMessage
	}
	if json.Unmarshal(body, &shape) != nil {
		if text := strings.TrimSpace(string(body)); !strings.HasPrefix(text, "<") {
			return text
		}
		return ""
	}
	var inner struct{ Message json.RawMessage }
	_ = json.Unmarshal(shape.Error, &inner)
	for _, raw := range []json.RawMessage{inner.Message, shape.Error, shape.Message, shape.Detail} {
		var text string
		if json.Unmarshal(raw, &text) == nil && text != "" {
			return text
		}
	}
	return string(body)
}
