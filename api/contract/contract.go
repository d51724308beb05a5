// Package contract validates requests, responses and events by the OpenAPI document. It knows net/http and
// the document, but no router: a server calls the methods of an Operation before and after it runs the
// operation, a client before it sends a request and after it receives the response.
//
// kin-openapi parses the document. Compile turns its schemas into validators that walk the bytes of a JSON
// text once and build no values from it; it refuses a document with a keyword that they do not implement.
package contract

import (
	"fmt"
	"iter"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
)

// Contract is the compiled document: an Operation for each operationId, and the component schemas.
type Contract struct {
	operations map[string]*Operation
	schemas    map[string]*Schema
}

// limits are the document's x-request-limits.
type limits struct {
	bodyBytes int64
	jsonDepth int
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

	segments   []string // of Path
	limits     limits
	parameters []parameter
	body       *schema // of JSON; nil for none
	optional   bool    // whether a request may have no body nevertheless
	form       *schema // of the parts of a form, an object; nil for none
	responses  map[int]*response
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

// Load returns the compiled contract of package api. It is compiled once per process and never changed.
func Load() (*Contract, error) { return embedded() }

var embedded = sync.OnceValues(func() (*Contract, error) {
	doc, err := api.Load()
	if err != nil {
		return nil, err
	}
	return Compile(doc)
})

// Compile compiles a loaded document. It returns an error with the place and the keyword if the document
// has a keyword that would not be enforced.
func Compile(doc *openapi3.T) (*Contract, error) {
	limits, err := readLimits(doc)
	if err != nil {
		return nil, err
	}
	c := &Contract{operations: map[string]*Operation{}, schemas: map[string]*Schema{}}
	schemas := &compiler{done: map[*openapi3.Schema]*schema{}}
	for _, name := range slices.Sorted(maps.Keys(doc.Components.Schemas)) {
		root, err := schemas.compile("components.schemas."+name, doc.Components.Schemas[name])
		if err != nil {
			return nil, err
		}
		c.schemas[name] = &Schema{place: name, root: root, maxDepth: limits.jsonDepth}
	}
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			compiled, err := schemas.operation(doc, item, path, method, op)
			if err != nil {
				return nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			if c.operations[compiled.ID] != nil {
				return nil, fmt.Errorf("%s %s: operationId %q is used twice", method, path, compiled.ID)
			}
			compiled.limits = limits
			c.operations[compiled.ID] = compiled
		}
	}
	return c, nil
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

func (c *compiler) operation(doc *openapi3.T, item *openapi3.PathItem, path, method string, op *openapi3.Operation) (*Operation, error) {
	if op.OperationID == "" {
		return nil, fmt.Errorf("no operationId")
	}
	security := op.Security
	if security == nil {
		security = &doc.Security
	}
	o := &Operation{
		ID: op.OperationID, Method: method, Path: path,
		Secured:   len(*security) > 0,
		segments:  strings.Split(path, "/"),
		responses: map[int]*response{},
	}
	o.NoHead, _ = op.Extensions["x-no-head"].(bool)
	o.CallsOut, _ = op.Extensions["x-calls-out"].(bool)
	for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
		p, err := c.parameter(ref.Value)
		if err != nil {
			return nil, err
		}
		o.parameters = append(o.parameters, p)
	}
	if op.RequestBody != nil {
		if err := c.requestBody(o, op.RequestBody.Value); err != nil {
			return nil, err
		}
	}
	for code, ref := range op.Responses.Map() {
		var status int
		if _, err := fmt.Sscanf(code, "%3d", &status); err != nil || http.StatusText(status) == "" {
			return nil, fmt.Errorf("response %q is not a single status", code)
		}
		r, err := c.response("response "+code, ref.Value)
		if err != nil {
			return nil, err
		}
		o.responses[status] = r
	}
	o.Statuses = slices.Sorted(maps.Keys(o.responses))
	return o, nil
}

// requestBody compiles an operation's request body: JSON, or a form whose parts the operation reads as they come.
func (c *compiler) requestBody(o *Operation, doc *openapi3.RequestBody) (err error) {
	media, form := doc.Content[jsonType], doc.Content[formType]
	switch {
	case len(doc.Content) != 1 || media == nil && form == nil || form != nil && !doc.Required:
		err = fmt.Errorf("only bodies of %s and required ones of %s are supported", jsonType, formType)
	case media != nil:
		o.optional = !doc.Required
		o.body, err = c.compile("request body", media.Schema)
	default:
		o.form, err = c.compile("request body", form.Schema)
		if err == nil && (o.form.kind != objectKind || !o.form.closed) {
			err = fmt.Errorf("a form is an object without additional properties")
		}
	}
	return err
}

func readLimits(doc *openapi3.T) (limits, error) {
	raw, ok := doc.Extensions["x-request-limits"].(map[string]any)
	bytes, okBytes := number(raw["max-body-bytes"])
	depth, okDepth := number(raw["max-json-depth"])
	if !ok || !okBytes || !okDepth {
		return limits{}, fmt.Errorf("x-request-limits must have max-body-bytes and max-json-depth")
	}
	return limits{bodyBytes: int64(bytes), jsonDepth: int(depth)}, nil
}

// number reads a number from an extension, in any type that the YAML parser may have chosen.
func number(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case int:
		return float64(v), true
	case int64:
		return float64(v), true
	case uint64:
		return float64(v), true
	}
	return 0, false
}

// phrase reads a string from a schema's extensions; "" when it is absent.
func phrase(extensions map[string]any, name string) string {
	s, _ := extensions[name].(string)
	return strings.TrimSpace(s)
}

// Len returns the number of operations.
func (c *Contract) Len() int { return len(c.operations) }

// TakesBody reports whether the operation has a request body of JSON.
func (o *Operation) TakesBody() bool { return o.body != nil }

// RouterPath returns the path with its parameters written as :name.
func (o *Operation) RouterPath() string {
	return strings.ReplaceAll(strings.ReplaceAll(o.Path, "{", ":"), "}", "")
}
