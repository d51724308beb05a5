package contract

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
)

// CheckRequest holds a request against the operation: parameters, then content type, then body. It
// returns a *Fault, the first in the document's order, or nil. Defaults are written into the request's
// query and body, and the body is replaced by what was checked, so that nothing reads other bytes.
// pathParam returns a path parameter by name, percent-encoded as it was sent.
func (o *Operation) CheckRequest(r *http.Request, pathParam func(name string) string) error {
	if err := o.checkParameters(r, pathParam); err != nil {
		return err
	}
	if o.body == nil {
		return nil
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		return &Fault{Param: "Content-Type", Message: "Header 'Content-Type' must be application/json."}
	}
	data, fault := o.readBody(r)
	if fault != nil {
		return fault
	}
	checked, fault := o.checkBody(data)
	if fault != nil {
		return fault
	}
	r.Body = io.NopCloser(bytes.NewReader(checked))
	r.ContentLength = int64(len(checked))
	return nil
}

func (o *Operation) checkParameters(r *http.Request, pathParam func(string) string) error {
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return &Fault{Param: "query", Message: "The query string is malformed; percent-encode its names and values."}
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, QueryParams: query, PathParams: map[string]string{}, Route: o.route,
		Options: &openapi3filter.Options{MultiError: true},
	}
	for _, ref := range o.parameters {
		parameter := ref.Value
		switch parameter.In {
		case openapi3.ParameterInPath:
			value, err := url.PathUnescape(pathParam(parameter.Name))
			if err != nil {
				return &Fault{Param: parameter.Name, Message: subject(parameter) + " is not percent-encoded properly."}
			}
			input.PathParams[parameter.Name] = value
		case openapi3.ParameterInQuery:
			if len(query[parameter.Name]) > 1 && !parameter.Schema.Value.Type.Is(openapi3.TypeArray) {
				return &Fault{Param: parameter.Name, Message: subject(parameter) + " must be given only once."}
			}
		case openapi3.ParameterInHeader:
			if len(r.Header.Values(parameter.Name)) > 1 {
				return &Fault{Param: parameter.Name, Message: subject(parameter) + " must be given only once."}
			}
		}
		if err := openapi3filter.ValidateParameter(r.Context(), input, parameter); err != nil {
			return parameterFault(parameter, err)
		}
	}
	return nil
}

// parameterFault says what a parameter must be, whichever way it was wrong.
func parameterFault(parameter *openapi3.Parameter, err error) *Fault {
	m := &mistake{rule: "type", schema: parameter.Schema.Value}
	var schemaErr *openapi3.SchemaError
	if errors.As(err, &schemaErr) {
		m.rule, m.schema = schemaErr.SchemaField, schemaErr.Schema
	} else if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) && m.schema.Pattern != "" {
		m.rule = "pattern"
	}
	return &Fault{Param: parameter.Name, Message: subject(parameter) + " " + m.expectation() + "."}
}

// subject is how a message names a parameter.
func subject(parameter *openapi3.Parameter) string {
	if parameter.In == openapi3.ParameterInHeader {
		return "Header '" + parameter.Name + "'"
	}
	return "Parameter '" + parameter.Name + "'"
}

// readBody reads the body, no further than the contract's limit.
func (o *Operation) readBody(r *http.Request) ([]byte, *Fault) {
	tooLarge := &Fault{Param: wholeBody, Message: fmt.Sprintf("The request body must be at most %d bytes long.", o.limits.bodyBytes)}
	if r.ContentLength > o.limits.bodyBytes {
		return nil, tooLarge
	}
	data, err := io.ReadAll(io.LimitReader(r.Body, o.limits.bodyBytes+1))
	switch {
	case err != nil:
		return nil, &Fault{Param: wholeBody, Message: "The request body could not be read to its end."}
	case int64(len(data)) > o.limits.bodyBytes:
		return nil, tooLarge
	case len(data) == 0:
		return nil, &Fault{Param: wholeBody, Message: "The request body is missing; send a JSON object."}
	}
	return data, nil
}

// checkBody returns the body with defaults filled in.
func (o *Operation) checkBody(data []byte) ([]byte, *Fault) {
	value, fault := decodeJSON(data, o.limits.jsonDepth)
	if fault != nil {
		return nil, fault
	}
	if m := firstMistake(o.body, value, openapi3.VisitAsRequest()); m != nil {
		return nil, &Fault{Param: m.at.param(), Message: m.sentence(m.at.field())}
	}
	// Defaults come last: the engine would put them in the place of a null, too, which is a mistake.
	if err := o.body.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.DefaultsSet(func() {})); err != nil {
		return nil, &Fault{Param: wholeBody, Message: "The request body does not fit the contract."}
	}
	checked, err := json.Marshal(value)
	if err != nil {
		return nil, &Fault{Param: wholeBody, Message: "The request body is not valid JSON."}
	}
	return checked, nil
}

// isEventStream reports whether a Content-Type is that of server-sent events.
func isEventStream(contentType string) bool {
	return strings.HasPrefix(contentType, "text/event-stream")
}

// CheckJSON holds a JSON value against the component schema of that name and returns a *Fault, the
// first in the document's order, or nil. Params are relative to the value.
func (c *Contract) CheckJSON(schema string, data []byte) error {
	ref := c.schemas[schema]
	if ref == nil {
		return fmt.Errorf("the contract has no schema %q", schema)
	}
	value, fault := decodeJSON(data, len(data))
	if fault != nil {
		return fault
	}
	if m := firstMistake(ref.Value, value); m != nil {
		return &Fault{Param: m.at.param(), Message: m.sentence(m.at.field())}
	}
	return nil
}
