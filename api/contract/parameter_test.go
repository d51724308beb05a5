package contract

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/api/contract/compile"
)

// oracleParameter returns kin-openapi's verdict on the values of a parameter, in this package's words.
func oracleParameter(doc *openapi3.Parameter, values []string) *RequestError {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	input := &openapi3filter.RequestValidationInput{
		Request: r, QueryParams: url.Values{}, PathParams: map[string]string{},
		Route:   &routers.Route{Spec: &openapi3.T{OpenAPI: "3.0.3"}},
		Options: &openapi3filter.Options{MultiError: true},
	}
	subject := "Parameter '" + doc.Name + "'"
	if doc.In == openapi3.ParameterInHeader {
		subject = "Header '" + doc.Name + "'"
	}
	switch {
	case len(values) == 0:
	case doc.In == openapi3.ParameterInHeader:
		r.Header[http.CanonicalHeaderKey(doc.Name)] = values
	case doc.In == openapi3.ParameterInQuery:
		input.QueryParams[doc.Name] = values
	default:
		input.PathParams[doc.Name] = values[0]
	}
	if len(values) > 1 && !doc.Schema.Value.Type.Is(openapi3.TypeArray) {
		return &RequestError{Param: doc.Name, Message: subject + " must occur only once."}
	}
	err := openapi3filter.ValidateParameter(r.Context(), input, doc)
	if err == nil {
		return nil
	}
	m := &mistake{rule: "type", schema: rulesOf(doc.Schema.Value)}
	var broken *openapi3.SchemaError
	if errors.As(err, &broken) {
		m.rule, m.schema = broken.SchemaField, rulesOf(broken.Schema)
	} else if errors.Is(err, openapi3filter.ErrInvalidEmptyValue) && m.schema.Pattern != nil {
		m.rule = "pattern"
	}
	return &RequestError{Param: doc.Name, Message: subject + " " + m.expectation() + "."}
}

// sampleParameters returns the document's parameters and others of the supported kinds.
func sampleParameters(tb testing.TB) []*openapi3.Parameter {
	doc, _ := document(tb)
	var all []*openapi3.Parameter
	for _, ref := range doc.Components.Parameters {
		all = append(all, ref.Value)
	}
	number := openapi3.NewFloat64Schema().WithFormat("double").WithMin(0.5).WithMax(3)
	time := openapi3.NewStringSchema().WithFormat("date-time")
	list := openapi3.NewArraySchema().WithItems(openapi3.NewStringSchema().WithEnum("a", "b").WithMaxLength(3)).WithMaxItems(2).WithUniqueItems(true)
	counts := openapi3.NewArraySchema().WithItems(openapi3.NewIntegerSchema().WithMin(1)).WithMinItems(2)
	return append(all,
		openapi3.NewQueryParameter("score").WithSchema(number),
		openapi3.NewQueryParameter("created_at[gte]").WithSchema(time),
		openapi3.NewQueryParameter("statuses[]").WithSchema(list),
		openapi3.NewQueryParameter("n").WithSchema(counts),
		openapi3.NewQueryParameter("must").WithSchema(openapi3.NewInt64Schema()).WithRequired(true),
		openapi3.NewHeaderParameter("X-On").WithSchema(openapi3.NewBoolSchema()),
		openapi3.NewPathParameter("number").WithSchema(openapi3.NewIntegerSchema().WithFormat("int32")))
}

// agreeOnParameter compares this package with kin-openapi: the same verdict in the same words.
func agreeOnParameter(t *testing.T, doc *openapi3.Parameter, values []string) {
	t.Helper()
	p, err := compile.Parameter(doc)
	if err != nil {
		t.Fatal(err)
	}
	want, got := oracleParameter(doc, values), parameter{p}.check(values).requestError()
	if diff := cmp.Diff(want, got); diff != "" {
		for _, value := range append(values, "") {
			for _, known := range parameterDifferences() {
				if known.explains(value, want, got) && (value != "" || len(values) > 0 && values[0] == "") {
					return
				}
			}
		}
		t.Errorf("%s %q (-kin +own):\n%s", doc.Name, values, diff)
	}
}

func TestParametersAgree(t *testing.T) {
	values := []string{"", "a", "b", "c", "1", "0", "-1", "+1", "01", "1.5", "1e2", "1e999", "0x10", "true", "false", "TRUE", "t", "100", "101", "2147483648", "9223372036854775808", " 1", "1 ", "desc", "asc",
		"sess_1", "sess_", "agent_1", "env_1", "schlüssel", "\xff", "k k", "2026-05-18T15:26:15Z", "2026-05-18", "NaN", "Inf", "1_0", "null"}
	for _, doc := range sampleParameters(t) {
		agreeOnParameter(t, doc, nil)
		for _, value := range values {
			agreeOnParameter(t, doc, []string{value})
			agreeOnParameter(t, doc, []string{value, "a"})
			agreeOnParameter(t, doc, []string{"b", value})
		}
		agreeOnParameter(t, doc, []string{"a", "b", "c"})
	}
}

// FuzzParameter compares the verdicts on any value of any of the sample parameters.
func FuzzParameter(f *testing.F) {
	all := sampleParameters(f)
	for i := range all {
		for _, value := range []string{"1", "a", "true", "1.5e3", "sess_1", ""} {
			f.Add(uint8(i), value)
		}
	}
	f.Fuzz(func(t *testing.T, i uint8, value string) {
		agreeOnParameter(t, all[int(i)%len(all)], []string{value})
	})
}
