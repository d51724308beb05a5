package server

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/store"
)

// errUndo takes a transaction back without being an error of the request: its reply is an error.
var errUndo = errors.New("undo")

// once runs a write at most once for its idempotency key: the key, the reply and the effect commit
// together (decision "Idempotency-Key"). A reply of 4xx is recorded without its effect, one of 5xx not
// at all. Requests without a key, and reads, simply run.
func (s *Server) once(c echo.Context, reply *heldReply, op *contract.Operation, run func() error) error {
	original := c.Request()
	key, err := idempotencyKey(c, op)
	if err != nil {
		return err
	}
	if key.Value == "" {
		return run()
	}
	defer func() { c.SetRequest(original) }()
	within := func(ctx context.Context, fn func(ctx context.Context) error) error {
		return s.store.Atomically(ctx, func(ctx context.Context) error {
			c.SetRequest(original.WithContext(ctx))
			return fn(ctx)
		})
	}
	err = within(original.Context(), func(ctx context.Context) error {
		recorded, err := s.store.ClaimKey(ctx, key)
		if err != nil {
			return err
		}
		if recorded != nil {
			return reply.replay(c, recorded)
		}
		err = within(ctx, func(context.Context) error {
			if err := run(); err != nil {
				return err
			}
			return undoFrom(http.StatusBadRequest, reply.status)
		})
		if err != nil && !errors.Is(err, errUndo) {
			return err
		}
		if err := undoFrom(http.StatusInternalServerError, reply.status); err != nil {
			return err
		}
		return s.store.RecordReply(ctx, key, reply.record())
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

// undoFrom returns errUndo for replies of that status and above.
func undoFrom(status, reply int) error {
	if reply >= status {
		return errUndo
	}
	return nil
}

// idempotencyKey reads the key of a write, if it has one, and what the key stands for. The body has
// been checked already: bodies that mean the same are the same.
func idempotencyKey(c echo.Context, op *contract.Operation) (store.Key, error) {
	r := c.Request()
	if r.Method == http.MethodGet {
		return store.Key{}, nil
	}
	value := orDefault(r.Header.Get("Idempotency-Key"), r.Header.Get("X-Idempotency-Key"))
	if value == "" {
		return store.Key{}, nil
	}
	sum := sha256.New()
	fmt.Fprintf(sum, "%s %s %q\n", op.Method, op.Path, c.ParamValues())
	if op.TakesBody() {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return store.Key{}, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		digest := contract.Digest(body)
		sum.Write(digest[:])
	}
	return store.Key{
		Account:     account(r.Context()),
		Value:       value,
		Fingerprint: hex.EncodeToString(sum.Sum(nil)),
	}, nil
}
