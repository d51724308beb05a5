package contractcheck_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/servertest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens the gate to resources, so that every operation can be tried.
func open(c *server.Config) { c.Features = []string{server.FeatureM3} }

func ids(report *contractcheck.Conformance) (all []string) {
	for _, r := range report.Operations {
		all = append(all, r.Operation)
	}
	return all
}

func operations(t *testing.T, method string) (all []string) {
	t.Helper()
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for op := range compiled.Operations() {
		if method == "" || op.Method == method {
			all = append(all, op.ID)
		}
	}
	return all
}

// TestOurServerConforms tries every operation of this module's server, that the run creates what a dry run says, and nothing
// else, and that it is gone after the run.
func TestOurServerConforms(t *testing.T) {
	t.Parallel()
	s := servertest.New(t, open)
	before := count(t, s)
	created := creations{all: map[string]int{}}
	c := s.Client(client.WithHTTPClient(&http.Client{Transport: client.RoundTripFunc(created.count)}))
	report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{})
	if err != nil {
		t.Fatal(err)
	}
	created.compare(t, contractcheck.Options{})
	if diff := cmp.Diff(operations(t, ""), slices.Sorted(slices.Values(ids(report)))); diff != "" {
		t.Errorf("operations (-contract +tried):\n%s", diff)
	}
	for _, r := range report.Operations {
		good := slices.ContainsFunc(r.Statuses, func(status int) bool { return status/100 == 2 })
		if r.Verdict != contractcheck.Conforms || r.Requests == 0 || !good || len(r.Violations) > 0 {
			t.Errorf("%+v", *r)
		}
	}
	if after := count(t, s); after != before {
		t.Errorf("the account has %d things, before %d", after, before)
	}
}

// count counts the account's agents, environments and sessions, the archived included.
func count(t *testing.T, s *servertest.Server) (n int) {
	t.Helper()
	c, ctx := s.Client(), t.Context()
	for _, err := range c.Agents.All(ctx, &client.ListAgentsParams{IncludeArchived: new(true)}) {
		n = counted(t, n, err)
	}
	for _, err := range c.Environments.All(ctx, &client.ListEnvironmentsParams{IncludeArchived: new(true)}) {
		n = counted(t, n, err)
	}
	for _, err := range c.Sessions.All(ctx, &client.ListSessionsParams{IncludeArchived: new(true)}) {
		n = counted(t, n, err)
	}
	return n
}

func counted(t *testing.T, n int, err error) int {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	return n + 1
}

// creations counts, by operation, the POSTs that took effect.
type creations struct {
	mu  sync.Mutex
	all map[string]int
}

func (c *creations) count(r *http.Request) (*http.Response, error) {
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err == nil && r.Method == http.MethodPost && resp.StatusCode/100 == 2 && resp.Header.Get("Idempotent-Replayed") == "" {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.all[operationOf(r)]++
	}
	return resp, err
}

// compare fails unless a run has created what a dry run says.
func (c *creations) compare(t *testing.T, o contractcheck.Options) {
	t.Helper()
	planned, err := contractcheck.DryRun(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range planned {
		if n := c.all[p.Operation]; n == 0 || n > p.Records || n < p.Records && p.Operation != "addSessionResources" {
			t.Errorf("%s created %d, planned %d", p.Operation, n, p.Records)
		}
		delete(c.all, p.Operation)
	}
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	for id, n := range c.all { // changes only
		if op := compiled.Operation(id); !strings.HasSuffix(op.Path, "}") && op.TakesBody() && id != "stopWork" {
			t.Errorf("%s created %d, which was not planned", id, n)
		}
	}
}

// observing are the checks that look at what all others send: while one of them is selected, each of the others runs.
var observing = []string{"responses", "error-envelope", "no-effect"}

// What a feature that is off hides conforms when it says so. Sessions have all of its fields.
func TestClosedGate(t *testing.T) {
	t.Parallel()
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	var only []string
	for op := range compiled.Operations() {
		if strings.HasPrefix(op.Path, "/sessions") && !strings.Contains(op.Path, "/events") {
			only = append(only, op.ID)
		}
	}
	report, err := contractcheck.Run(t.Context(), servertest.New(t).Client(), contractcheck.Options{Only: only})
	if err != nil {
		t.Fatal(err)
	}
	if len(report.Operations) != len(only) {
		t.Errorf("%d operations were tried, want %d", len(report.Operations), len(only))
	}
	for _, r := range report.Operations {
		want := contractcheck.Conforms
		switch r.Operation {
		case "deleteSessionResource":
			want = contractcheck.Unchecked
		case "addSessionResources", "listSessionResources", "getSessionResource":
			if !slices.Contains(r.Statuses, http.StatusNotImplemented) || slices.Contains(r.Statuses, http.StatusOK) {
				t.Errorf("%s: %v", r.Operation, r.Statuses)
			}
		}
		if r.Verdict != want || (r.Reason != "") != (want == contractcheck.Unchecked) {
			t.Errorf("%+v", *r)
		}
	}
}

// A run that only reads sends only reads, and all of them, even for an account without sessions.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	for _, sessions := range []int{0, 1} {
		s := servertest.New(t, open)
		c := s.Client()
		for range sessions {
			session, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: s.AgentID}, EnvironmentID: s.EnvironmentID})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range c.Sessions.Run(t.Context(), session.ID, "hi", nil) {
				if err != nil {
					t.Fatal(err)
				}
			}
		}
		before := len(s.Requests())
		report, err := contractcheck.Run(t.Context(), c, contractcheck.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, req := range s.Requests()[before:] {
			if req.Method != http.MethodGet && req.Method != http.MethodHead {
				t.Errorf("%s %s", req.Method, req.Path)
			}
		}
		reads := slices.DeleteFunc(operations(t, http.MethodGet), func(id string) bool { return id == "pollWork" }) // which delivers an item
		for _, r := range report.Operations {
			want := contractcheck.Unchecked
			if slices.Contains(reads, r.Operation) {
				want = contractcheck.Conforms
			}
			if r.Verdict != want || (r.Requests > 0) != (want == contractcheck.Conforms) {
				t.Errorf("with %d sessions: %+v", sessions, r)
			}
		}
	}
}

// What every operation would fail with is the error of the run.
func TestNoRun(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, tc := range map[string]struct {
		ctx  context.Context
		c    *client.Client
		want string
	}{
		"wrong token": {t.Context(), s.Client(client.WithToken("pt-wrong")), "401 authentication_error"},
		"no server":   {t.Context(), s.Client(client.WithBaseURL(gone.URL), client.WithMaxRetries(0)), "no response: "},
		"no time":     {canceled, s.Client(), "context canceled"},
	} {
		report, err := contractcheck.Run(tc.ctx, tc.c, contractcheck.Options{})
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
		for _, r := range report.Operations {
			if r.Verdict == contractcheck.Drifts {
				t.Errorf("%s: %+v", name, r)
			}
		}
	}
}

// A run that is cut short, in the middle of a turn, leaves nothing behind.
func TestCutShort(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	s.Script("rules: [{steps: [{wait: 1h}]}]")
	before := count(t, s)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := s.Client(client.WithMiddleware(func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			resp, err := next(req)
			if err == nil && resp.StatusCode == http.StatusOK && req.Method == http.MethodPost && strings.HasSuffix(req.URL.Path, "/events") {
				cancel()
			}
			return resp, err
		}
	}))
	if _, err := contractcheck.Run(ctx, c, contractcheck.Options{Skip: append(slices.Clone(observing), "idempotency", "invalid-bodies")}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if after := count(t, s); after != before {
		t.Errorf("the account has %d things, before %d", after, before)
	}
}
