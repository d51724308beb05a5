package openai

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/turn/turntest"
)

// TestNearTheBounds tests that a response which has almost as much as it may have of something goes on, and ends with the
// piece that exceeds the bound.
func TestNearTheBounds(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		before response // 15,000 bytes below the bound
		delta  string   // with 10,000 bytes
		err    string
	}{
		"text":      {response{said: maxText - 15_000}, `{"content":%q}`, "The model sent more than 8388608 bytes of text in one reply."},
		"thoughts":  {response{message: collected{bytes: maxText - 15_000}}, `{"reasoning_content":%q}`, "The model thought more than 8388608 bytes in one reply."},
		"arguments": {response{calls: calls{bytes: maxArguments - 15_000}}, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":%q}}]}`, "The model sent more than 4194304 bytes of tool arguments in one reply."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			event := fmt.Sprintf(`data: {"choices":[{"index":0,"delta":`+c.delta+`}]}`+"\n\n", strings.Repeat("x", 10_000))
			for events, want := range []string{"", "", c.err} {
				r := c.before
				r.out, r.calls.knows = &turntest.Recorder{}, func(string) bool { return true }
				err := r.read(t.Context(), strings.NewReader(strings.Repeat(event, events)))
				if (err == nil) != (want == "") || err != nil && err.Error() != want {
					t.Errorf("%d events: error %v, want %q", events, err, want)
				}
			}
		})
	}
}

// zeros is a body without an end.
type zeros struct{ io.Reader }

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
func (zeros) Close() error               { return nil }

// RoundTrip implements http.RoundTripper.
func (z zeros) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: z}, nil
}

// TestResponsesAreBounded tests that no response is read further than any that makes sense, whatever it consists of.
func TestResponsesAreBounded(t *testing.T) {
	t.Parallel()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://localhost", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := withBounds(&http.Client{Transport: zeros{}}).Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if n, err := io.Copy(io.Discard, io.LimitReader(response.Body, 2*maxResponse)); n != 128<<20 || !errors.Is(err, errTooMuch) {
		t.Errorf("%d bytes, then %v", n, err)
	}
}
