// Package tiny makes small OpenAPI documents for tests.
package tiny

import (
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
)

// Document returns a document around one operation's query parameter, body and component schema, in YAML's flow
// style; the body's schema can name the component as A.
func Document(tb testing.TB, parameter, body, component string) *openapi3.T {
	tb.Helper()
	text := `{openapi: 3.0.3, info: {title: t, version: "1"}, x-request-limits: {max-body-bytes: 1000, max-json-depth: 64},
paths: {/a: {post: {operationId: post, parameters: [` + parameter + `],
requestBody: {required: true, content: {application/json: {schema: ` + body + `}}},
responses: {"200": {description: d, content: {application/json: {schema: {type: object}}}}, "204": {description: d}}}}},
components: {schemas: {A: ` + component + `, S: {type: string}}}}`
	doc, err := openapi3.NewLoader().LoadFromData([]byte(strings.ReplaceAll(text, "\n", " ")))
	if err != nil {
		tb.Fatalf("%v\n%s", err, text)
	}
	return doc
}

// Patterns returns expressions of the shapes of the contract's, and others that need the regexp package.
func Patterns() []string {
	return []string{
		`^id_[0-9a-z]{1,4}$`, `^[^\x00]*$`, `^[\x20-\x7e]{1,3}$`, `^(id_[0-9a-z]{1,4})?$`, `^https?://[^\x00-\x20]+$`, `^(a|bc|d*)$`,
		`^[A-Za-z_][A-Za-z0-9_]*$`, `^[A-Za-z0-9*]([A-Za-z0-9.*-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`, `a+b`, `^a*ab$`, `^a?b?a{2}$`, `^é+$`, `^[^a]{2}$`,
	}
}
