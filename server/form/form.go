// Package form receives request bodies of multipart/form-data as they arrive: the bytes of their file go to the store of
// blobs, the texts are validated by the contract. It holds little of a body in memory, whatever its size.
package form

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"path"
	"sync"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/blob"
)

// Feature is what a server without a store of blobs lacks.
const Feature = "files"

// maxText is the most bytes of all parts together that are not a file, with the heads of all parts.
const maxText = 64 << 10

// Form is a body that was received.
type Form struct {
	// Fields is a JSON object of the texts, validated and with the contract's defaults.
	Fields json.RawMessage
	// Filename is the name that the caller's file has, "" for none; MediaType is that of its content.
	Filename, MediaType string
	// Blob is the file.
	Blob blob.Blob

	kept bool
}

// Digest identifies what the form means.
func (f *Form) Digest() []byte {
	fields := contract.Digest(f.Fields)
	sum := sha256.New()
	fmt.Fprintf(sum, "%x %q %q %s", fields, f.Filename, f.MediaType, f.Blob.SHA256)
	return sum.Sum(nil)
}

// Keep says that the blob has an owner, who deletes it.
func (f *Form) Keep() { f.kept = true }

type key struct{}

// With returns a context that carries a form to the operation.
func With(ctx context.Context, f *Form) context.Context { return context.WithValue(ctx, key{}, f) }

// From returns the form that a context carries; nil for none.
func From(ctx context.Context) *Form {
	f, _ := ctx.Value(key{}).(*Form)
	return f
}

// Receiver receives forms. Its methods are safe for concurrent use; its fields must not change.
type Receiver struct {
	// Blobs stores the files; nil when the server has no place for them.
	Blobs blob.Store
	// MaxBytes is the most bytes of one file, MaxAccountBytes that of all files of an account.
	MaxBytes, MaxAccountBytes int64
	// Used returns how many bytes the files of an account have.
	Used func(ctx context.Context, account string) (int64, error)

	mu      sync.Mutex
	arrives map[string]int64 // bytes that the files in progress may have, by account
}

// Buffer returns how many bytes of memory one call of Receive uses, about.
func (r *Receiver) Buffer() int {
	if r.Blobs == nil {
		return 0
	}
	return r.Blobs.Buffer() + 2*maxText
}

// Receive reads the body of a request that op has checked. What is wrong with it is a *contract.RequestError, a *FullError
// or a *FeatureError. The caller calls Discard in the end.
func (r *Receiver) Receive(ctx context.Context, account string, op *contract.Operation, req *http.Request) (*Form, error) {
	if r.Blobs == nil {
		return nil, &FeatureError{}
	}
	room, done, err := r.reserve(ctx, account, req.ContentLength)
	if err != nil {
		return nil, err
	}
	defer done()
	_, params, err := mime.ParseMediaType(req.Header.Get("Content-Type"))
	if err != nil {
		return nil, err // never: op has checked it
	}
	body := &bounded{from: req.Body, rest: maxText}
	p := &parts{receiver: r, op: op, body: body, from: multipart.NewReader(body, params["boundary"]), room: room, texts: map[string]string{}}
	err = p.receive(ctx)
	if err != nil {
		r.Discard(ctx, &p.form)
		return nil, err
	}
	return &p.form, nil
}

// Discard deletes the blob of a form that nobody has kept. A form may be nil.
func (r *Receiver) Discard(ctx context.Context, f *Form) {
	if f == nil || f.kept || f.Blob.Key == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), discardTime)
	defer cancel()
	_ = r.Blobs.Delete(ctx, f.Blob.Key) // otherwise the sweeper does
}

// discardTime bounds how long Discard tries.
const discardTime = 5 * time.Second

// reserve returns how many bytes a file of the account may have; files that arrive at the same time count.
func (r *Receiver) reserve(ctx context.Context, account string, length int64) (room int64, done func(), err error) {
	used, err := r.Used(ctx, account)
	if err != nil {
		return 0, nil, err
	}
	size := r.MaxBytes
	if 0 <= length && length < size {
		size = length
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	room = r.MaxAccountBytes - used - r.arrives[account]
	if room < 0 {
		return 0, nil, &FullError{r.MaxAccountBytes}
	}
	if r.arrives == nil {
		r.arrives = map[string]int64{}
	}
	r.arrives[account] += size
	return room, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.arrives[account] -= size; r.arrives[account] == 0 {
			delete(r.arrives, account)
		}
	}, nil
}

// parts are those of a body that is being received.
type parts struct {
	receiver *Receiver
	op       *contract.Operation
	body     *bounded
	from     *multipart.Reader
	room     int64
	texts    map[string]string
	form     Form
}

// receive reads the parts.
func (p *parts) receive(ctx context.Context) error {
	for {
		part, err := p.from.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			return p.body.failure(err)
		}
		if err := p.one(ctx, part); err != nil {
			return err
		}
	}
	fields, err := p.op.CheckForm(p.texts)
	p.form.Fields = fields
	return err
}

// one reads one part.
func (p *parts) one(ctx context.Context, part *multipart.Part) error {
	if _, _, err := mime.ParseMediaType(part.Header.Get(disposition)); err != nil {
		return badHeader()
	}
	name := part.FormName()
	binary, err := p.op.CheckPart(name)
	if err != nil {
		return err
	}
	if _, sent := p.texts[name]; sent {
		return &contract.RequestError{Param: name, Message: "The form has the part '" + name + "' twice; send it once."}
	}
	if binary {
		p.texts[name] = ""
		return p.file(ctx, name, part)
	}
	text, err := io.ReadAll(part)
	if err != nil {
		return p.body.failure(err)
	}
	p.texts[name] = string(text)
	return nil
}

// file stores the file.
func (p *parts) file(ctx context.Context, name string, part *multipart.Part) (err error) {
	p.form.Filename = filename(part)
	p.form.MediaType = mediaType(part.Header.Get("Content-Type"), p.form.Filename)
	rest := p.body.rest
	p.body.rest = unbounded
	content := &limited{from: part, rest: min(p.receiver.MaxBytes, p.room)}
	p.form.Blob, err = p.receiver.Blobs.Create(ctx, content)
	p.body.rest = rest
	switch {
	case content.exceeded && p.room < p.receiver.MaxBytes:
		return &FullError{p.receiver.MaxAccountBytes}
	case content.exceeded:
		return &contract.RequestError{Param: name, Message: fmt.Sprintf("Part '%s' must be at most %d bytes long.", name, p.receiver.MaxBytes)}
	case content.err != nil:
		return p.body.failure(content.err)
	}
	return err
}

// disposition is the header with the name of a part and of its file.
const disposition = "Content-Disposition"

// badHeader is the error of a part whose header cannot be read, most often because of a name.
func badHeader() error {
	return &contract.RequestError{Param: "body", Message: "The header 'Content-Disposition' of each part must be form-data with the part's name, and " +
		"no header may have control characters or line breaks in a value; percent-encode those of a name."}
}

// filename returns the name of a part's file as it was sent, without cleaning: the contract says what a name may have.
func filename(part *multipart.Part) string {
	_, params, err := mime.ParseMediaType(part.Header.Get(disposition))
	if err != nil {
		return part.FileName()
	}
	return params["filename"]
}

// defaultMediaType is that of bytes of which nothing is known.
const defaultMediaType = "application/octet-stream"

// mediaType returns the media type that was sent or, if that says nothing, the one that the file's name suggests.
func mediaType(sent, name string) string {
	const longest = 255
	media, params, err := mime.ParseMediaType(sent)
	if err == nil && media != defaultMediaType {
		if full := mime.FormatMediaType(media, params); full != "" && len(full) <= longest {
			return full
		}
	}
	if known := knownTypes[path.Ext(name)]; known != "" {
		return known
	}
	return defaultMediaType
}

// knownTypes are media types by the ends of names. The machine's own table would differ between replicas.
var knownTypes = map[string]string{
	".txt": "text/plain; charset=utf-8", ".log": "text/plain; charset=utf-8", ".md": "text/markdown; charset=utf-8",
	".csv": "text/csv; charset=utf-8", ".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
	".json": "application/json", ".jsonl": "application/jsonl", ".xml": "application/xml", ".yaml": "application/yaml",
	".yml": "application/yaml", ".js": "text/javascript; charset=utf-8", ".go": "text/plain; charset=utf-8",
	".py": "text/plain; charset=utf-8", ".sh": "text/plain; charset=utf-8",
	".pdf": "application/pdf", ".png": "image/png", ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".gif": "image/gif",
	".webp": "image/webp", ".svg": "image/svg+xml", ".zip": "application/zip", ".gz": "application/gzip",
}

// unbounded is more than any body has.
const unbounded = 1 << 62

var errTooMuchText = errors.New("form: too much text")

// bounded is a body of which only so many bytes may be read.
type bounded struct {
	from io.Reader
	rest int64
	err  error // of from, except io.EOF
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	if b.rest <= 0 {
		return 0, errTooMuchText
	}
	n, err := b.from.Read(p[:min(int64(len(p)), b.rest)])
	b.rest -= int64(n)
	if err != nil && err != io.EOF {
		b.err = err
	}
	return n, err
}

// failure returns what a caller sees of an error of reading parts.
func (b *bounded) failure(err error) error {
	var header textproto.ProtocolError
	var slow *SlowError
	switch {
	case errors.Is(err, errTooMuchText):
		return &contract.RequestError{Param: "body", Message: fmt.Sprintf("The parts other than the file must have at most %d bytes together.", maxText)}
	case errors.As(b.err, &slow):
		return &contract.RequestError{Param: "body", Message: slow.Error()}
	case errors.As(err, &header):
		return badHeader()
	case b.err != nil:
		return &contract.RequestError{Param: "body", Message: "The request body could not be read to its end; send it again."}
	}
	return &contract.RequestError{Param: "body", Message: "The request body is not valid multipart/form-data; it must have parts and end with the boundary."}
}

// SlowError is what the body of a request returns when the caller is too slow. Its text is for callers.
type SlowError struct {
	// Bytes is how much of the body must arrive Within that time.
	Bytes  int
	Within time.Duration
}

func (e *SlowError) Error() string {
	return fmt.Sprintf("The request body arrived too slowly: each %d KiB of it must arrive within %v; send it again.", e.Bytes>>10, e.Within)
}

// limited is a file of which only so many bytes may be read.
type limited struct {
	from     io.Reader
	rest     int64
	exceeded bool
	err      error // of from, except io.EOF
}

// Read implements io.Reader. It fails when the file has more bytes than it may.
func (l *limited) Read(p []byte) (int, error) {
	n, err := l.from.Read(p)
	l.rest -= int64(n)
	if l.rest < 0 {
		l.exceeded = true
		return 0, errors.New("form: the file is too large")
	}
	if err != nil && err != io.EOF {
		l.err = err
	}
	return n, err
}

// FullError is a file that an account has no room for. Its text is for callers.
type FullError struct{ most int64 }

func (e *FullError) Error() string {
	return fmt.Sprintf("The account's files may have %d bytes together, and this one exceeds that; delete some first.", e.most)
}

// Problem implements problem.Error.
func (e *FullError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Message: e.Error(), Param: "file"}
}

// FeatureError is a file that the server has no place for. Its text is for callers.
type FeatureError struct{}

func (e *FeatureError) Error() string {
	return "This server has no place for files; its operator has to set one with 'sessionsd serve --blobs'."
}

// Problem implements problem.Error.
func (e *FeatureError) Problem() problem.Problem {
	return problem.Problem{Type: types.ErrorTypeFeatureNotAvailable, Message: e.Error(), Feature: Feature}
}
