// Package rules is the contract as data: what requests, responses and events must be. Package compile makes the data from an
// OpenAPI document, package compiled has those of this API, and package contract validates by them. They are composite
// literals of constants and pointers, which a linker lays out: a program does no work for them when it starts, and reads from
// the disk only what it validates by. Nothing changes the data after they were made.
package rules

// Contract is a document.
type Contract struct {
	Limits     Limits
	Operations []*Operation // by ID
	Schemas    []Named      // the component schemas, by name
}

// Limits are an x-request-limits.
type Limits struct {
	BodyBytes int64
	JSONDepth int
}

// Named is a component schema.
type Named struct {
	Name   string
	Schema *Schema
}

// Operation is an operation.
type Operation struct {
	ID           string // the operationId
	Method, Path string
	Secured      bool         // a token is required
	NoHead       bool         // x-no-head
	CallsOut     bool         // x-calls-out
	Parameters   []*Parameter // in the document's order
	Body         *Schema      // of JSON; nil for none
	Optional     bool         // whether a request may have no body nevertheless
	Form         *Schema      // of the parts of a form, a closed object; nil for none
	Responses    []StatusResponse
}

// StatusResponse is the response of one status. Those of an operation are sorted by status.
type StatusResponse struct {
	Status int
	*Response
}

// Response returns the response of a status, or nil.
func (o *Operation) Response(status int) *Response {
	for i := range o.Responses {
		if o.Responses[i].Status == status {
			return o.Responses[i].Response
		}
	}
	return nil
}

// Response is a response.
type Response struct {
	Headers []Header // by name
	Bodies  []Body   // by media type
}

// Body is the body of a response in one media type.
type Body struct {
	Media  string
	Schema *Schema
}

// Body returns the schema of the body in a media type, or nil.
func (r *Response) Body(media string) *Schema {
	for i := range r.Bodies {
		if r.Bodies[i].Media == media {
			return r.Bodies[i].Schema
		}
	}
	return nil
}

// Header is a header of a response.
type Header struct {
	Name, Key string // as declared, and canonical
	Required  bool
	Schema    *Schema
}

// The places of a parameter.
const (
	InPath   = "path"
	InQuery  = "query"
	InHeader = "header"
)

// Parameter is a parameter of the path, the query or the headers: one value or, in the query, also several of one name.
type Parameter struct {
	Name, Key string // as declared, and as requests have it: canonical for headers
	In        string
	Required  bool
	Schema    *Schema
	Absent    string // the default; "" when there is none
	Example   string // a valid value, of an array one item; "" when there is none
}
