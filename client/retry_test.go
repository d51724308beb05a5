package client_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

func TestRetries(t *testing.T) {
	ok, busy := answer(201, sessionJSON), answer(503, envelope("overloaded_error", "busy"))
	reset := refuse(errors.New("connection reset"))
	cut := client.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := ok(req)
		resp.Body = io.NopCloser(io.MultiReader(io.LimitReader(resp.Body, 9), failing{io.ErrUnexpectedEOF}))
		return resp, err
	})
	cases := []struct {
		name  string
		do    func(context.Context, *client.Client, ...client.Option) error
		steps []client.RoundTripFunc
		opts  []client.Option
		slept []time.Duration
		err   string
	}{
		{"read, connection lost", get, []client.RoundTripFunc{reset, ok}, nil, ms(500), ""},
		{"read, answer cut off", get, []client.RoundTripFunc{cut, ok}, nil, ms(500), ""},
		{"read, 408", get, []client.RoundTripFunc{answer(408, ""), ok}, nil, ms(500), ""},
		{"read, 429", get, []client.RoundTripFunc{answer(429, ""), ok}, nil, ms(500), ""},
		{"read, 500 and 502", get, []client.RoundTripFunc{answer(500, ""), answer(502, ""), ok}, nil, ms(500, 1000), ""},
		{"write, connection lost", create, []client.RoundTripFunc{reset, ok}, nil, ms(500), ""},
		{"write, 503", create, []client.RoundTripFunc{busy, ok}, nil, ms(500), ""},
		{"delete, connection lost", remove, []client.RoundTripFunc{reset, ok}, nil, ms(500), ""},
		{"archive, answer cut off", archive, []client.RoundTripFunc{cut, ok}, nil, ms(500), ""},
		{"three attempts", create, []client.RoundTripFunc{busy}, nil, ms(500, 1000),
			"Sessions.Create: 503 overloaded_error: busy (request id req_body, 3 attempts)"},
		{"backoff is capped", get, []client.RoundTripFunc{busy}, []client.Option{client.WithMaxRetries(7)},
			ms(500, 1000, 2000, 4000, 8000, 8000, 8000),
			"Sessions.Get: 503 overloaded_error: busy (request id req_body, 8 attempts)"},
		{"retries off", get, []client.RoundTripFunc{busy}, []client.Option{client.WithMaxRetries(0)}, nil,
			"Sessions.Get: 503 overloaded_error: busy (request id req_body)"},
		{"400", get, []client.RoundTripFunc{answer(400, envelope("invalid_request_error", "no"))}, nil, nil,
			"Sessions.Get: 400 invalid_request_error: no (request id req_body)"},
		{"409 never", create, []client.RoundTripFunc{answer(409, envelope("conflict_error", "no"), "X-Should-Retry: true")}, nil, nil,
			"Sessions.Create: 409 conflict_error: no (request id req_body)"},
		{"501, as this API says it", create, []client.RoundTripFunc{answer(501, envelope("feature_not_available", "off"), "X-Should-Retry: false")}, nil, nil,
			"Sessions.Create: 501 feature_not_available: off (request id req_body)"},
		{"x-should-retry: true", get, []client.RoundTripFunc{answer(400, "", "X-Should-Retry: true"), ok}, nil, ms(500), ""},
		{"x-should-retry: false", get, []client.RoundTripFunc{answer(503, envelope("overloaded_error", "busy"), "X-Should-Retry: false")}, nil, nil,
			"Sessions.Get: 503 overloaded_error: busy (request id req_body)"},
		{"Retry-After-Ms first", get, []client.RoundTripFunc{answer(429, "", "Retry-After-Ms: 1250", "Retry-After: 9"), ok}, nil, ms(1250), ""},
		{"Retry-After in seconds", get, []client.RoundTripFunc{answer(429, "", "Retry-After: 9"), ok}, nil, ms(9000), ""},
		{"Retry-After of zero", get, []client.RoundTripFunc{answer(429, "", "Retry-After: 0"), ok}, nil, ms(0), ""},
		{"Retry-After as a date", get, []client.RoundTripFunc{answer(429, "", "Retry-After: Sat, 01 Aug 2026 12:00:07 GMT"), ok}, nil, ms(7000), ""},
		{"Retry-After in the past", get, []client.RoundTripFunc{answer(429, "", "Retry-After: Sat, 01 Aug 2026 11:00:00 GMT"), ok}, nil, ms(0), ""},
		{"Retry-After of nonsense", get, []client.RoundTripFunc{answer(429, "", "Retry-After: -1", "Retry-After-Ms: NaN"), ok}, nil, ms(500), ""},
		{"Retry-After too far", get, []client.RoundTripFunc{answer(429, envelope("rate_limit_error", "later"), "Retry-After: 1e30"), ok}, nil, nil,
			"Sessions.Get: 429 rate_limit_error: later (request id req_body)"},
		{"a certificate does not get better", get, []client.RoundTripFunc{refuse(&tls.CertificateVerificationError{Err: errors.New("expired")})}, nil, nil,
			"Sessions.Get: no response: tls: failed to verify certificate: expired"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := scripted(t, tc.steps)
			err := tc.do(t.Context(), c, tc.opts...)
			if tc.err != "" {
				wantText(t, err, tc.err)
			} else if err != nil {
				t.Error(err)
			}
			if diff := cmp.Diff(tc.slept, rec.slept); diff != "" {
				t.Errorf("waits (-want +got):\n%s", diff)
			}
			if want := len(tc.slept) + 1; len(rec.requests) != want {
				t.Errorf("%d attempts, want %d", len(rec.requests), want)
			}
			if err != nil && asError(t, err).Attempts != len(rec.requests) {
				t.Errorf("Attempts is %d", asError(t, err).Attempts)
			}
			for i, req := range rec.requests {
				if write := req.Method != http.MethodGet; write != (req.Header.Get("Idempotency-Key") != "") {
					t.Errorf("attempt %d is a %s with key %q", i+1, req.Method, req.Header.Get("Idempotency-Key"))
				}
				if rec.bodies[i] != rec.bodies[0] || req.Header.Get("Idempotency-Key") != rec.requests[0].Header.Get("Idempotency-Key") {
					t.Errorf("attempt %d differs: %q, key %q", i+1, rec.bodies[i], req.Header.Get("Idempotency-Key"))
				}
			}
		})
	}
}

func ms(n ...int) (all []time.Duration) {
	for _, n := range n {
		all = append(all, time.Duration(n)*time.Millisecond)
	}
	return all
}

// failing is a body that breaks.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// A write without a key, which no method sends but a middleware could, is retried on 429 only.
func TestUnkeyedWrites(t *testing.T) {
	for status, want := range map[int]bool{429: true, 408: false, 500: false, 503: false, 409: false} {
		if got := client.Retryable(http.MethodPatch, status, nil); got != want {
			t.Errorf("%d: retried: %v", status, got)
		}
	}
	if client.Retryable(http.MethodPatch, 0, io.EOF) {
		t.Error("retried after a lost connection")
	}
}

func TestJitter(t *testing.T) {
	var slept []time.Duration
	c, _ := scripted(t, []client.RoundTripFunc{answer(500, "")}, client.WithClock(time.Now, func(_ context.Context, d time.Duration) error {
		slept = append(slept, d)
		return nil
	}, func() float64 { return 0.999999 }))
	if get(t.Context(), c) == nil {
		t.Fatal("no error")
	}
	for i, most := range ms(500, 1000) {
		if slept[i] < most*3/4 || slept[i] > most*76/100 {
			t.Errorf("wait %d is %v, want a quarter less than %v", i, slept[i], most)
		}
	}
}

func TestIdempotencyKeys(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{answer(201, sessionJSON)})
	for _, opts := range [][]client.Option{nil, nil, {client.WithIdempotencyKey("mine")}, {client.WithHeader("x-idempotency-key", "mine too")}} {
		if err := create(t.Context(), c, opts...); err != nil {
			t.Fatal(err)
		}
	}
	var keys []string
	for _, req := range rec.requests {
		keys = append(keys, req.Header.Get("Idempotency-Key"))
	}
	if len(keys[0]) < 26 || keys[0] == keys[1] || keys[2] != "mine" || keys[3] != "mine too" {
		t.Errorf("keys %q", keys)
	}
}

func TestCanceledWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(context.Background())
		c := bare(t, answer(503, envelope("overloaded_error", "busy")))
		time.AfterFunc(100*time.Millisecond, cancel)
		start := time.Now()
		err := get(ctx, c)
		wantText(t, err, "Sessions.Get: 503 overloaded_error: context canceled; the last attempt: busy (request id req_body)")
		if !errors.Is(err, context.Canceled) || !errors.Is(err, client.ErrOverloaded) {
			t.Error("neither canceled nor overloaded")
		}
		if waited := time.Since(start); waited != 100*time.Millisecond {
			t.Errorf("returned after %v", waited)
		}
	})
}

// A wait that outlives the context is not begun: the server's error says more than the context's.
func TestDeadlineBeforeNextAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		c := bare(t, answer(429, envelope("rate_limit_error", "later"), "Retry-After: 30"))
		start := time.Now()
		err := get(ctx, c)
		wantText(t, err, "Sessions.Get: 429 rate_limit_error: later (request id req_body)")
		if got := asError(t, err).RetryAfter; got != 30*time.Second {
			t.Errorf("RetryAfter is %v", got)
		}
		if waited := time.Since(start); waited != 0 {
			t.Errorf("returned after %v", waited)
		}
	})
}

func TestTimeoutOfAnAttempt(t *testing.T) {
	silent := client.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	})
	stalled := client.RoundTripFunc(func(req *http.Request) (*http.Response, error) {
		resp, err := answer(200, "")(req)
		resp.ContentLength, resp.Body = -1, io.NopCloser(io.MultiReader(strings.NewReader("{"), blocked{req.Context()}))
		return resp, err
	})
	for name, step := range map[string]client.RoundTripFunc{"no headers": silent, "half a body": stalled} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				err := get(context.Background(), bare(t, step), client.WithTimeout(3*time.Second), client.WithMaxRetries(1))
				wantText(t, err, "Sessions.Get: no complete response within 3s: context deadline exceeded (2 attempts)")
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Error("not context.DeadlineExceeded")
				}
				if took := time.Since(start); took < 6*time.Second || took > 7*time.Second {
					t.Errorf("took %v", took)
				}
			})
		})
	}
}

// blocked is a body that says nothing until the request ends.
type blocked struct{ ctx context.Context }

func (b blocked) Read([]byte) (int, error) {
	<-b.ctx.Done()
	return 0, b.ctx.Err()
}

// bare is a client with the real clock and one step for every attempt.
func bare(t *testing.T, step client.RoundTripFunc) *client.Client {
	t.Helper()
	c, err := client.New(client.WithToken(token), client.WithBaseURL("http://sessions.test/"),
		client.WithHTTPClient(&http.Client{Transport: step}))
	if err != nil {
		t.Fatal(err)
	}
	return c
}
