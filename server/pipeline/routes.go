package pipeline

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/control"
	"github.com/cloud-sessions/sessions/server/request"
)

// mounts are where the operations are served: the path of the documentation's curl, and that of its heading.
var mounts = [...]string{"/api/v1/cloud", "/v1"}

// withoutOrigins lets no page of another origin control a demo, whatever origins may use the API.
func withoutOrigins(controls, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if control.IsPath(r.URL.Path) {
			controls.ServeHTTP(w, r)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// OperationID returns the operationId that a request is for; "" for a request outside the contract.
func (p *Pipeline) OperationID(r *http.Request) string {
	method := r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	for _, mount := range mounts {
		if path, ok := strings.CutPrefix(withPlainPath(r).URL.EscapedPath(), mount); ok {
			if op, _ := p.contract.Find(method, path); op != nil {
				return op.ID
			}
		}
	}
	return ""
}

// readRoutes registers each route for GET for HEAD as well (decision "HEAD"); net/http drops the body. On the paths where a
// GET has an effect HEAD is not allowed.
type readRoutes struct {
	*echo.Echo
	effects map[string]bool
}

// GET registers a route for GET and HEAD.
func (r readRoutes) GET(path string, handler echo.HandlerFunc, middleware ...echo.MiddlewareFunc) *echo.Route {
	if r.effects[path] {
		r.Echo.HEAD(path, noHead)
	} else {
		r.Echo.HEAD(path, handler, middleware...)
	}
	return r.Echo.GET(path, handler, middleware...)
}

// noHead answers HEAD where a GET has an effect.
func noHead(c echo.Context) error {
	c.Response().Header().Set(echo.HeaderAllow, http.MethodGet)
	return echo.ErrMethodNotAllowed
}

// routes assembles echo, top to bottom in the order that a request meets it: id, log and recovery from panics for
// everything; then, for an operation, its token, its validation and its idempotency key.
func (p *Pipeline) routes(operations echoserver.StrictServerInterface) (http.Handler, error) {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = func(err error, c echo.Context) { p.writeError(c, err) }
	e.Use(p.observe)

	reads := readRoutes{e, map[string]bool{}}
	reads.GET("/healthz", p.healthz)
	reads.GET("/readyz", p.readyz)
	reads.GET("/metrics", echo.WrapHandler(p.metrics.handler()))
	reads.GET("/openapi.yaml", serveDocument(openAPIYAML))
	reads.GET("/openapi.json", serveDocument(openAPIJSON))
	reads.GET("/openapi-3.2.json", serveDocument(openAPI32JSON))
	p.pages(reads)
	p.controls(e)
	beside := len(e.Routes())

	around := map[string][]echo.MiddlewareFunc{}
	for op := range p.contract.Operations() {
		around[op.ID] = []echo.MiddlewareFunc{p.operation(op)}
		for _, mount := range mounts {
			if op.NoHead {
				reads.effects[mount+op.RouterPath()] = true
			}
		}
	}
	strict := echoserver.NewStrictHandler(operations, []echoserver.StrictMiddlewareFunc{guard})
	for _, mount := range mounts {
		echoserver.RegisterHandlersWithOptions(reads, strict, echoserver.RegisterHandlersOptions{
			BaseURL: mount, OperationMiddlewares: around,
		})
	}
	return e, p.checkRoutes(e, beside)
}

// controls serves the control of a demo, if there is one, next to the API.
func (p *Pipeline) controls(e *echo.Echo) {
	if p.opts.Control == nil {
		return
	}
	serve := func(c echo.Context) error { return p.opts.Control(c.Response(), c.Request()) }
	e.Any(control.Path, serve)
	e.Any(control.Path+"/*", serve)
}

// checkRoutes returns an error unless each operation has a route at each mount, reads have one for HEAD too, and nothing
// else has one, except the routes beside the API: a route without an operation would be served without validation.
func (p *Pipeline) checkRoutes(e *echo.Echo, beside int) error {
	served := map[string]bool{}
	for _, r := range e.Routes() {
		served[r.Method+" "+r.Path] = true
	}
	known := beside
	for op := range p.contract.Operations() {
		if !op.Secured {
			return fmt.Errorf("operation %s asks for no token", op.ID)
		}
		methods := []string{op.Method}
		if op.Method == http.MethodGet {
			methods = append(methods, http.MethodHead)
		}
		for _, mount := range mounts {
			for _, method := range methods {
				known++
				if route := method + " " + mount + op.RouterPath(); !served[route] {
					return fmt.Errorf("operation %s has no route %s", op.ID, route)
				}
			}
		}
	}
	if len(served) != known {
		return fmt.Errorf("%d routes are served, %d are known", len(served), known)
	}
	return nil
}

// guard turns into errors what the generated code would serve: an operation that the pipeline has not admitted, because
// the generated code has another id for it than the contract, and one that returns neither a response nor an error, which
// would be sent as an empty 200.
func guard(next echoserver.StrictHandlerFunc, operationID string) echoserver.StrictHandlerFunc {
	return func(c echo.Context, req any) (any, error) {
		if request.From(c.Request().Context()).Operation == "" {
			return nil, fmt.Errorf("%s is not an operation of the contract", operationID)
		}
		response, err := next(c, req)
		if response == nil && err == nil {
			err = fmt.Errorf("%s returned no response", operationID)
		}
		return response, err
	}
}
