package pipeline

import (
	"context"
	"io"
	"net/http"

	"github.com/cloud-sessions/sessions/server/budget"
)

const (
	// requestBytes is what a request and a small response take beside what their length says.
	requestBytes = 16 << 10
	// bodyCopies is how often a body is held at a time: as it was sent and as the operation's types.
	bodyCopies = 2
)

// headBytes returns about how many bytes a request takes without its body.
func headBytes(r *http.Request) int {
	size := requestBytes + len(r.RequestURI)
	for name, values := range r.Header {
		for _, value := range values {
			size += len(name) + len(value)
		}
	}
	return size
}

// reservedBody is a body whose bytes are reserved: before it is read if it has a length, otherwise as it is read. At its end
// it waits until the work on it, which follows, may begin.
type reservedBody struct {
	io.ReadCloser
	grant   *budget.Grant
	chunked bool
	ctx     context.Context // of the request
	read    int
	refused error // why reading ended early; nil if it did not
}

// reserveBody makes the request's body a reservedBody. One that is longer than most will be refused unread.
func reserveBody(r *http.Request, grant *budget.Grant, most int) (*reservedBody, error) {
	body := &reservedBody{ReadCloser: r.Body, grant: grant, ctx: r.Context(), chunked: r.ContentLength < 0}
	r.Body = body
	if body.chunked || r.ContentLength > int64(most) {
		return body, nil
	}
	return body, grant.Grow(bodyCopies * int(r.ContentLength))
}

// Read implements io.Reader.
func (b *reservedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.read += n
	if err == io.EOF {
		if b.refused = b.grant.Work(b.ctx, b.read); b.refused != nil {
			return 0, b.refused
		}
	}
	if b.chunked {
		if b.refused = b.grant.Grow(bodyCopies * n); b.refused != nil {
			return 0, b.refused
		}
	}
	return n, err
}
