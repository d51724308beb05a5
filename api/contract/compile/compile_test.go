package compile

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api/contract/internal/tiny"
)

// What would go unchecked does not compile, and the error names place and keyword.
func TestCompileRefuses(t *testing.T) {
	const object, limit = "{type: object}", "{name: q, in: query, schema: {type: integer}}"
	ref := "{$ref: '#/components/schemas/A'}"
	for _, c := range []struct{ parameter, body, component, want string }{
		{limit, object, "{allOf: [{type: object}]}", "components.schemas.A: type"},
		{limit, object, "{type: object, allOf: [{type: object}]}", "components.schemas.A: keyword allOf"},
		{limit, object, "{type: object, anyOf: [{type: object}]}", "keyword anyOf"},
		{limit, object, "{type: string, not: {type: string}}", "keyword not"},
		{limit, object, "{}", "components.schemas.A: type"},
		{limit, object, "{type: object, properties: {a: {type: array, items: {type: integer, multipleOf: 2}}}}", "components.schemas.A.properties.a.items: keyword multipleOf"},
		{limit, object, "{type: object, additionalProperties: {type: string, format: uuid}}", "components.schemas.A.additionalProperties: keyword format"},
		{limit, object, "{type: integer, format: int8}", "keyword format"},
		{limit, object, "{type: number, format: float}", "keyword format"},
		{limit, object, "{type: integer, maximum: 1e16, exclusiveMaximum: true}", "exclusiveMaximum"},
		{limit, object, "{type: integer, enum: [1]}", "keyword enum"},
		{limit, object, "{type: string, enum: [1]}", "enum: 1 is not a string"},
		{limit, object, "{type: boolean, pattern: a}", "keyword pattern"},
		{limit, object, "{type: string, pattern: '('}", "components.schemas.A: pattern"},
		{limit, object, "{type: string, readOnly: true}", "keyword readOnly"},
		{limit, object, "{type: object, minLength: 1}", "keyword minLength"},
		{limit, object, "{type: array}", "components.schemas.A.items: no schema"},
		{limit, object, "{type: array, uniqueItems: true, items: {type: number}}", "uniqueItems"},
		{limit, object, "{type: array, uniqueItems: true, items: {type: string, nullable: true}}", "uniqueItems"},
		{limit, object, "{type: object, default: {}}", "keyword default"},
		{limit, object, "{type: object, properties: {a: {type: integer, minimum: 2, default: 1}}}", "A.properties.a: default: it violates minimum"},
		{limit, object, "{type: object, required: [b], properties: {a: {type: string}}}", `required: no property "b"`},
		{limit, object, "{type: object, properties: {" + strings.Repeat("a", 1) + manyProperties(65) + "}}", "properties: more than 64"},
		{limit, object, "{type: object, x-property-names: {minLength: 1, format: a}}", `x-property-names: keyword "format"`},
		{limit, object, "{type: object, x-property-names: {pattern: '('}}", "x-property-names"},
		{limit, object, "{type: object, x-property-names: 1}", "x-property-names"},
		{limit, object, "{type: object, properties: {a: {type: string}}, x-property-names: {minLength: 1}}", "x-property-names"},
		{limit, object, "{type: string, x-property-names: {minLength: 1}}", "x-property-names"},
		{limit, object, "{type: object, oneOf: [{type: string}]}", "keyword type"},
		{limit, object, "{oneOf: [{type: string}, {type: string}]}", "A.oneOf[1]: oneOf: without a discriminator"},
		{limit, object, "{oneOf: [{type: integer}, {type: number}]}", "oneOf: without a discriminator"},
		{limit, object, "{oneOf: [{type: string, nullable: true}, {type: object}]}", "A.oneOf[0]: oneOf"},
		{limit, object, "{oneOf: [{oneOf: [{type: string}]}]}", "A.oneOf[0]: oneOf"},
		{limit, object, "{oneOf: [{type: object}], discriminator: {propertyName: type}}", "discriminator: the mapping"},
		{limit, object, "{oneOf: [{$ref: '#/components/schemas/S'}], discriminator: {propertyName: type, mapping: {s: '#/components/schemas/S'}}}", `discriminator: "s" must refer to an object`},
		{limit, ref, "{oneOf: [" + ref + "]}", "A.oneOf[0]: oneOf"},
		{limit, "{type: array, items: {type: string, contentEncoding: gzip}}", object, "POST /a: request body.items: keyword contentEncoding"},
		{"{name: q, in: query, schema: {type: object}}", object, object, "query parameter q: only strings"},
		{"{name: q, in: header, schema: {type: array, items: {type: string}}}", object, object, "header parameter q: only strings"},
		{"{name: q, in: query, schema: {type: array, uniqueItems: true, items: {type: integer}}}", object, object, "query parameter q: uniqueItems"},
		{"{name: q, in: cookie, schema: {type: string}}", object, object, "cookie parameter q"},
		{"{name: q, in: query, explode: false, schema: {type: array, items: {type: string}}}", object, object, "explode"},
		{"{name: q, in: query, style: pipeDelimited, schema: {type: array, items: {type: string}}}", object, object, "query parameter q: style"},
		{"{name: q, in: query, allowEmptyValue: true, schema: {type: string}}", object, object, "allowEmptyValue"},
		{"{name: q, in: query, content: {application/json: {schema: {type: string}}}}", object, object, "content"},
		{"{name: q, in: query, schema: {type: string, default: ''}}", object, object, "default: must not be empty"},
		{"{name: q, in: query, schema: {type: array, items: {type: object}}}", object, object, "query parameter q"},
	} {
		_, err := Document(tiny.Document(t, c.parameter, c.body, c.component))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s %s %s\ngot  %v\nwant %s", c.parameter, c.body, c.component, err, c.want)
		}
	}
	if _, err := Document(tiny.Document(t, limit, object, object)); err != nil {
		t.Error(err)
	}
}

func manyProperties(n int) string {
	var out strings.Builder
	for range n {
		out.WriteString(": {type: string}, " + strings.Repeat("a", out.Len()/10+2))
	}
	return out.String() + ": {type: string}"
}

func TestCompileRefusesOperations(t *testing.T) {
	for want, change := range map[string]func(*openapi3.T, *openapi3.Operation){
		"x-request-limits": func(doc *openapi3.T, _ *openapi3.Operation) { delete(doc.Extensions, "x-request-limits") },
		"no operationId":   func(_ *openapi3.T, op *openapi3.Operation) { op.OperationID = "" },
		"only bodies of application/json": func(_ *openapi3.T, op *openapi3.Operation) {
			op.RequestBody.Value.Content["text/csv"] = openapi3.NewMediaType()
		},
		"is not a single": func(_ *openapi3.T, op *openapi3.Operation) { op.Responses.Set("2XX", op.Responses.Value("200")) },
		"content type text/csv": func(_ *openapi3.T, op *openapi3.Operation) {
			op.Responses.Value("200").Value.Content["text/csv"] = openapi3.NewMediaType()
		},
		"200 header A": func(_ *openapi3.T, op *openapi3.Operation) {
			h := &openapi3.Header{Parameter: openapi3.Parameter{Schema: openapi3.NewObjectSchema().NewRef()}}
			op.Responses.Value("200").Value.Headers = openapi3.Headers{"A": {Value: h}}
		},
		"used twice": func(doc *openapi3.T, op *openapi3.Operation) { doc.Paths.Set("/b", &openapi3.PathItem{Post: op}) },
	} {
		doc := tiny.Document(t, "{name: q, in: query, schema: {type: integer}}", "{type: object}", "{type: object}")
		change(doc, doc.Paths.Find("/a").Post)
		if _, err := Document(doc); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
