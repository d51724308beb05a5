package pipeline

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

// errUndo rolls a transaction back without being an error of the request: the reply reports one already.
var errUndo = errors.New("undo")

// once runs a write at most once for its idempotency key: the key, the reply and the effect commit together
// (decision "Idempotency-Key"). A reply of 4xx is recorded without its effect, one of 5xx is not recorded. Reads and
// requests without a key just run.
func (p *Pipeline) once(c echo.Context, reply *heldReply, op *contract.Operation, run func() error) error {
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
		return p.opts.Store.Atomically(ctx, func(ctx context.Context) error {
			c.SetRequest(original.WithContext(ctx))
			return fn(ctx)
		})
	}
	err = within(original.Context(), func(ctx context.Context) error {
		recorded, err := p.opts.Store.ClaimKey(ctx, key)
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
		return p.opts.Store.RecordResponse(ctx, key, reply.record())
	})
	if errors.Is(err, errUndo) {
		return nil
	}
	return err
}

// undoFrom returns errUndo for replies of that status and higher ones.
func undoFrom(status, reply int) error {
	if reply >= status {
		return errUndo
	}
	return nil
}

// idempotencyKey reads the key of a write, if it has one, and the fingerprint of the request that the key stands for.
// The body has been validated already: bodies that mean the same have the same fingerprint.
func idempotencyKey(c echo.Context, op *contract.Operation) (store.Key, error) {
	r := c.Request()
	if op.Method == http.MethodGet {
		return store.Key{}, nil
	}
	value := cmp.Or(r.Header.Get("Idempotency-Key"), r.Header.Get("X-Idempotency-Key"))
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
		Account:     request.Account(r.Context()),
		Value:       value,
		Fingerprint: hex.EncodeToString(sum.Sum(nil)),
	}, nil
}
