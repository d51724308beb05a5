package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// The same options work for the client and for a call, which wins and changes nothing for the next.
func TestOptionsAtBothLevels(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{answer(200, sessionJSON)},
		client.WithHeader("X-Level", "client"), client.WithUserAgent("client/1"), nil)
	if err := get(t.Context(), c, client.WithHeader("x-level", "call"), client.WithHeader("X-More", "1"),
		client.WithUserAgent("call/1"), client.WithToken("pt-call"), client.WithBaseURL("https://other.test/"), nil); err != nil {
		t.Fatal(err)
	}
	if err := get(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	type sent struct{ URL, Level, More, Agent, Auth string }
	var got []sent
	for _, r := range rec.requests {
		got = append(got, sent{r.URL.String(), r.Header.Get("X-Level"), r.Header.Get("X-More"), r.UserAgent(), r.Header.Get("Authorization")})
	}
	want := []sent{
		{"https://other.test/sessions/sess_1", "call", "1", "call/1", "Bearer pt-call"},
		{"http://sessions.test/api/v1/cloud/sessions/sess_1", "client", "", "client/1", "Bearer " + token},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAuthorizationHeaderInPlaceOfAToken(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{answer(200, sessionJSON)}, client.WithToken(""), client.WithHeader("Authorization", "Basic eA=="))
	if err := get(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if got := rec.last().Header.Values("Authorization"); !cmp.Equal(got, []string{"Basic eA=="}) {
		t.Errorf("Authorization %q", got)
	}
}

// Middleware runs around every attempt, the first outermost and the client's before the call's, on a
// request of its own.
func TestMiddleware(t *testing.T) {
	var order []string
	note := func(name string) client.Middleware {
		return func(next client.RoundTripFunc) client.RoundTripFunc {
			return func(req *http.Request) (*http.Response, error) {
				if req.Header.Get("X-Seen-"+name) != "" {
					t.Errorf("%s sees the request of an earlier attempt", name)
				}
				req.Header.Set("X-Seen-"+name, "1")
				order = append(order, name)
				return next(req)
			}
		}
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(500, ""), answer(200, sessionJSON)}, client.WithMiddleware(note("a"), note("b")))
	if err := get(t.Context(), c, client.WithMiddleware(note("c"))); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(order, ""); got != "abcabc" {
		t.Errorf("order %s", got)
	}
}

// The caller's HTTP client is used and left as it is.
func TestHTTPClientIsNotChanged(t *testing.T) {
	own := &http.Client{Transport: answer(200, sessionJSON)}
	c := newClient(t, client.WithToken(token), client.WithHTTPClient(own))
	if err := get(t.Context(), c); err != nil {
		t.Fatal(err)
	}
	if own.CheckRedirect != nil {
		t.Error("CheckRedirect was set")
	}
}

// One client serves many goroutines, with options of their own.
func TestConcurrentCalls(t *testing.T) {
	c, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Shared") != "1" {
			w.WriteHeader(http.StatusBadRequest)
		}
		io.WriteString(w, sessionJSON)
	}, client.WithHeader("X-Shared", "1"))
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if err := create(t.Context(), c, client.WithHeader("X-Own", "1")); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
}

// TestPropagation names the caller's trace in the headers of each attempt, by the context of the call.
func TestPropagation(t *testing.T) {
	type trace struct{}
	var methods []string
	c, rec := scripted(t, []client.RoundTripFunc{answer(503, "{}"), answer(200, sessionJSON)}, client.WithPropagation(func(ctx context.Context, header http.Header) {
		header.Set("Traceparent", ctx.Value(trace{}).(string))
		methods = append(methods, client.MethodOf(ctx))
	}))
	if err := get(context.WithValue(t.Context(), trace{}, "00-1"), c); err != nil {
		t.Fatal(err)
	}
	var sent []string
	for _, r := range rec.requests {
		sent = append(sent, r.Header.Get("Traceparent"))
	}
	if diff := cmp.Diff([]string{"00-1", "00-1", "Sessions.Get", "Sessions.Get"}, append(sent, methods...)); diff != "" {
		t.Error(diff)
	}
	if _, err := client.New(client.WithPropagation(nil)); !errors.Is(err, client.ErrInvalidRequest) {
		t.Error(err)
	}
	if got := client.MethodOf(t.Context()); got != "" {
		t.Errorf("%q", got)
	}
}
