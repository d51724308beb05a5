package contract

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/gen/types"
)

// BenchmarkCheckRequest validates the documented POST /sessions with this package and, for comparison, with
// kin-openapi.
func BenchmarkCheckRequest(b *testing.B) {
	doc, c := document(b)
	op := c.Operation("createSession")
	media := doc.Paths.Find("/sessions").Post.RequestBody.Value.Content[jsonType]
	data := exampleJSON(b, media.Examples["page"].Value.Value)
	b.Run("compiled", func(b *testing.B) {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/sessions", nil)
		r.Header.Set("Content-Type", jsonType)
		body := strings.NewReader("")
		b.ReportAllocs()
		for b.Loop() {
			body.Reset(data)
			r.Body, r.ContentLength = io.NopCloser(body), int64(len(data))
			if err := op.CheckRequest(r, nil); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("kin-openapi", func(b *testing.B) {
		schema := media.Schema.Value
		b.ReportAllocs()
		for b.Loop() {
			value := mustDecode(b, data)
			if oracleMistake(schema, value, openapi3.VisitAsRequest()) != nil {
				b.Fatal("refused")
			}
			if err := schema.VisitJSON(value, openapi3.VisitAsRequest(), openapi3.DefaultsSet(func() {})); err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(value); err != nil {
				b.Fatal(err)
			}
		}
	})
}

// BenchmarkCheckResponse validates a Session in a response of createSession.
func BenchmarkCheckResponse(b *testing.B) {
	doc, c := document(b)
	op := c.Operation("createSession")
	media := doc.Paths.Find("/sessions").Post.Responses.Value("201").Value.Content[jsonType]
	var session types.Session
	if err := json.Unmarshal([]byte(exampleJSON(b, doc.Components.Examples["Session"].Value.Value)), &session); err != nil {
		b.Fatal(err)
	}
	data := exampleJSON(b, session) // in the order in which the server sends it
	b.Run("compiled", func(b *testing.B) {
		header := http.Header{"Content-Type": {jsonType}, "X-Request-Id": {"019e3bb1-e8c1-71fd-9abb-b1477ffb84cc"}}
		body := []byte(data)
		b.SetBytes(int64(len(body)))
		b.ReportAllocs()
		for b.Loop() {
			if err := op.CheckResponse(http.StatusCreated, header, body); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("kin-openapi", func(b *testing.B) {
		b.SetBytes(int64(len(data)))
		b.ReportAllocs()
		for b.Loop() {
			if oracleMistake(media.Schema.Value, mustDecode(b, data), openapi3.VisitAsResponse()) != nil {
				b.Fatal("refused")
			}
		}
	})
}

func mustDecode(tb testing.TB, data string) any {
	value, m := oracleDecode(data)
	if m != nil {
		tb.Fatal(m)
	}
	return value
}
