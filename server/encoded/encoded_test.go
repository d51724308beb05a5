package encoded_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloud-sessions/sessions/server/encoded"
)

// holder is a writer that accepts validated bodies.
type holder struct {
	http.ResponseWriter
	validated string
}

func (h *holder) WriteValidated(body []byte) error {
	h.validated = string(body)
	return nil
}

// wrapper is a writer around another one, as routers have it.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// A validated body reaches the writer that accepts such bodies through the writers around it. A body that was not
// validated does not, and a writer that accepts none gets the bytes.
func TestOnlyValidatedBodiesAreWrittenAsValidated(t *testing.T) {
	const body = `{"id":"sess_1"}`
	for name, tc := range map[string]struct {
		response           encoded.Response
		accepts            bool
		validated, written string
	}{
		"validated":            {encoded.Response{Body: []byte(body), Validated: true}, true, body, ""},
		"not validated":        {encoded.Response{Body: []byte(body)}, true, "", body},
		"a writer of any kind": {encoded.Response{Body: []byte(body), Validated: true}, false, "", body},
	} {
		t.Run(name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			inner := &holder{ResponseWriter: recorder}
			var w http.ResponseWriter = wrapper{wrapper{recorder}}
			if tc.accepts {
				w = wrapper{wrapper{inner}}
			}
			for operation, visit := range map[string]func(http.ResponseWriter) error{
				"getSession": tc.response.VisitGetSessionResponse,
				"sendEvents": tc.response.VisitSendEventsResponse,
				"listEvents": tc.response.VisitListEventsResponse,
			} {
				recorder.Body.Reset()
				inner.validated = ""
				if err := visit(w); err != nil || inner.validated != tc.validated || recorder.Body.String() != tc.written {
					t.Errorf("%s: %q as validated, %q written, %v", operation, inner.validated, recorder.Body, err)
				}
			}
			if recorder.Code != encoded.Status || recorder.Header().Get("Content-Type") != "application/json" {
				t.Errorf("%d %v", recorder.Code, recorder.Header())
			}
		})
	}
}
