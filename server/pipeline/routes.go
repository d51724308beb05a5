package pipeline

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/server/request"
)

// mounts are where the operations are served: the path of the documentation's curl, and that of its heading.
var mounts = [...]string{"/api/v1/cloud", "/v1"}

// OperationID returns the operationId that a request is for; "" for a request outside the contract.
func (p *Pipeline) OperationID(r *http.Request) string {
	for _, mount := range mounts {
		if path, ok := strings.CutPrefix(r.URL.EscapedPath(), mount); ok {
			if op, _ := p.contract.Find(r.Method, path); op != nil {
				return op.ID
			}
		}
	}
	return ""
}

// routes assembles echo, top to bottom in the order that a request meets it: id, log and recovery from panics for
// everything; then, for an operation, its token, its validation and its idempotency key.
func (p *Pipeline) routes(operations echoserver.StrictServerInterface) (http.Handler, error) {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = func(err error, c echo.Context) { p.writeError(c, err) }
	e.Use(p.observe)

	e.GET("/healthz", p.healthz)
	e.GET("/readyz", p.readyz)
	e.GET("/metrics", echo.WrapHandler(p.metrics.handler()))
	e.GET("/openapi.yaml", p.openAPIYAML)
	e.GET("/openapi.json", p.openAPIJSON)
	beside := len(e.Routes())

	around := map[string][]echo.MiddlewareFunc{}
	for op := range p.contract.Operations() {
		around[op.ID] = []echo.MiddlewareFunc{p.operation(op)}
	}
	strict := echoserver.NewStrictHandler(operations, []echoserver.StrictMiddlewareFunc{guard})
	for _, mount := range mounts {
		echoserver.RegisterHandlersWithOptions(e, strict, echoserver.RegisterHandlersOptions{
			BaseURL: mount, OperationMiddlewares: around,
		})
	}
	return e, p.checkRoutes(e, beside)
}

// checkRoutes returns an error unless each operation has a route at each mount, and nothing else has one, except
// the routes beside the API: a route without an operation would be served without validation.
func (p *Pipeline) checkRoutes(e *echo.Echo, beside int) error {
	served := map[string]bool{}
	for _, r := range e.Routes() {
		served[r.Method+" "+r.Path] = true
	}
	for op := range p.contract.Operations() {
		if !op.Secured {
			return fmt.Errorf("operation %s asks for no token", op.ID)
		}
		for _, mount := range mounts {
			if route := op.Method + " " + mount + op.RouterPath(); !served[route] {
				return fmt.Errorf("operation %s has no route %s", op.ID, route)
			}
		}
	}
	if known := len(mounts)*p.contract.Len() + beside; len(served) != known {
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
