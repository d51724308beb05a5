package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/gen/echoserver"
)

// mounts are where the operations are served: the path of the seed's curl, and that of its heading.
var mounts = [...]string{"/api/v1/cloud", "/v1"}

// OperationID returns the operationId that a request is for, "" for anything that is not the contract's.
func (s *Server) OperationID(r *http.Request) string {
	for _, mount := range mounts {
		if path, ok := strings.CutPrefix(r.URL.EscapedPath(), mount); ok {
			if op, _ := s.contract.Find(r.Method, path); op != nil {
				return op.ID
			}
		}
	}
	return ""
}

// routes assembles echo, top to bottom in the order that a request meets it: id, log and recover for
// everything; then, for an operation, its token, its contract and its idempotency key.
func (s *Server) routes() (http.Handler, error) {
	e := echo.New()
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = func(err error, c echo.Context) { s.writeError(c, err) }
	e.Use(s.observe)

	e.GET("/healthz", s.healthz)
	e.GET("/readyz", s.readyz)
	e.GET("/metrics", echo.WrapHandler(s.metrics.handler()))
	e.GET("/openapi.yaml", func(c echo.Context) error { return c.Blob(http.StatusOK, "application/yaml", api.Spec()) })
	e.GET("/openapi.json", s.openAPIJSON)

	around := map[string][]echo.MiddlewareFunc{}
	for op := range s.contract.Operations() {
		around[op.ID] = []echo.MiddlewareFunc{s.operation(op)}
	}
	operations := &handler{
		store: s.store, contract: s.contract, answers: newSessionAnswers(s.store, s.contract.Operation("getSession")),
		models: s.models, gates: s.config.Features, now: s.config.Now,
		events: s.events, broker: s.broker, maxTurns: s.config.MaxTurns,
		heartbeat: s.config.Heartbeat, patience: s.config.StreamPatience, log: s.log,
	}
	strict := echoserver.NewStrictHandler(operations, []echoserver.StrictMiddlewareFunc{refuseEmpty})
	for _, mount := range mounts {
		echoserver.RegisterHandlersWithOptions(e, strict, echoserver.RegisterHandlersOptions{
			BaseURL: mount, OperationMiddlewares: around,
		})
	}
	return e, s.checkRoutes(e)
}

// checkRoutes returns an error unless each operation has a route at each mount and the reverse: a route
// without its operation would be served unchecked.
func (s *Server) checkRoutes(e *echo.Echo) error {
	served := map[string]bool{}
	for _, r := range e.Routes() {
		served[r.Method+" "+r.Path] = true
	}
	wanted := len(mounts)*s.contract.Len() + len([]string{"healthz", "readyz", "metrics", "yaml", "json"})
	for op := range s.contract.Operations() {
		if !op.Secured {
			return fmt.Errorf("operation %s asks for no token", op.ID)
		}
		for _, mount := range mounts {
			if route := op.Method + " " + mount + op.RouterPath(); !served[route] {
				return fmt.Errorf("operation %s has no route %s", op.ID, route)
			}
		}
	}
	if len(served) != wanted {
		return fmt.Errorf("%d routes are served, %d are known", len(served), wanted)
	}
	return nil
}

// refuseEmpty makes an error of a handler that returns neither response nor error, which the generated
// code would send as an empty 200.
func refuseEmpty(next echoserver.StrictHandlerFunc, operationID string) echoserver.StrictHandlerFunc {
	return func(c echo.Context, request any) (any, error) {
		response, err := next(c, request)
		if response == nil && err == nil {
			err = fmt.Errorf("%s returned no response", operationID)
		}
		return response, err
	}
}

func (s *Server) healthz(c echo.Context) error {
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

// readyTimeout bounds how long the database may take before the server counts as not ready.
const readyTimeout = 2 * time.Second

func (s *Server) readyz(c echo.Context) error {
	if s.draining.Load() {
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "stopping"})
	}
	ctx, cancel := context.WithTimeout(c.Request().Context(), readyTimeout)
	defer cancel()
	if err := s.store.Ping(ctx); err != nil {
		s.log.Warn("not ready", "error", err)
		return c.JSON(http.StatusServiceUnavailable, map[string]string{"status": "unavailable"})
	}
	return c.JSON(http.StatusOK, map[string]string{"status": "ok"})
}

func (s *Server) openAPIJSON(c echo.Context) error {
	data, err := api.JSON()
	if err != nil {
		return err
	}
	return c.JSONBlob(http.StatusOK, data)
}
