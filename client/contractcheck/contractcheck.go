// Package contractcheck validates what a client sends and receives against the contract that this module was built with:
// every request before it is sent, every response and every event of a stream as it arrives. It shows where a server, or a
// program, has drifted from the contract.
//
//	c, err := client.New(contractcheck.Report(func(v *contractcheck.Violation) { log.Print(v) }))
//
// [Report] lets everything pass, [Strict] fails what violates the contract.
//
// [Run] is a conformance suite for servers, in any language, by [Checks]. In a test of one's own server:
//
//	func TestConformance(t *testing.T) {
//		c, err := client.New(client.WithBaseURL(baseURL), client.WithToken(token))
//		if err != nil {
//			t.Fatal(err)
//		}
//		report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{})
//		if err != nil {
//			t.Fatal(err)
//		}
//		for _, v := range report.Violations() {
//			t.Errorf("%s: %v", v.Check, v)
//		}
//	}
//
// Package client does not import this package, which imports the contract and an OpenAPI library.
package contractcheck

import (
	"fmt"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// Violation is a violation of the contract in a request, a response or an event of a stream. It quotes neither
// bodies nor headers.
type Violation struct {
	// Check is the check of [Run] that found it; "" outside of a run.
	Check string `json:"check,omitempty"`
	// Operation is the operationId; "" when the contract has no operation at Method and Path.
	Operation string `json:"operation,omitempty"`
	// Method and Path are the request's; the path is percent-encoded, as it was sent.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Status is that of the response; 0 for a violation in the request.
	Status int `json:"status,omitempty"`
	// Pointer is the place in the body or the event, as a JSON pointer; "" for all of it, and for parameters, headers and
	// statuses.
	Pointer string `json:"pointer"`
	// Rule is the violated keyword, such as type, required or enum, or one of: operation, security, content, header, status,
	// json, redirect, size, event; or, by Run only, outcome: what the contract allows, but not in its place.
	Rule string `json:"rule"`
	// Reason describes the violation.
	Reason string `json:"reason"`
	// RequestID identifies the request in the server's log; may be "".
	RequestID string `json:"request_id,omitempty"`
}

// Error returns one line: the operation, what violates the contract, and how.
func (v *Violation) Error() string {
	subject, which, place := v.Operation, "the request", ""
	if subject == "" {
		subject = v.Method + " " + v.Path
	}
	switch {
	case v.Status != 0:
		which = fmt.Sprintf("the response (%d)", v.Status)
	case v.Rule == ruleOutcome:
		which = "the missing response"
	}
	if v.Pointer != "" {
		place = " at '" + v.Pointer + "'"
	}
	text := fmt.Sprintf("%s: %s violates the contract: %s%s: %s", subject, which, v.Rule, place, strings.TrimSuffix(v.Reason, "."))
	if v.RequestID != "" {
		text += " (request id " + v.RequestID + ")"
	}
	return text
}

// Report returns an option for a client, or a call, that passes every violation to report and changes nothing: of a request
// the first one, of a response all, those of the body before those of the headers. Every attempt of a call is validated. The goroutine that makes the call, or reads the stream, calls report; a client that
// several goroutines use calls it from each of them.
func Report(report func(*Violation)) client.Option {
	return client.WithMiddleware(middleware(func(v *Violation) error { report(v); return nil }))
}

// Strict returns an option for a client, or a call, that fails what violates the contract: a request is not sent, a
// response is not read, a stream ends before the event. The call returns a *client.Error, in which errors.As finds the
// *Violation. It is not retried.
func Strict() client.Option {
	return client.WithMiddleware(middleware(func(v *Violation) error { return client.Permanent(v) }))
}

// fill copies what the contract reports of a violation.
func (v *Violation) fill(found *contract.Violation) *Violation {
	v.Status, v.Pointer, v.Rule, v.Reason = found.Status, found.Pointer, found.Rule, found.Reason
	return v
}
