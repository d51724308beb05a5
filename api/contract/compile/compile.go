// Package compile turns an OpenAPI document into the data by which package contract validates. It refuses a document with a
// keyword that would not be enforced. kin-openapi parses the document. `make gen` compiles the contract of this API, so that
// programs need neither this package nor the parser; tests compile documents of their own:
//
//	compiled, err := compile.Document(doc)
//	...
//	c := contract.New(compiled)
package compile

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/rules"
)

// The media types of bodies.
const (
	jsonType   = "application/json"
	streamType = "text/event-stream"
	formType   = "multipart/form-data"
	anyType    = "*/*" // of bytes that the contract does not look into
)

// Document compiles a parsed document. Its errors name the place and the keyword.
func Document(doc *openapi3.T) (*rules.Contract, error) {
	compiled, _, err := Named(doc)
	return compiled, err
}

// Named is Document, and returns also the names of the schemas, parameters and responses, by their pointers, that are
// components or inside of one: schemaSession, parameterLimit, responseNotFound, headerRetryAfter.
func Named(doc *openapi3.T) (compiled *rules.Contract, names map[any]string, err error) {
	limits, err := readLimits(doc)
	if err != nil {
		return nil, nil, err
	}
	c, components := newCompiler(), openapi3.Components{}
	if doc.Components != nil {
		components = *doc.Components
	}
	compiled = &rules.Contract{Limits: limits}
	for _, name := range slices.Sorted(maps.Keys(components.Schemas)) {
		s, err := c.schema("components.schemas."+name, components.Schemas[name])
		if err != nil {
			return nil, nil, err
		}
		compiled.Schemas = append(compiled.Schemas, rules.Named{Name: name, Schema: s})
	}
	known := map[string]bool{} // operationIds
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			o, err := c.operation(doc, item, path, method, op)
			if err != nil {
				return nil, nil, fmt.Errorf("%s %s: %w", method, path, err)
			}
			if known[o.ID] {
				return nil, nil, fmt.Errorf("%s %s: operationId %q is used twice", method, path, o.ID)
			}
			known[o.ID] = true
			compiled.Operations = append(compiled.Operations, o)
		}
	}
	slices.SortFunc(compiled.Operations, func(a, b *rules.Operation) int { return cmp.Compare(a.ID, b.ID) })
	return compiled, c.names(components), nil
}

// names returns the names of what was compiled of the components.
func (c *compiler) names(components openapi3.Components) map[any]string {
	names := map[any]string{}
	for name, ref := range components.Headers {
		if ref.Value.Schema == nil {
			continue // it was refused where it is used
		}
		names[c.schemas[ref.Value.Schema.Value]] = "header" + name
	}
	for name, ref := range components.Schemas {
		names[c.schemas[ref.Value]] = "schema" + name
	}
	for name, ref := range components.Parameters {
		names[c.parameters[ref.Value]] = "parameter" + name
	}
	for name, ref := range components.Responses {
		names[c.responses[ref.Value]] = "response" + name
	}
	return names
}

// Schema compiles a schema alone. place is for errors.
func Schema(place string, ref *openapi3.SchemaRef) (*rules.Schema, error) {
	return newCompiler().schema(place, ref)
}

// Parameter compiles a parameter alone.
func Parameter(doc *openapi3.Parameter) (*rules.Parameter, error) {
	return newCompiler().parameter(doc)
}

// compiler compiles the parts of a document, each once, so that cycles end and parts that are referred to are shared.
type compiler struct {
	schemas    map[*openapi3.Schema]*rules.Schema
	parameters map[*openapi3.Parameter]*rules.Parameter
	responses  map[*openapi3.Response]*rules.Response
}

func newCompiler() *compiler {
	return &compiler{map[*openapi3.Schema]*rules.Schema{}, map[*openapi3.Parameter]*rules.Parameter{}, map[*openapi3.Response]*rules.Response{}}
}

func (c *compiler) operation(doc *openapi3.T, item *openapi3.PathItem, path, method string, op *openapi3.Operation) (*rules.Operation, error) {
	if op.OperationID == "" {
		return nil, fmt.Errorf("no operationId")
	}
	security := op.Security
	if security == nil {
		security = &doc.Security
	}
	o := &rules.Operation{ID: op.OperationID, Method: method, Path: path, Secured: len(*security) > 0}
	o.NoHead, _ = op.Extensions["x-no-head"].(bool)
	o.CallsOut, _ = op.Extensions["x-calls-out"].(bool)
	for _, ref := range slices.Concat(item.Parameters, op.Parameters) {
		p, err := c.parameter(ref.Value)
		if err != nil {
			return nil, err
		}
		o.Parameters = append(o.Parameters, p)
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
		o.Responses = append(o.Responses, rules.StatusResponse{Status: status, Response: r})
	}
	slices.SortFunc(o.Responses, func(a, b rules.StatusResponse) int { return cmp.Compare(a.Status, b.Status) })
	return o, nil
}

// requestBody compiles an operation's request body: JSON, or a form whose parts the operation reads as they come.
func (c *compiler) requestBody(o *rules.Operation, doc *openapi3.RequestBody) (err error) {
	media, form := doc.Content[jsonType], doc.Content[formType]
	switch {
	case len(doc.Content) != 1 || media == nil && form == nil || form != nil && !doc.Required:
		err = fmt.Errorf("only bodies of %s and required ones of %s are supported", jsonType, formType)
	case media != nil:
		o.Optional = !doc.Required
		o.Body, err = c.schema("request body", media.Schema)
	default:
		o.Form, err = c.schema("request body", form.Schema)
		if err == nil && (o.Form.Kind != rules.Object || !o.Form.Closed) {
			err = fmt.Errorf("a form is an object without additional properties")
		}
	}
	return err
}

func (c *compiler) response(place string, doc *openapi3.Response) (*rules.Response, error) {
	if r := c.responses[doc]; r != nil {
		return r, nil
	}
	r := &rules.Response{}
	for _, name := range slices.Sorted(maps.Keys(doc.Headers)) {
		h := doc.Headers[name].Value
		s, err := c.schema(place+" header "+name, h.Schema)
		if err != nil {
			return nil, err
		}
		if s.Kind > rules.String {
			return nil, fmt.Errorf("%s header %s: only strings, numbers and booleans are supported", place, name)
		}
		r.Headers = append(r.Headers, rules.Header{Name: name, Key: http.CanonicalHeaderKey(name), Required: h.Required, Schema: s})
	}
	for _, media := range slices.Sorted(maps.Keys(doc.Content)) {
		if media != jsonType && media != streamType && media != anyType {
			return nil, fmt.Errorf("%s: content type %s is not supported", place, media)
		}
		s, err := c.schema(place+" "+media, doc.Content[media].Schema)
		if err != nil {
			return nil, err
		}
		r.Bodies = append(r.Bodies, rules.Body{Media: media, Schema: s})
	}
	c.responses[doc] = r
	return r, nil
}

func readLimits(doc *openapi3.T) (rules.Limits, error) {
	raw, ok := doc.Extensions["x-request-limits"].(map[string]any)
	bytes, okBytes := number(raw["max-body-bytes"])
	depth, okDepth := number(raw["max-json-depth"])
	if !ok || !okBytes || !okDepth {
		return rules.Limits{}, fmt.Errorf("x-request-limits must have max-body-bytes and max-json-depth")
	}
	return rules.Limits{BodyBytes: int64(bytes), JSONDepth: int(depth)}, nil
}
