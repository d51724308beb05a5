package client

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// Do sends a request that this package has no method for, such as one to an operation of a newer server, like the
// methods: with the token, retries, and an idempotency key for a write. The path is appended to the base URL and
// begins with a slash; it is percent-encoded and may have a query. A body other than nil is sent as JSON. The response is
// decoded into out unless that is nil; a *json.RawMessage gets it unchanged. Its errors are those of the methods; an
// invalid path or body is an [ErrInvalidRequest].
func (c *Client) Do(ctx context.Context, method, path string, body, out any, opts ...Option) error {
	const op = "Client.Do"
	raw, err := call[json.RawMessage](ctx, c, op, opts, func(server string) (*http.Request, error) {
		return newRequest(server, method, path, body)
	})
	if err != nil || out == nil {
		return err
	}
	if err := unmarshal(*raw, out); err != nil {
		return c.config.finish(op, unexpected(http.StatusOK, "the response's JSON is not what was asked for: %s", err.Error()))
	}
	return nil
}

func newRequest(server, method, path string, body any) (*http.Request, error) {
	if !strings.HasPrefix(path, "/") {
		return nil, saying("the path %q does not begin with a slash", path)
	}
	var data io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, because("the body cannot be written as JSON", err)
		}
		data = bytes.NewReader(text)
	}
	req, err := http.NewRequest(method, server+path[1:], data) // each attempt gets its context
	if err != nil {
		return nil, saying("the method %q or the path %q is malformed", method, path)
	}
	if data != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	return req, nil
}
