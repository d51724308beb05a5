package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/form"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

// Responses is what the operations know of their responses, to record them for idempotency keys.
type Responses interface {
	// Describe returns the id of the resource that a response of 2xx shows, or "", and a reference that Rebuild accepts, or
	// "". secret is whether the body holds values that must not be kept. session is the session that the request is about,
	// or "".
	Describe(session string, body []byte) (resource, reference string, secret bool)

	// Rebuild makes the body that a reference stands for from what is stored now, or returns store.ErrNotFound.
	Rebuild(ctx context.Context, reference string) ([]byte, error)
}

// largestRecorded is the largest body that is recorded, in bytes. Of a larger one only the reference is.
const largestRecorded = 64 << 10

// errUndo rolls a transaction back without being an error of the request: the reply reports one already.
var errUndo = errors.New("undo")

// keyedRequest is a write that was sent with an idempotency key.
type keyedRequest struct {
	key store.Key
	// path and params are those of the operation; digest is that of the body, empty without one.
	path   string
	params []string
	digest []byte
}

// once runs a write at most once for its idempotency key: the key, the reply and the effect commit together
// (decision "Idempotency-Key"). Only a reply of 2xx has an effect and is recorded; after any other one the key is free.
// Reads and requests without a key just run, and so do those of tokens with a scope: keys are the account's, and what such
// a token opens can be repeated without one.
func (p *Pipeline) once(c echo.Context, reply *heldReply, op *contract.Operation, run func() error) error {
	original := c.Request()
	value := cmp.Or(original.Header.Get("Idempotency-Key"), original.Header.Get("X-Idempotency-Key"))
	if value == "" || op.Method == http.MethodGet || !request.From(original.Context()).Scope.Whole() {
		return run()
	}
	sent, err := readKeyed(c, op, value)
	if err != nil {
		return err
	}
	if sent.key.Fingerprint, err = p.fingerprints.of(original.Context(), sent); err != nil {
		return err
	}
	defer func() { c.SetRequest(original) }()
	if op.CallsOut {
		return p.onceOutside(c, reply, sent, run)
	}
	err = p.opts.Store.Atomically(original.Context(), func(ctx context.Context) error {
		c.SetRequest(original.WithContext(ctx))
		recorded, err := p.opts.Store.ClaimKey(ctx, sent.key)
		if err != nil {
			return err
		}
		if recorded != nil {
			return p.replay(c, reply, sent, recorded)
		}
		if err := p.keyBytes.check(ctx, sent.key.Account); err != nil {
			return err
		}
		if err := run(); err != nil {
			return err
		}
		if !reply.successful() {
			return errUndo
		}
		return p.record(c, reply, sent.key)
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

// onceOutside is once for an operation that sends requests to other servers, which may take long: it runs before the
// transaction that records its reply, so that the database does not wait for them. Of two repeats at the same time both run.
func (p *Pipeline) onceOutside(c echo.Context, reply *heldReply, sent keyedRequest, run func() error) error {
	original, replayed := c.Request(), false
	err := p.opts.Store.Atomically(original.Context(), func(ctx context.Context) error {
		c.SetRequest(original.WithContext(ctx))
		recorded, err := p.opts.Store.ClaimKey(ctx, sent.key)
		switch {
		case err != nil:
			return err
		case recorded == nil:
			return errUndo
		}
		replayed = true
		return p.replay(c, reply, sent, recorded)
	})
	if replayed || err != nil && !errors.Is(err, errUndo) {
		return err
	}
	c.SetRequest(original)
	if err := run(); err != nil || !reply.successful() {
		return err
	}
	return p.opts.Store.Atomically(original.Context(), func(ctx context.Context) error {
		c.SetRequest(original.WithContext(ctx))
		recorded, err := p.opts.Store.ClaimKey(ctx, sent.key)
		if err != nil || recorded != nil {
			return err
		}
		if err := p.keyBytes.check(ctx, sent.key.Account); err != nil {
			return err
		}
		return p.record(c, reply, sent.key)
	})
}

// readKeyed reads the request that a key stands for. Its body has been validated already: bodies that mean the same have
// the same digest.
func readKeyed(c echo.Context, op *contract.Operation, value string) (keyedRequest, error) {
	r := c.Request()
	sent := keyedRequest{path: op.Path, params: c.ParamValues()}
	target := op.Path
	for i, name := range c.ParamNames() {
		target = strings.Replace(target, "{"+name+"}", sent.params[i], 1)
	}
	sent.key = store.Key{Account: request.Account(r.Context()), Value: value, Request: op.Method + " " + target}
	if received := form.From(r.Context()); received != nil {
		sent.digest = received.Digest()
		return sent, nil
	}
	if !op.TakesBody() {
		return sent, nil
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return keyedRequest{}, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	digest := contract.Digest(body)
	sent.digest = digest[:]
	return sent, nil
}

// replay writes the reply that was recorded for the key of a repeated request.
func (p *Pipeline) replay(c echo.Context, reply *heldReply, sent keyedRequest, recorded *store.RecordedKey) error {
	switch {
	case recorded.Request != "" && recorded.Request != sent.key.Request:
		return &keyReusedError{request: recorded.Request}
	case !sent.matches(recorded.Fingerprint):
		return &keyReusedError{}
	case recorded.Erased:
		return &erasedError{}
	case recorded.Response.Reference == "":
		p.metrics.replays.Inc()
		return reply.replay(c, recorded.Response)
	}
	response := recorded.Response
	body, err := p.responses.Rebuild(c.Request().Context(), response.Reference)
	if errors.Is(err, store.ErrNotFound) {
		return &erasedError{}
	}
	if err != nil {
		return err
	}
	response.Body = body
	p.metrics.replays.Inc()
	return p.handle(c, reply, func(c echo.Context) error { return reply.replay(c, response) })
}

// record records a reply of 2xx: its body, or only a reference for one that is large or holds secrets.
func (p *Pipeline) record(c echo.Context, reply *heldReply, key store.Key) error {
	body := reply.bytes()
	resource, reference, secret := p.responses.Describe(c.Param("session_id"), body)
	response := store.RecordedResponse{Status: reply.status, ContentType: reply.Header().Get(echo.HeaderContentType), Resource: resource}
	if reference != "" && (secret || len(body) > largestRecorded) {
		response.Reference = reference
	} else {
		response.Body = bytes.Clone(body)
	}
	p.keyBytes.add(key.Account, len(response.Body)+len(response.Reference)+keySize)
	return p.opts.Store.RecordResponse(c.Request().Context(), key, response)
}

// keyReusedError is a key that was used for another request. Its text is for callers.
type keyReusedError struct {
	request string // the method and path of the first request, when those differ
}

func (e *keyReusedError) Error() string {
	if e.request != "" {
		return fmt.Sprintf("Idempotency key reused with another method or path; it was first used for %s.", e.request)
	}
	return "Idempotency key reused with a different request body."
}

// Problem implements problem.Error.
func (e *keyReusedError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeConflictError, Param: "Idempotency-Key", Message: e.Error()}
}

// erasedError is a repeat of a request whose response was erased. Its text is for callers.
type erasedError struct{}

func (e *erasedError) Error() string {
	return "The request with this idempotency key succeeded; what it returned has been deleted since."
}

// Problem implements problem.Error.
func (e *erasedError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeConflictError, Param: "Idempotency-Key", Message: e.Error()}
}
