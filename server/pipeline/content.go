package pipeline

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"mime"
	"net/http"
	"time"

	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/request"
)

// Content is what getFileContent returns: a file that a caller chose, so that it is sent as one that browsers neither show
// nor run.
type Content struct {
	Name, MediaType, ETag string
	Modified              time.Time
	Size                  int64
	// Bytes is the content. It is closed once the response was sent.
	Bytes io.ReadSeekCloser
	// Params are the ranges and conditions of the request.
	Params types.GetFileContentParams
}

// FileContent returns the response with a content, or the part of it that the request asks for. A caller that does not
// read a piece in time is disconnected.
func (p *Pipeline) FileContent(ctx context.Context, content Content) echoserver.GetFileContentResponseObject {
	return &fileContent{Content: content, ctx: ctx, log: p.log}
}

type fileContent struct {
	Content
	ctx context.Context
	log *slog.Logger
}

// VisitGetFileContentResponse implements echoserver.GetFileContentResponseObject. It sends nothing before the first bytes
// were read, so that a failure to read can still be reported.
func (f *fileContent) VisitGetFileContentResponse(w http.ResponseWriter) error {
	defer f.Bytes.Close()
	header := w.Header()
	header.Set("Content-Type", f.MediaType)
	header.Set("ETag", f.ETag)
	header.Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": f.Name}))
	header.Set("X-Content-Type-Options", "nosniff")
	header.Set("Content-Security-Policy", "sandbox")
	header.Set("Cache-Control", "private")
	bytes := &readErrors{ReadSeeker: f.Bytes}
	out := &lateWriter{ResponseWriter: w}
	http.ServeContent(out, f.conditions(), "", f.Modified, bytes)
	switch {
	case out.status == http.StatusRequestedRangeNotSatisfiable:
		return &rangeError{f.Size}
	case bytes.err != nil && out.begun:
		f.log.WarnContext(f.ctx, "the content of a file ended early", "request_id", request.From(f.ctx).ID, "error", bytes.err)
		return nil
	case bytes.err != nil:
		return bytes.err
	}
	return out.begin()
}

// conditions returns a request that has what http.ServeContent needs of the caller's. RFC 9110 defines ranges for GET only.
func (f *fileContent) conditions() *http.Request {
	r := &http.Request{Method: http.MethodGet, Header: http.Header{}}
	if request.From(f.ctx).Head {
		r.Method = http.MethodHead
	}
	if f.Params.Range != nil && r.Method == http.MethodGet {
		r.Header.Set("Range", byteRanges(*f.Params.Range, f.Size))
	}
	for name, value := range map[string]*string{
		"If-Range":      f.Params.IfRange,
		"If-None-Match": f.Params.IfNoneMatch, "If-Modified-Since": f.Params.IfModifiedSince,
	} {
		if value != nil {
			r.Header.Set(name, *value)
		}
	}
	return r
}

// readErrors keeps the error of a reader.
type readErrors struct {
	io.ReadSeeker
	err error // except io.EOF
}

// Read implements io.Reader.
func (r *readErrors) Read(p []byte) (int, error) {
	n, err := r.ReadSeeker.Read(p)
	if err != nil && err != io.EOF {
		r.err = err
	}
	return n, err
}

// lateWriter sends the status and the headers with the first bytes of the body. From then on nothing is held in memory.
type lateWriter struct {
	http.ResponseWriter
	status int
	begun  bool
}

// WriteHeader keeps the status.
func (w *lateWriter) WriteHeader(status int) { w.status = status }

// Write writes a piece of the body; that of an error is left to the pipeline.
func (w *lateWriter) Write(p []byte) (int, error) {
	if w.status >= http.StatusBadRequest {
		return len(p), nil
	}
	if err := w.begin(); err != nil {
		return 0, err
	}
	return w.ResponseWriter.Write(p)
}

// begin sends the status and the headers, once.
func (w *lateWriter) begin() error {
	if w.begun {
		return nil
	}
	w.begun = true
	w.ResponseWriter.WriteHeader(w.status)
	return http.NewResponseController(w.ResponseWriter).Flush()
}

// rangeError is a range outside of a content. Its text is for callers.
type rangeError struct{ size int64 }

func (e *rangeError) Error() string {
	return fmt.Sprintf("Header 'Range' must name bytes that the file has; it has %d.", e.size)
}

// contentRange is the header of the response (RFC 9110, section 14.4).
func (e *rangeError) contentRange() string { return fmt.Sprintf("bytes */%d", e.size) }

// Problem implements problem.Error.
func (e *rangeError) Problem() problem.Problem {
	return problem.Problem{
		Type: types.ErrorTypeInvalidRequestError, Status: http.StatusRequestedRangeNotSatisfiable, Message: e.Error(), Param: "Range",
	}
}
