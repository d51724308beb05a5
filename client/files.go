package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"strconv"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// FileUpload describes a file to upload.
type FileUpload struct {
	// Name is the file's name, without a folder; required.
	Name string
	// MediaType is the media type of the content; "" lets the server choose it by the name.
	MediaType string
	// Purpose is what the file is for; "" for [FilePurposeUserUpload].
	Purpose FilePurpose
	// Metadata are key-value pairs to keep with the file; nil for none.
	Metadata Metadata
	// ExpiresIn is how long the file is kept, an hour to 90 days, in whole seconds; 0 for no end.
	ExpiresIn time.Duration
}

// Upload uploads a file with the content that is read up to io.EOF, and returns it. The content is sent as it is read; it is
// never in memory as a whole. A content that is an [io.Seeker], such as an *os.File, is read from where it is, and again
// for a retry; any other one is sent once, so that a failure is not retried.
//
// The time limit of the client does not apply, since a file may be large: ctx bounds the call, or a [WithTimeout] among opts
// each attempt. Upload does not close content, and nothing reads it once Upload has returned.
//
// Its errors include [ErrInvalidRequest] for a file that is too large or that the account has no room for,
// [ErrRateLimit], and [ErrFeatureNotAvailable] when the server has no place for files.
//
// Operation uploadFile: POST /files.
func (s *FileService) Upload(ctx context.Context, content io.Reader, file FileUpload, opts ...Option) (*File, error) {
	source := &uploadSource{content: content}
	defer source.end()
	return call[File](ctx, s.c, "Files.Upload", untimed(opts), func(server string) (*http.Request, error) {
		if content == nil {
			return nil, saying("the content is nil")
		}
		if file.Name == "" {
			return nil, invalid("name", "the file has no name")
		}
		form, err := newForm(file)
		if err != nil {
			return nil, err
		}
		return source.request(server, form)
	})
}

// untimed puts an option before opts that removes the time limit of an attempt.
func untimed(opts []Option) []Option { return append([]Option{WithTimeout(0)}, opts...) }

// form is a body of multipart/form-data around a content.
type form struct {
	media      string
	head, tail []byte
}

// newForm returns the form of a file.
func newForm(file FileUpload) (*form, error) {
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	fields := [][2]string{{"name", file.Name}, {"purpose", string(file.Purpose)}}
	if len(file.Metadata) > 0 {
		text, err := json.Marshal(file.Metadata)
		if err != nil {
			return nil, err
		}
		fields = append(fields, [2]string{"metadata", string(text)})
	}
	if file.ExpiresIn != 0 {
		fields = append(fields, [2]string{"expires_in_seconds", strconv.FormatInt(int64(file.ExpiresIn/time.Second), 10)})
	}
	for _, field := range fields {
		if field[1] != "" {
			if err := w.WriteField(field[0], field[1]); err != nil {
				return nil, err
			}
		}
	}
	media := file.MediaType
	if media == "" {
		media = "application/octet-stream"
	}
	if _, err := w.CreatePart(textproto.MIMEHeader{
		"Content-Disposition": {multipart.FileContentDisposition("file", file.Name)}, "Content-Type": {media},
	}); err != nil {
		return nil, err
	}
	length := body.Len()
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &form{w.FormDataContentType(), body.Bytes()[:length], body.Bytes()[length:]}, nil
}

// uploadSource is a content that several attempts read, one after the other: the transport may still read the body of an
// attempt that has failed, which ends when the next one begins.
type uploadSource struct {
	content io.Reader

	mu      sync.Mutex
	attempt int // that may read
}

// request returns the request that sends the content.
func (s *uploadSource) request(server string, f *form) (*http.Request, error) {
	req, err := httpclient.NewUploadFileRequestWithBody(server, nil, f.media, s.body(f))
	if err != nil {
		return nil, err
	}
	seeker, ok := s.content.(io.Seeker)
	if !ok {
		return req, nil
	}
	start, err := seeker.Seek(0, io.SeekCurrent)
	if err != nil { // such as that of a pipe
		return req, nil
	}
	end, err := seeker.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("the size of the content is not known: %w", err)
	}
	req.ContentLength = int64(len(f.head)) + end - start + int64(len(f.tail))
	req.GetBody = func() (io.ReadCloser, error) {
		body := s.body(f)
		s.mu.Lock()
		defer s.mu.Unlock()
		if _, err := seeker.Seek(start, io.SeekStart); err != nil {
			return nil, fmt.Errorf("the content cannot be read again: %w", err)
		}
		return body, nil
	}
	return req, nil
}

// body returns the body of a new attempt; those of earlier ones fail from now on.
func (s *uploadSource) body(f *form) io.ReadCloser {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt++
	return io.NopCloser(io.MultiReader(bytes.NewReader(f.head), &attemptReader{s, s.attempt}, bytes.NewReader(f.tail)))
}

// end makes the bodies of all attempts fail.
func (s *uploadSource) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.attempt++
}

// attemptReader reads the content as long as its attempt lasts.
type attemptReader struct {
	from    *uploadSource
	attempt int
}

// Read implements io.Reader.
func (r *attemptReader) Read(p []byte) (int, error) {
	r.from.mu.Lock()
	defer r.from.mu.Unlock()
	if r.from.attempt != r.attempt {
		return 0, errors.New("another attempt has begun")
	}
	n, err := r.from.content.Read(p)
	if err != nil && err != io.EOF {
		err = Permanent(fmt.Errorf("the content cannot be read: %w", err))
	}
	return n, err
}

// Download writes the content of a file to a writer, and returns how many bytes it has written. A download that is cut off
// resumes where it was. After an error, what was written is the beginning of the file; an error of the writer is returned.
//
// The time limit of the client does not apply, since a file may be large: ctx bounds the call, or a [WithTimeout] among opts
// each attempt.
//
// Its errors include [ErrNotFound] when the file does not exist or was deleted.
//
// Operation getFileContent: GET /files/{file_id}/content.
func (s *FileService) Download(ctx context.Context, fileID FileID, to io.Writer, opts ...Option) (int64, error) {
	const op = "Files.Download"
	cfg, err := s.c.config.with(untimed(opts))
	if err != nil {
		return 0, cfg.finish(op, err)
	}
	d := &download{ctx: cfg.named(ctx, op), cfg: cfg, id: fileID, to: to}
	if err := d.run(); err != nil {
		return d.written, cfg.finish(op, err)
	}
	return d.written, nil
}

// download is a content on its way.
type download struct {
	ctx     context.Context
	cfg     *config
	id      FileID
	to      io.Writer
	written int64
	tag     string // of the content that was begun
}

// run makes attempts until the content is complete. Attempts that bring bytes do not count.
func (d *download) run() error {
	for failures := 1; ; failures++ {
		before := d.written
		resp, err := d.attempt()
		if err == nil {
			return nil
		}
		if d.written > before {
			failures = 1
		}
		var known *Error
		switch {
		case d.ctx != nil && d.ctx.Err() != nil:
			return ended(d.ctx, &Error{})
		case !errors.As(err, &known):
			known = failed(err)
		}
		known.Attempts = failures
		if failures > d.cfg.retries || !d.again(resp, err) {
			return known
		}
		wait, worth := d.cfg.clock.wait(d.ctx, failures, resp)
		if !worth {
			return known
		}
		if d.cfg.clock.sleep(d.ctx, wait) != nil {
			return ended(d.ctx, known)
		}
	}
}

// again reports whether another attempt may succeed.
func (d *download) again(resp *response, err error) bool {
	if isPermanent(err) {
		return false
	}
	return retryable(&http.Request{Method: http.MethodGet}, resp, err)
}

// attempt sends one request for what is missing, and writes what comes. It returns the response of a failure, if there is
// one.
func (d *download) attempt() (*response, error) {
	req, err := d.cfg.request(d.ctx, func(server string) (*http.Request, error) {
		if err := checkID("file_id", d.id); err != nil {
			return nil, err
		}
		params := &types.GetFileContentParams{}
		if d.written > 0 {
			params.Range, params.IfRange = new(fmt.Sprintf("bytes=%d-", d.written)), &d.tag
		}
		return httpclient.NewGetFileContentRequest(server, d.id, params)
	})
	if err != nil {
		var known *Error
		if !errors.As(err, &known) {
			known = failed(err)
			known.Type, known.cause = ErrInvalidRequest, nil
		}
		return nil, Permanent(known)
	}
	if err := d.ctx.Err(); err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "*/*")
	ctx, cancel := d.ctx, context.CancelFunc(func() {})
	if d.cfg.timeout > 0 {
		ctx, cancel = context.WithTimeout(ctx, d.cfg.timeout)
	}
	defer cancel()
	in, err := d.cfg.roundTrip(ctx, req)
	if err != nil {
		return nil, err
	}
	defer in.Body.Close()
	resp := &response{status: in.StatusCode, header: in.Header}
	want := http.StatusOK
	if d.written > 0 {
		want = http.StatusPartialContent
	}
	switch {
	case resp.status == want:
		return nil, d.copy(in)
	case resp.status/100 == 2:
		return nil, Permanent(unexpected(resp.status, "the content has changed in the meantime"))
	}
	resp.body, _ = io.ReadAll(io.LimitReader(in.Body, maxError))
	return resp, responseError(resp, d.cfg.clock.now())
}

// copy writes the body of a response.
func (d *download) copy(in *http.Response) error {
	d.tag = in.Header.Get("ETag")
	to := &checkedWriter{to: d.to}
	n, err := io.Copy(to, in.Body)
	d.written += n
	switch {
	case to.err != nil:
		return Permanent(to.err)
	case err != nil && d.tag == "": // nothing says that the rest would belong to this
		return Permanent(because("the content was cut off", err))
	case err != nil:
		return because("the content was cut off", err)
	}
	return nil
}

// checkedWriter keeps the error of a writer.
type checkedWriter struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (w *checkedWriter) Write(p []byte) (n int, err error) {
	n, w.err = w.to.Write(p)
	return n, w.err
}
