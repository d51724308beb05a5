package contractproxy

import (
	"strconv"
	"strings"
)

// Kind says what was found.
type Kind string

// The kinds.
const (
	// Violation is a violation of the contract.
	Violation Kind = "violation"
	// Unchecked is a body or an event that was too large to be validated.
	Unchecked Kind = "unchecked"
	// Failure is an exchange that the upstream did not complete.
	Failure Kind = "failure"
)

// Finding is what was found in an exchange. It quotes neither bodies nor headers nor queries.
type Finding struct {
	Kind Kind `json:"kind"`
	// Method is that of the request.
	Method string `json:"method"`
	// Path is percent-encoded, as it was sent.
	Path string `json:"path"`
	// Operation is the operationId; "" for a request outside of the contract.
	Operation string `json:"operation,omitempty"`
	// Status is that of the response; 0 for what is about the request.
	Status int `json:"status,omitempty"`
	// Message is one sentence.
	Message string `json:"message"`
	// RequestID identifies the request in the server's log; may be "".
	RequestID string `json:"request_id,omitempty"`
}

// String returns one line: method, path, operationId and status, or "request" in its place, then the sentence.
func (f Finding) String() string {
	words := []string{f.Method, f.Path}
	if f.Operation != "" {
		words = append(words, f.Operation)
	}
	if f.Status != 0 {
		words = append(words, strconv.Itoa(f.Status))
	} else {
		words = append(words, "request")
	}
	text := strings.Join(words, " ") + ": " + f.Message
	if f.RequestID != "" {
		text += " (request id " + f.RequestID + ")"
	}
	return text
}
