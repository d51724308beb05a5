package validated_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
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

func TestWithItems(t *testing.T) {
	t.Parallel()
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	op := compiled.Operation("listEvents")
	const rest = `],"first_id":null,"last_id":null,"has_more":false,"next_page":null}`
	items := make([][]byte, 100)
	for i := range items {
		items[i] = []byte("{}") // the caller's word counts
	}
	for _, n := range []int{0, 1, 2, 100} {
		want := `{"data":[` + strings.TrimSuffix(strings.Repeat("{},", n), ",") + rest + "\n"
		if got, err := validated.WithItems(op, []byte(`{"data":[`+rest), items[:n]); err != nil || string(got) != want {
			t.Errorf("%d items: %s, %v", n, got, err)
		}
	}
	var violation *contract.Violation
	if _, err := validated.WithItems(op, []byte(`{"data":[`+rest), append(items, items[0])); !errors.As(err, &violation) || violation.Pointer != "/data" || violation.Rule != "maxItems" {
		t.Errorf("more items than a page has: %v", err)
	}
	if _, err := validated.WithItems(op, []byte(`{"data":[],"first_id":"x","last_id":null,"has_more":false,"next_page":null}`), nil); !errors.As(err, &violation) || violation.Pointer != "/first_id" {
		t.Errorf("an envelope that violates the contract: %v", err)
	}
	if _, err := validated.WithItems(op, []byte(`{"first_id":null,"data":[]}`), nil); err == nil {
		t.Error("an envelope that does not begin with its data")
	}
}
