package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
)

// stub answers createSession with one ready session; it has no other operations.
type stub struct {
	echoserver.StrictServerInterface
	answer echoserver.CreateSession201JSONResponse
}

// CreateSession implements echoserver.StrictServerInterface.
func (s stub) CreateSession(context.Context, echoserver.CreateSessionRequestObject) (echoserver.CreateSessionResponseObject, error) {
	return s.answer, nil
}

// checks makes of an operation what stands around its handler.
type checks func(op *contract.Operation) echo.MiddlewareFunc

// stubbed prepares the generated handler over a stub, with checks around it and nothing else: no token,
// no log, no metrics, no storage.
func stubbed(around checks) func(context.Context, string) (*subject, error) {
	return func(context.Context, string) (*subject, error) {
		doc, err := openapi.Parse(api.Spec())
		if err != nil {
			return nil, err
		}
		compiled, err := contract.Load()
		if err != nil {
			return nil, err
		}
		op := compiled.Operation("createSession")
		example, err := json.Marshal(doc.Paths.Find("/sessions").Post.Responses.Status(http.StatusCreated).
			Value.Content["application/json"].Examples["page"].Value.Value)
		if err != nil {
			return nil, err
		}
		var session types.Session
		if err := json.Unmarshal(example, &session); err != nil {
			return nil, err
		}
		session.Metadata = types.Metadata{"purpose": "customer-support"}
		session.Usage.TotalCredits = new(float64)
		answer := echoserver.CreateSession201JSONResponse{Body: session}
		answer.Headers.XRequestID = "019e3bb1-e8c1-71fd-9abb-b1477ffb84cc"

		e := echo.New()
		echoserver.RegisterHandlersWithOptions(e, echoserver.NewStrictHandler(stub{answer: answer}, nil),
			echoserver.RegisterHandlersOptions{
				BaseURL: mount, OperationMiddlewares: map[string][]echo.MiddlewareFunc{op.ID: {around(op)}},
			})
		list, err := createRequests(nil)
		return &subject{handler: e, serve: serveHandler(e), requests: list, close: func() error { return nil }}, err
	}
}

func noChecks(*contract.Operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc { return next }
}

func requestCheck(op *contract.Operation) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := op.CheckRequest(c.Request(), c.Param); err != nil {
				return err
			}
			return next(c)
		}
	}
}

// bothChecks holds the response back until it has been checked, in a buffer that is used again: what it
// measures is the checks, not a way to hold responses.
func bothChecks(op *contract.Operation) echo.MiddlewareFunc {
	pool := &sync.Pool{New: func() any { return new(held) }}
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			if err := op.CheckRequest(c.Request(), c.Param); err != nil {
				return err
			}
			h := pool.Get().(*held)
			defer pool.Put(h)
			h.ResponseWriter, h.status = c.Response().Writer, http.StatusOK
			h.body.Reset()
			c.Response().Writer = h
			if err := next(c); err != nil {
				return err
			}
			c.Response().Writer = h.ResponseWriter
			if err := op.CheckResponse(h.status, h.Header(), h.body.Bytes()); err != nil {
				return err
			}
			h.ResponseWriter.WriteHeader(h.status)
			_, err := h.ResponseWriter.Write(h.body.Bytes())
			return err
		}
	}
}

// held keeps a status and a body; headers go through.
type held struct {
	http.ResponseWriter
	status int
	body   bytes.Buffer
}

// WriteHeader implements http.ResponseWriter.
func (h *held) WriteHeader(status int) { h.status = status }

// Write implements http.ResponseWriter.
func (h *held) Write(p []byte) (int, error) { return h.body.Write(p) }

// serveHandler serves with the timeouts of server.Run, which cost a little for each request.
func serveHandler(handler http.Handler) func(context.Context, func(string)) error {
	return func(ctx context.Context, listening func(string)) error {
		listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		web := &http.Server{
			Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 2 * time.Minute, IdleTimeout: 2 * time.Minute,
		}
		context.AfterFunc(ctx, func() { _ = web.Close() })
		listening("http://" + listener.Addr().String())
		if err := web.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	}
}
