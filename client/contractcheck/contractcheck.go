// Package contractcheck holds what a client sends and what it gets against the contract that this module was built
// with: every request before it leaves, every answer as it arrives, every event of a stream as it passes. It makes
// visible where a server, or a program, has drifted from the contract.
//
//	c, err := client.New(contractcheck.Report(func(b *contractcheck.Violation) { log.Print(b) }))
//
// [Report] lets everything pass, [Strict] fails what breaks the contract, [Run] tries all operations of a server.
// Package client itself does without this package, which imports the contract and an OpenAPI library.
package contractcheck

import (
	"fmt"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// Violation is one disagreement with the contract: the first in a request, an answer or an event of a stream. It quotes
// neither bodies nor headers.
type Violation struct {
	// Operation is the operationId; "" when the contract has no operation at Method and Path.
	Operation string `json:"operation,omitempty"`
	// Method and Path are the request's; the path is percent-encoded, as it was sent.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Status is the answer's; 0 for a violation of the request.
	Status int `json:"status,omitempty"`
	// Pointer is where in the body or the event the violation is, as a JSON pointer; "" for the whole of it, and for
	// parameters, headers and statuses.
	Pointer string `json:"pointer"`
	// Rule is the keyword that is broken, such as type, required or enum, or one of: operation, security, content,
	// header, status, json, redirect, size, event; of Run's own, outcome, a status that is not due there.
	Rule string `json:"rule"`
	// Reason says what is wrong.
	Reason string `json:"reason"`
	// RequestID finds the answer in the server's log; may be "".
	RequestID string `json:"request_id,omitempty"`
}

// Error returns one line: the operation, what breaks the contract, and how.
func (b *Violation) Error() string {
	subject, which, place := b.Operation, "the request", ""
	if subject == "" {
		subject = b.Method + " " + b.Path
	}
	switch {
	case b.Status != 0:
		which = fmt.Sprintf("the answer (%d)", b.Status)
	case b.Rule == ruleOutcome:
		which = "the lack of an answer"
	}
	if b.Pointer != "" {
		place = " at '" + b.Pointer + "'"
	}
	text := fmt.Sprintf("%s: %s breaks the contract: %s%s: %s", subject, which, b.Rule, place, strings.TrimSuffix(b.Reason, "."))
	if b.RequestID != "" {
		text += " (request id " + b.RequestID + ")"
	}
	return text
}

// Report returns an option for a client, or a call, that tells report of every violation and changes nothing. An attempt
// that is made again is held against the contract again. report is called by the goroutine that makes the call, or
// reads the stream; a client that several goroutines use calls it from each of them.
func Report(report func(*Violation)) client.Option {
	return client.WithMiddleware(middleware(func(b *Violation) error { report(b); return nil }))
}

// Strict returns an option for a client, or a call, that fails what breaks the contract: a request is not sent, an
// answer is not read, a stream ends before the event. The error is the call's, a *client.Error; errors.As finds the
// *Violation in it. It is not tried again.
func Strict() client.Option {
	return client.WithMiddleware(middleware(func(b *Violation) error { return client.Permanent(b) }))
}

// fill takes over what the contract says of a violation.
func (b *Violation) fill(found *contract.Violation) *Violation {
	b.Status, b.Pointer, b.Rule, b.Reason = found.Status, found.Pointer, found.Rule, found.Reason
	return b
}
