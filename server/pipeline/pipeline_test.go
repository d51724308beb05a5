package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"
	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/contract/compile"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/broker"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/internal/panics"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/validated"
)

// tokens has one token, of the account acme.
type tokens struct {
	store.Tokens
	auth.Sessions
}

const token = "pt-acme"

func (tokens) Revocations() int64 { return 0 }
func (tokens) TokenByHash(_ context.Context, hash string) (store.Token, error) {
	if hash != auth.Hash(token) {
		return store.Token{}, store.ErrNotFound
	}
	return store.Token{ID: "token_1", Account: "acme", Hash: hash}, nil
}

// database is a store without idempotency keys.
type database struct {
	Store
	broken error
}

func (d *database) Ping(context.Context) error { return d.broken }

// operations are the operations that the tests need.
type operations struct {
	echoserver.StrictServerInterface
	listModels func(ctx context.Context) (echoserver.ListModelsResponseObject, error)
	getSession func(ctx context.Context) (echoserver.GetSessionResponseObject, error)
	stream     func(w http.ResponseWriter) error
}

func (o operations) StreamEvents(context.Context, echoserver.StreamEventsRequestObject) (echoserver.StreamEventsResponseObject, error) {
	return streamed(o.stream), nil
}

// streamed is a function that writes the response of streamEvents.
type streamed func(w http.ResponseWriter) error

func (s streamed) VisitStreamEventsResponse(w http.ResponseWriter) error { return s(w) }

func (o operations) ListModels(ctx context.Context, _ echoserver.ListModelsRequestObject) (echoserver.ListModelsResponseObject, error) {
	return o.listModels(ctx)
}

func (o operations) GetSession(ctx context.Context, _ echoserver.GetSessionRequestObject) (echoserver.GetSessionResponseObject, error) {
	return o.getSession(ctx)
}

// open returns a pipeline with these operations.
func open(t *testing.T, ops operations, change ...func(*Options)) *Pipeline {
	t.Helper()
	c, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Contract: c, Auth: auth.New(tokens{}, time.Now), Store: &database{}, Log: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	p := New(o)
	if err := p.Serve(ops, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

// get requests a path with the token.
func get(t *testing.T, p *Pipeline, path string) *httptest.ResponseRecorder {
	t.Helper()
	recorder := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	r.Header.Set("Authorization", "Bearer "+token)
	p.ServeHTTP(recorder, r)
	return recorder
}

// A server does not start unless it serves exactly the contract, every operation with a token.
func TestServeRefusesAnotherContract(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*openapi3.T){
		"operation listGadgets has no route GET /api/v1/cloud/gadgets": func(doc *openapi3.T) {
			op := *doc.Paths.Find("/models").Get
			op.OperationID = "listGadgets"
			doc.Paths.Set("/gadgets", &openapi3.PathItem{Get: &op})
		},
		"routes are served": func(doc *openapi3.T) { doc.Paths.Delete("/models") },
		"operation listModels asks for no token": func(doc *openapi3.T) {
			doc.Paths.Find("/models").Get.Security = &openapi3.SecurityRequirements{}
		},
	} {
		doc, err := openapi.Parse(api.Spec())
		if err != nil {
			t.Fatal(err)
		}
		change(doc)
		compiled, err := compile.Document(doc)
		if err != nil {
			t.Fatal(err)
		}
		err = New(Options{Contract: contract.New(compiled), Log: slog.New(slog.DiscardHandler)}).Serve(operations{}, nil)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

// An operation that the generated code knows by another id than the contract is not served without its checks.
func TestAnOperationOfAnotherIDIsNotServed(t *testing.T) {
	t.Parallel()
	doc, err := openapi.Parse(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	doc.Paths.Find("/models").Get.OperationID = "listGadgets"
	compiled, err := compile.Document(doc)
	if err != nil {
		t.Fatal(err)
	}
	p := open(t, operations{}, func(o *Options) { o.Contract = contract.New(compiled) })
	if got := get(t, p, "/v1/models"); got.Code != http.StatusInternalServerError {
		t.Errorf("%d %s", got.Code, got.Body)
	}
}

// An operation that fails, panics, or returns nothing is a 500 that does not reveal the cause. The log has it.
func TestFailures(t *testing.T) {
	t.Parallel()
	for logged, listModels := range map[string]func(context.Context) (echoserver.ListModelsResponseObject, error){
		"secret cause": func(context.Context) (echoserver.ListModelsResponseObject, error) {
			return nil, errors.New("secret cause")
		},
		"panic: secret value":             func(context.Context) (echoserver.ListModelsResponseObject, error) { panic("secret value") },
		"ListModels returned no response": func(context.Context) (echoserver.ListModelsResponseObject, error) { return nil, nil },
		"rule=required": func(context.Context) (echoserver.ListModelsResponseObject, error) {
			return echoserver.ListModels200JSONResponse{Body: types.ModelList{Data: []types.Model{{}}}}, nil
		},
	} {
		var log strings.Builder
		p := open(t, operations{listModels: listModels}, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		got := get(t, p, "/v1/models")
		if got.Code != http.StatusInternalServerError || strings.Contains(got.Body.String(), "secret") {
			t.Errorf("%s: %d %s", logged, got.Code, got.Body)
		}
		if logged != "rule=required" && !strings.Contains(log.String(), logged) || !strings.Contains(log.String(), "operation=listModels") {
			t.Errorf("no %q in the log:\n%s", logged, &log)
		}
	}
}

// What a request has reserved is given back, whatever panics: its handler, what writes its response, or an abort.
func TestThePanicOfAHandlerGivesBackItsBytes(t *testing.T) {
	t.Parallel()
	for name, fails := range map[string]func(){
		"a panic":  func() { panic("x") },
		"an abort": func() { panic(http.ErrAbortHandler) },
		"an end":   runtime.Goexit,
	} {
		bytes := budget.New(1 << 30)
		reserve := func(ctx context.Context) {
			if err := request.From(ctx).Grant.Grow(1 << 20); err != nil {
				t.Error(err)
			}
			if got := bytes.Used(); got < 1<<20 {
				t.Errorf("%s: %d bytes are reserved while it runs", name, got)
			}
		}
		ops := operations{
			listModels: func(ctx context.Context) (echoserver.ListModelsResponseObject, error) {
				reserve(ctx)
				fails()
				return nil, nil
			},
			stream: func(w http.ResponseWriter) error {
				w.WriteHeader(http.StatusOK)
				fails()
				return nil
			},
		}
		p := open(t, ops, func(o *Options) { o.Budget = bytes })
		for _, path := range []string{"/v1/models", "/v1/sessions/sess_1/events/stream"} {
			served := make(chan struct{})
			go func() {
				defer close(served)
				defer func() { _ = recover() }()
				get(t, p, path)
			}()
			<-served
			if got := bytes.Used(); got != 0 {
				t.Errorf("%s of %s: %d bytes are still reserved", name, path, got)
			}
		}
	}
}

// busy takes all that there is for large work, until the function that it returns is called.
func busy(t *testing.T, b *budget.Budget) (rest func()) {
	t.Helper()
	var grants []*budget.Grant
	for range max(runtime.GOMAXPROCS(0)/2, 1) {
		grant := b.Open("busy")
		if err := grant.Work(t.Context(), budget.LargeWork); err != nil {
			t.Fatal(err)
		}
		grants = append(grants, grant)
	}
	return func() {
		for _, grant := range grants {
			grant.Close()
		}
	}
}

// A large body is validated when there is a processor for large work, a small one at once.
func TestLargeBodiesTakeTurns(t *testing.T) {
	p := open(t, operations{})
	synctest.Test(t, func(t *testing.T) {
		bytes := budget.New(1 << 30)
		p.opts.Budget = bytes
		rest := busy(t, bytes)
		post := func(size int) (done chan int) {
			done = make(chan int, 1)
			go func() {
				recorder := httptest.NewRecorder()
				r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/agents", strings.NewReader(strings.Repeat(" ", size)))
				r.Header.Set("Authorization", "Bearer "+token)
				r.Header.Set("Content-Type", "application/json")
				p.ServeHTTP(recorder, r)
				done <- recorder.Code
			}()
			synctest.Wait()
			return done
		}
		large, small := post(budget.LargeWork), post(1000)
		if got := len(large); got != 0 {
			t.Errorf("a large body did not wait: %d", <-large)
		}
		if got := len(small); got != 1 {
			t.Error("a small body waits")
		}
		rest()
		synctest.Wait()
		if got := <-large; got != http.StatusBadRequest {
			t.Errorf("afterwards: %d", got)
		}
		busy(t, bytes)() // it was given back
	})
}

// whileWritten calls a function at each write.
type whileWritten struct {
	*httptest.ResponseRecorder
	call func()
}

func (w whileWritten) Write(p []byte) (int, error) {
	w.call()
	return w.ResponseRecorder.Write(p)
}

// A caller that takes its time to read a large response keeps nobody from large work.
func TestLargeWorkEndsBeforeTheResponseIsSent(t *testing.T) {
	t.Parallel()
	bytes := budget.New(1 << 30)
	p := open(t, operations{listModels: func(ctx context.Context) (echoserver.ListModelsResponseObject, error) {
		err := request.From(ctx).Grant.Work(ctx, budget.LargeWork)
		return echoserver.ListModels200JSONResponse{Body: types.ModelList{Data: []types.Model{}}}, err
	}}, func(o *Options) { o.Budget = bytes })
	written := 0
	w := whileWritten{httptest.NewRecorder(), func() {
		written++
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		for range max(runtime.GOMAXPROCS(0)/2, 1) {
			grant := bytes.Open("other")
			defer grant.Close()
			if err := grant.Work(ctx, budget.LargeWork); err != nil {
				t.Errorf("while the response is sent: %v", err)
			}
		}
	}}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	if p.ServeHTTP(w, r); written == 0 {
		t.Error("nothing was sent")
	}
}

// http.ErrAbortHandler ends the connection, whatever the pipeline holds back.
func TestAnAbortEndsTheConnection(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(open(t, operations{listModels: func(context.Context) (echoserver.ListModelsResponseObject, error) {
		panic(http.ErrAbortHandler)
	}}))
	defer web.Close()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, web.URL+"/v1/models", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	res, err := web.Client().Do(r)
	if err == nil {
		_ = res.Body.Close()
	}
	if !errors.Is(err, io.EOF) {
		t.Errorf("%v, want the end of the connection", err)
	}
}

// The operation knows whom it acts for.
func TestTheRequestsInfo(t *testing.T) {
	t.Parallel()
	var info request.Info
	p := open(t, operations{listModels: func(ctx context.Context) (echoserver.ListModelsResponseObject, error) {
		info = *request.From(ctx)
		return echoserver.ListModels200JSONResponse{Body: types.ModelList{Data: []types.Model{}}}, nil
	}})
	got := get(t, p, "/v1/models")
	if got.Code != http.StatusOK || info.Account != "acme" || info.Operation != "listModels" || info.ID != got.Header().Get("X-Request-Id") || info.ID == "" {
		t.Errorf("%d %s: %+v", got.Code, got.Body, info)
	}
}

// A validated body is sent unchanged and not validated again; any other response is validated.
func TestValidatedBodiesAreSentUnchanged(t *testing.T) {
	t.Parallel()
	const body = `{"not": "a session"}`
	for status, response := range map[int]echoserver.GetSessionResponseObject{
		http.StatusOK:                  validated.Body(body),
		http.StatusInternalServerError: echoserver.GetSession200JSONResponse{},
	} {
		var violations []*contract.Violation
		p := open(t, operations{getSession: func(context.Context) (echoserver.GetSessionResponseObject, error) { return response, nil }},
			func(o *Options) { o.OnViolation = func(v *contract.Violation) { violations = append(violations, v) } })
		got := get(t, p, "/v1/sessions/sess_1")
		if got.Code != status || (len(violations) > 0) != (status >= 500) {
			t.Errorf("%d %s, %v; want %d", got.Code, got.Body, violations, status)
		}
		if status == http.StatusOK && (got.Body.String() != body || got.Header().Get("Content-Length") != fmt.Sprint(len(body))) {
			t.Errorf("%s, %v", got.Body, got.Header())
		}
	}
}

// A stream is validated up to its first flush: status, headers, content type. After that its frames are on their way, and
// an error ends it.
func TestStreamsAreValidatedBeforeTheyOpen(t *testing.T) {
	t.Parallel()
	for want, tc := range map[string]struct{ status, got int }{
		"":           {http.StatusAccepted, http.StatusInternalServerError},
		"data: {}\n": {http.StatusOK, http.StatusOK},
	} {
		p := open(t, operations{stream: func(w http.ResponseWriter) error {
			w.Header().Set("Content-Type", "text/event-stream")
			w.WriteHeader(tc.status)
			_, _ = io.WriteString(w, "data: {}\n")
			return errors.Join(http.NewResponseController(w).Flush(), errors.New("the stream ends in the middle"))
		}})
		got := get(t, p, "/v1/sessions/sess_1/events/stream")
		if got.Code != tc.got || want != "" && got.Body.String() != want || got.Flushed != (want != "") {
			t.Errorf("%d %q, want %d %q", got.Code, got.Body, tc.got, want)
		}
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	p := open(t, operations{})
	if got := get(t, p, "/readyz"); got.Code != http.StatusOK || got.Header().Get("Connection") != "" {
		t.Errorf("before: %d %v", got.Code, got.Header())
	}
	p.Drain()
	if got := get(t, p, "/readyz"); got.Code != http.StatusServiceUnavailable || got.Header().Get("Connection") != "close" {
		t.Errorf("after: %d %v", got.Code, got.Header())
	}
	if got := get(t, p, "/healthz"); got.Code != http.StatusOK {
		t.Errorf("healthz: %d", got.Code)
	}
}

// silentDatabase does not respond.
type silentDatabase struct{ database }

func (silentDatabase) Ping(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// Load balancers get a response while the database gives none.
func TestReadinessDoesNotWaitForASilentDatabase(t *testing.T) {
	p := open(t, operations{}, func(o *Options) { o.Store = &silentDatabase{} })
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		got := get(t, p, "/readyz")
		if took := time.Since(start); got.Code != http.StatusServiceUnavailable || took > 5*time.Second {
			t.Errorf("%d after %s", got.Code, took)
		}
	})
}

// A large response does not keep its memory for the next one.
func TestLargeRepliesAreNotKept(t *testing.T) {
	t.Parallel()
	p := open(t, operations{})
	op := p.contract.Operation("listModels")
	for range 100 { // a pool drops some of what it gets
		c := echo.New().NewContext(httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/models", nil), httptest.NewRecorder())
		reply := p.replies.hold(c, op, budget.New(1<<30).Open("acme"))
		_, _ = reply.Write(make([]byte, 2*largestKept))
		if err := p.replies.release(c, reply); err != nil {
			t.Fatal(err)
		}
		if kept, ok := p.replies.pool.Get().(*heldReply); ok && kept.body.Cap() > largestKept {
			t.Fatalf("%d bytes are kept", kept.body.Cap())
		}
	}
}

// Every error that callers may see, and what they see of it.
func TestProblems(t *testing.T) {
	t.Parallel()
	second := time.Second
	cases := []struct {
		err    error
		status int
		want   problem.Problem
	}{
		{&contract.RequestError{Param: "title", Message: "Too long."}, 400, problem.Problem{Type: "invalid_request_error", Param: "title", Message: "Too long."}},
		{&auth.Error{Message: "No token."}, 401, problem.Problem{Type: "authentication_error", Message: "No token."}},
		{&store.MissingError{Noun: store.NounAgent, ID: "agent_1"}, 404, problem.Problem{Type: "not_found_error", Message: "Agent 'agent_1' was not found."}},
		{&store.ArchivedError{Noun: store.NounAgent, ID: "agent_1"}, 400, problem.Problem{
			Type: "invalid_request_error", Param: "agent", Message: "Agent 'agent_1' is archived and cannot be used for new sessions."}},
		{&store.ArchivedError{Noun: store.NounEnvironment, ID: "env_1"}, 400, problem.Problem{
			Type: "invalid_request_error", Param: "environment_id", Message: "Environment 'env_1' is archived and cannot be used for new sessions."}},
		{&store.VersionError{Latest: 3, Got: 2}, 409, problem.Problem{Type: "conflict_error", Param: "version", Message: "Version conflict. Expected version 3, got 2."}},
		{&store.StateError{Noun: store.NounSession, ID: "sess_1", Reason: "is archived."}, 409, problem.Problem{Type: "conflict_error", Message: "Session 'sess_1' is archived."}},
		{&keyReusedError{}, 409, problem.Problem{Type: "conflict_error", Param: "Idempotency-Key", Message: "Idempotency key reused with a different request body."}},
		{&keyReusedError{request: "POST /agents"}, 409, problem.Problem{Type: "conflict_error", Param: "Idempotency-Key",
			Message: "Idempotency key reused with another method or path; it was first used for POST /agents."}},
		{&erasedError{}, 409, problem.Problem{Type: "conflict_error", Param: "Idempotency-Key",
			Message: "The request with this idempotency key succeeded; what it returned has been deleted since."}},
		{&fullError{7}, 429, problem.Problem{Type: "rate_limit_error", Param: "Idempotency-Key", RetryAfter: time.Minute,
			Message: "The account's idempotency keys of the last 24 hours occupy 7 bytes, which is all that they may; try again later, or send the request without a key."}},
		{&lifecycle.BusyError{}, 409, problem.Problem{Type: "invalid_request_error", Status: 409,
			Message: "Session is currently processing a turn. Cancel the current turn or wait for completion."}},
		{&broker.TooManyError{Most: 7}, 429, problem.Problem{Type: "rate_limit_error", RetryAfter: second,
			Message: "The account has 7 open streams already; close one and try again."}},
		{store.ErrUnavailable, 503, problem.Problem{Type: "overloaded_error", RetryAfter: second,
			Message: "The server cannot answer for the moment. Try again with the same idempotency key."}},
		{echo.ErrNotFound, 404, problem.Problem{Type: "not_found_error", Message: "Unknown path; see /openapi.yaml for the paths of the API."}},
		{echo.ErrMethodNotAllowed, 405, problem.Problem{Type: "invalid_request_error", Status: 405,
			Message: "Method not allowed; the header Allow lists the methods of the path."}},
		{echo.ErrTeapot, 500, failure},
		{store.ErrConflict, 500, failure},
		{store.ErrUnknownCursor, 500, failure},
		{&contract.Violation{Reason: "secret"}, 500, failure},
		{&panics.Error{Value: "secret"}, 500, failure},
		{errors.New("secret"), 500, failure},
	}
	for _, tc := range cases {
		for _, err := range []error{tc.err, fmt.Errorf("while working: %w", tc.err), errors.Join(errors.New("other"), tc.err)} {
			got := problemOf(err)
			if diff := cmp.Diff(tc.want, got); diff != "" || got.HTTPStatus() != tc.status {
				t.Errorf("%v: %d, want %d (-want +got)\n%s", err, got.HTTPStatus(), tc.status, diff)
			}
		}
	}
}

// failure is all that callers see of any other error.
var failure = problem.Problem{Type: "api_error", Message: "The server failed to answer. Try again with the same idempotency key."}

// A request whose caller hangs up is a 499 in the log and the metrics, whatever the operation makes of it, and a failure
// that has another cause is a 500.
func TestCallersWhoHangUp(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		fails  func(ctx context.Context) error
		status int
	}{
		"the context's error": {func(ctx context.Context) error { return ctx.Err() }, 499},
		"wrapped":             {func(ctx context.Context) error { return fmt.Errorf("read: %w", ctx.Err()) }, 499},
		"joined":              {func(ctx context.Context) error { return errors.Join(errors.New("x"), ctx.Err()) }, 499},
		"another failure":     {func(context.Context) error { return errors.New("x") }, 500},
		"a panic":             {func(context.Context) error { panic("x") }, 500},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var log strings.Builder
			started := make(chan struct{})
			p := open(t, operations{listModels: func(ctx context.Context) (echoserver.ListModelsResponseObject, error) {
				close(started)
				<-ctx.Done()
				return nil, tc.fails(ctx)
			}}, func(o *Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
			web := httptest.NewServer(p)
			ctx, hangUp := context.WithCancel(t.Context())
			r, err := http.NewRequestWithContext(ctx, http.MethodGet, web.URL+"/v1/models", nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Authorization", "Bearer "+token)
			go func() { <-started; hangUp() }()
			if res, err := web.Client().Do(r); err == nil {
				_ = res.Body.Close()
				t.Errorf("a response: %d", res.StatusCode)
			}
			web.Close() // waits for the request
			counted := fmt.Sprintf(`sessions_request_duration_seconds_count{operation="listModels",status="%d"} 1`, tc.status)
			if metrics := get(t, p, "/metrics").Body.String(); !strings.Contains(metrics, counted) {
				t.Errorf("no %s in\n%s", counted, metrics)
			}
			if line := fmt.Sprintf("status=%d", tc.status); !strings.Contains(log.String(), line) {
				t.Errorf("no %s in the log:\n%s", line, &log)
			}
			if strings.Contains(log.String(), "level=ERROR") != (tc.status == http.StatusInternalServerError) {
				t.Errorf("the log:\n%s", &log)
			}
		})
	}
}

// A caller that closes its side of the connection, to say that the request is complete, is still due a response.
func TestAHalfClosedConnectionGetsAResponse(t *testing.T) {
	t.Parallel()
	web := httptest.NewServer(open(t, operations{listModels: func(ctx context.Context) (echoserver.ListModelsResponseObject, error) {
		<-ctx.Done()
		return nil, ctx.Err()
	}}))
	defer web.Close()
	conn, err := net.Dial("tcp", web.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "GET /v1/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "+token+"\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(conn); err != nil || !strings.HasPrefix(string(got), "HTTP/1.1 500 ") {
		t.Errorf("%q %v", got, err)
	}
}
