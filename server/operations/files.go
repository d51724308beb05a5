package operations

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/form"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

// Files is what the operations on files work with, besides the store.
type Files struct {
	// Blobs has the contents; nil when the server has no place for them.
	Blobs blob.Store
	// MaxAccountBytes is how many bytes the files of an account may have.
	MaxAccountBytes int64
	// Content returns the response that sends bytes and closes them.
	Content func(ctx context.Context, f store.File, bytes io.ReadSeekCloser, params types.GetFileContentParams) echoserver.GetFileContentResponseObject
}

func (h *handler) UploadFile(ctx context.Context, _ echoserver.UploadFileRequestObject) (echoserver.UploadFileResponseObject, error) {
	received := form.From(ctx)
	spec, err := h.fileSpec(received)
	if err != nil {
		return nil, err
	}
	file, err := h.store.CreateFile(ctx, request.Account(ctx), spec, h.files.MaxAccountBytes)
	if err != nil {
		return nil, err
	}
	received.Keep()
	return echoserver.UploadFile201JSONResponse{Body: wireFile(file)}, nil
}

func (h *handler) ListFiles(ctx context.Context, req echoserver.ListFilesRequestObject) (echoserver.ListFilesResponseObject, error) {
	p := req.Params
	filter := store.FileFilter{Name: value(p.Name), Purpose: string(value(p.Purpose)), IDs: p.IDs}
	if n := int32(len(p.IDs)); n > 0 {
		p.Limit = &n
	}
	after, before, err := aliases(p.AfterID, p.After, p.BeforeID, p.Before)
	if err != nil {
		return nil, err
	}
	list, err := listed(ctx, listQuery{p.Limit, after, before, p.Page, p.Order, nil},
		func(page store.Page) (store.List[store.File], error) {
			if p.ScopeID != nil { // no session makes files
				return store.List[store.File]{Items: []store.File{}}, nil
			}
			return h.store.ListFiles(ctx, request.Account(ctx), filter, page)
		},
		func(f store.File) (types.File, error) { return wireFile(f), nil }, func(f store.File) string { return f.ID })
	return echoserver.ListFiles200JSONResponse{Body: types.FileList(list)}, err
}

func (h *handler) GetFile(ctx context.Context, req echoserver.GetFileRequestObject) (echoserver.GetFileResponseObject, error) {
	file, err := h.store.GetFile(ctx, request.Account(ctx), req.FileID)
	if err != nil {
		return nil, err
	}
	return echoserver.GetFile200JSONResponse{Body: wireFile(file)}, nil
}

func (h *handler) GetFileContent(ctx context.Context, req echoserver.GetFileContentRequestObject) (echoserver.GetFileContentResponseObject, error) {
	file, err := h.store.GetFile(ctx, request.Account(ctx), req.FileID)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return nil, h.goneOr(ctx, req.FileID, err)
	case err != nil:
		return nil, err
	case h.files.Blobs == nil:
		return nil, &form.FeatureError{}
	}
	bytes := blob.NewReader(ctx, h.files.Blobs, blob.Blob{Key: file.Blob, Size: file.Size})
	return h.files.Content(ctx, file, bytes, req.Params), nil
}

func (h *handler) DeleteFile(ctx context.Context, req echoserver.DeleteFileRequestObject) (echoserver.DeleteFileResponseObject, error) {
	err := h.store.DeleteFile(ctx, request.Account(ctx), req.FileID)
	return echoserver.DeleteFile200JSONResponse{Body: types.DeletedFile{ID: req.FileID, Type: types.DeletedFileTypeFileDeleted}}, err
}

// goneOr returns a *goneError for a file that was deleted, otherwise missing.
func (h *handler) goneOr(ctx context.Context, id string, missing error) error {
	deleted, err := h.store.FileDeleted(ctx, request.Account(ctx), id)
	switch {
	case err != nil:
		return err
	case deleted:
		return &goneError{id}
	}
	return missing
}

// goneError is the content of a file that was deleted. Its text is for callers.
type goneError struct{ id string }

func (e *goneError) Error() string { return fmt.Sprintf("File '%s' was deleted.", e.id) }

// Problem implements problem.Error.
func (e *goneError) Problem() problem.Problem {
	const gone = 410
	return problem.Problem{Type: types.ErrorTypeNotFoundError, Status: gone, Message: e.Error()}
}

// fileSpec returns the file that a form describes.
func (h *handler) fileSpec(f *form.Form) (store.FileSpec, error) {
	var sent types.UploadFileRequest
	if err := json.Unmarshal(f.Fields, &sent); err != nil {
		return store.FileSpec{}, err
	}
	spec := store.FileSpec{
		Name: cmp.Or(value(sent.Name), value(sent.Filename), f.Filename), MediaType: f.MediaType,
		Size: f.Blob.Size, SHA256: f.Blob.SHA256, Blob: f.Blob.Key,
		Purpose: string(value(sent.Purpose)), Metadata: sent.Metadata,
	}
	if sent.ExpiresInSeconds != nil {
		spec.ExpiresAt = new(h.now().Add(time.Duration(*sent.ExpiresInSeconds) * time.Second))
	}
	return spec, h.checkFileName(spec.Name)
}

// checkFileName returns an error for a name that the contract does not allow, or that stands for a folder.
func (h *handler) checkFileName(name string) error {
	const longest = 255 // bytes, as most file systems have it
	switch {
	case name == "":
		return &contract.RequestError{Param: "name", Message: "The file has no name; send the part 'name', or a file name with the part 'file'."}
	case name == ".", name == "..", len(name) > longest, !utf8.ValidString(name), text.HasInvisible(name), !h.contract.Accepts("FileName", name):
		return &contract.RequestError{Param: "name", Message: "The name of the file must have 1 to 255 bytes, without '/', '\\', control or format characters, and be neither '.' nor '..'."}
	}
	return nil
}

func wireFile(f store.File) types.File {
	return types.File{
		ID: f.ID, FileID: f.ID, Type: types.FileTypeFile, Filename: f.Name, MimeType: f.MediaType, SizeBytes: f.Size,
		Purpose: types.FilePurpose(f.Purpose), Status: types.FileStatusReady, Downloadable: true, Metadata: f.Metadata,
		ExpiresAt: f.ExpiresAt, CreatedAt: f.CreatedAt, UpdatedAt: f.UpdatedAt,
	}
}
