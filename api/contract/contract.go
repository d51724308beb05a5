// Package contract validates requests, responses and events by the OpenAPI document. It knows net/http and
// the document, but no router: a server calls the methods of an Operation before and after it runs the
// operation, a client before it sends a request and after it receives the response.
//
// The contract is data: `make gen` compiles the document (package compile, which refuses a keyword that would not be enforced),
// and a program has the result, so that a start costs nothing. The validators walk the bytes of a JSON text once and build no
// values from it.
package contract

import (
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/api/contract/internal/compiled"
	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// Contract is the compiled document: an Operation for each operationId, and the component schemas.
type Contract struct {
	operations map[string]*Operation
	schemas    map[string]*Schema
}

// Operation is one operation of the contract. Its methods are safe for concurrent use.
type Operation struct {
	// ID is the operationId as the document spells it.
	ID string
	// Method and Path locate the operation. Path is a template, relative to a server URL.
	Method, Path string
	// Secured reports whether the operation requires a token.
	Secured bool
	// NoHead reports whether a GET has an effect, so that HEAD is not served in its place.
	NoHead bool
	// CallsOut reports whether it sends requests to other servers, for which no transaction may wait.
	CallsOut bool
	// Statuses are the declared response statuses, ascending.
	Statuses []int

	segments []string // of Path
	limits   rules.Limits
	rules    *rules.Operation
}

// RequestError is a caller's mistake in a request. Its text is one plain sentence for the caller.
type RequestError struct {
	// Param names the invalid part: metadata.purpose, resources[0].type, limit, Content-Type; "body" for
	// the body as a whole, "query" for a malformed query string.
	Param string
	// Message says what is wrong and what is allowed.
	Message string
	// Status overrides the status of the response, 400; 0 keeps it.
	Status int
}

func (e *RequestError) Error() string { return e.Message }

// Violation is a breach of the contract by a response, by an event, or by a request that a client is about
// to send. Its text is for logs and reports, not for callers.
type Violation struct {
	// Operation is the operationId.
	Operation string
	// Status is the response's status; 0 for a request.
	Status int
	// Pointer is the place in the body, as a JSON pointer; "" for the body as a whole, for statuses, headers
	// and parameters.
	Pointer string
	// Rule is the violated keyword: type, required, status, header and so on.
	Rule string
	// Reason says what is wrong. It quotes no values.
	Reason string
}

func (v *Violation) Error() string {
	subject := "the value"
	switch {
	case v.Status != 0:
		subject = fmt.Sprintf("%s: response %d", v.Operation, v.Status)
	case v.Operation != "":
		subject = v.Operation + ": the request"
	}
	return fmt.Sprintf("%s violates the contract: %s at '%s': %s", subject, v.Rule, v.Pointer, v.Reason)
}

// Finding says what violates the contract, and where in the body, without the operation.
func (v *Violation) Finding() string {
	if v.Pointer == "" {
		return v.Rule + ": " + v.Reason
	}
	return v.Rule + " at '" + v.Pointer + "': " + v.Reason
}

// Load returns the contract of package api. There is one in a process, which never changes. The error is always nil.
func Load() (*Contract, error) { return embedded(), nil }

var embedded = sync.OnceValue(func() *Contract { return New(&compiled.Contract) })

// New returns the contract of a document that package compile has compiled.
func New(doc *rules.Contract) *Contract {
	c := &Contract{
		operations: make(map[string]*Operation, len(doc.Operations)),
		schemas:    make(map[string]*Schema, len(doc.Schemas)),
	}
	schemas := make([]Schema, len(doc.Schemas))
	for i, named := range doc.Schemas {
		schemas[i] = Schema{place: named.Name, root: named.Schema, maxDepth: doc.Limits.JSONDepth}
		c.schemas[named.Name] = &schemas[i]
	}
	for _, op := range doc.Operations {
		o := &Operation{
			ID: op.ID, Method: op.Method, Path: op.Path, Secured: op.Secured, NoHead: op.NoHead, CallsOut: op.CallsOut,
			Statuses: make([]int, len(op.Responses)), segments: strings.Split(op.Path, "/"), limits: doc.Limits, rules: op,
		}
		for i, r := range op.Responses {
			o.Statuses[i] = r.Status
		}
		c.operations[op.ID] = o
	}
	return c
}

// Operation returns the operation with that operationId, or nil.
func (c *Contract) Operation(id string) *Operation { return c.operations[id] }

// Operations yields every operation, sorted by id.
func (c *Contract) Operations() iter.Seq[*Operation] {
	return func(yield func(*Operation) bool) {
		for _, id := range slices.Sorted(maps.Keys(c.operations)) {
			if !yield(c.operations[id]) {
				return
			}
		}
	}
}

// Len returns the number of operations.
func (c *Contract) Len() int { return len(c.operations) }

// TakesBody reports whether the operation has a request body of JSON.
func (o *Operation) TakesBody() bool { return o.rules.Body != nil }

// RouterPath returns the path with its parameters written as :name.
func (o *Operation) RouterPath() string {
	return strings.ReplaceAll(strings.ReplaceAll(o.Path, "{", ":"), "}", "")
}
