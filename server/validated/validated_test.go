package validated_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/cloud-sessions/sessions/server/validated"
)

// holder is a writer that accepts validated bodies.
type holder struct {
	http.ResponseWriter
	body []byte
}

func (h *holder) WriteValidated(body []byte) error {
	h.body = body
	return nil
}

// wrapper is a writer around another one, as routers have it.
type wrapper struct{ http.ResponseWriter }

func (w wrapper) Unwrap() http.ResponseWriter { return w.ResponseWriter }

func TestAValidatedBodyReachesTheWriterThatAcceptsIt(t *testing.T) {
	recorder := httptest.NewRecorder()
	inner := &holder{ResponseWriter: recorder}
	if err := validated.Body(`{"id":"sess_1"}`).VisitGetSessionResponse(wrapper{wrapper{inner}}); err != nil {
		t.Fatal(err)
	}
	if string(inner.body) != `{"id":"sess_1"}` || recorder.Body.Len() > 0 {
		t.Errorf("%q was accepted, %q written", inner.body, recorder.Body)
	}
	if recorder.Code != 200 || recorder.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v", recorder.Code, recorder.Header())
	}
}

func TestAWriterThatAcceptsNoneGetsTheBytes(t *testing.T) {
	recorder := httptest.NewRecorder()
	if err := validated.Body(`{}`).VisitGetSessionResponse(wrapper{recorder}); err != nil {
		t.Fatal(err)
	}
	if recorder.Code != 200 || recorder.Body.String() != `{}` || recorder.Header().Get("Content-Type") != "application/json" {
		t.Errorf("%d %v %q", recorder.Code, recorder.Header(), recorder.Body)
	}
}
