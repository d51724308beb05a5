package pipeline

import (
	"errors"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/budget"
	"github.com/cloud-sessions/sessions/server/form"
	"github.com/cloud-sessions/sessions/server/request"
)

// receive checks a request whose body is a form, and receives it before the operation begins: a body may take minutes, and
// no transaction waits for it. The operation finds it by form.From.
func (p *Pipeline) receive(c echo.Context, op *contract.Operation, grant *budget.Grant) error {
	r := c.Request()
	if err := op.CheckRequest(r, c.Param); err != nil {
		return err
	}
	if err := grant.Grow(p.opts.Forms.Buffer()); err != nil {
		return err
	}
	info := request.From(r.Context())
	out := http.NewResponseController(c.Response())
	paced := r.WithContext(r.Context())
	paced.Body = &pacedBody{ReadCloser: r.Body, out: out, patience: p.opts.Patience}
	received, err := p.opts.Forms.Receive(r.Context(), info.Account, op, paced)
	_ = out.SetReadDeadline(time.Time{}) // what follows is not about the body
	if err != nil {
		return err
	}
	c.SetRequest(r.WithContext(form.With(r.Context(), received)))
	return nil
}

// pacedBody gives the caller some time for each piece of a body, in place of a bound for all of it. The time in which
// nobody reads does not count.
type pacedBody struct {
	io.ReadCloser
	out      *http.ResponseController
	patience time.Duration // 0 for no bound
	piece    int           // bytes of the current piece
	waited   time.Duration // for the current piece
}

// Read implements io.Reader. It returns a *form.SlowError when the time is over.
func (b *pacedBody) Read(p []byte) (int, error) {
	start := time.Now()
	if b.patience > 0 {
		_ = b.out.SetReadDeadline(start.Add(b.patience - b.waited)) // not every writer has deadlines
	}
	n, err := b.ReadCloser.Read(p)
	b.waited += time.Since(start)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = &form.SlowError{Bytes: pieceBytes, Within: b.patience}
	}
	if b.piece += n; b.piece >= pieceBytes {
		b.piece, b.waited = 0, 0
	}
	return n, err
}
