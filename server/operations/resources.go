package operations

import (
	"cmp"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/internal/text"
	"github.com/cloud-sessions/sessions/server/lifecycle"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
)

func (h *handler) AddSessionResources(ctx context.Context, req echoserver.AddSessionResourcesRequestObject) (echoserver.AddSessionResourcesResponseObject, error) {
	if err := h.gate(FeatureM3, "resources", 1); err != nil {
		return nil, err
	}
	files, err := addedFiles(req.Body)
	if err != nil {
		return nil, err
	}
	session, err := h.addFiles(ctx, req.SessionID, files)
	if err != nil {
		return nil, err
	}
	return echoserver.AddSessionResources200JSONResponse{Body: addedResources(req.Body, session)}, nil
}

func (h *handler) ListSessionResources(ctx context.Context, req echoserver.ListSessionResourcesRequestObject) (echoserver.ListSessionResourcesResponseObject, error) {
	session, err := h.gatedSession(ctx, req.SessionID)
	if err != nil {
		return nil, err
	}
	p := req.Params
	id := func(r store.Resource) string { return r.ID }
	list, err := listed(ctx, listQuery{p.Limit, p.AfterID, p.BeforeID, p.Page, p.Order, nil},
		func(page store.Page) (store.List[store.Resource], error) {
			return pageOf(session.Resources, id, func(store.Resource) bool { return true }, page)
		},
		func(r store.Resource) (types.SessionResource, error) { return wireResource(r), nil }, id)
	return echoserver.ListSessionResources200JSONResponse{Body: types.SessionResourceList(list)}, err
}

func (h *handler) GetSessionResource(ctx context.Context, req echoserver.GetSessionResourceRequestObject) (echoserver.GetSessionResourceResponseObject, error) {
	session, err := h.gatedSession(ctx, req.SessionID)
	if err != nil {
		return nil, err
	}
	i, err := resourceAt(session, req.ResourceID)
	if err != nil {
		return nil, err
	}
	return echoserver.GetSessionResource200JSONResponse{Body: wireResource(session.Resources[i])}, nil
}

func (h *handler) DeleteSessionResource(ctx context.Context, req echoserver.DeleteSessionResourceRequestObject) (echoserver.DeleteSessionResourceResponseObject, error) {
	if err := h.gate(FeatureM3, "resources", 1); err != nil {
		return nil, err
	}
	_, err := h.changeSession(ctx, req.SessionID, lifecycle.OnChange, func(s *store.Session) error {
		i, err := resourceAt(*s, req.ResourceID)
		if err != nil {
			return err
		}
		if s.Resources[i].Memory != nil {
			return &store.StateError{Noun: store.NounResource, ID: req.ResourceID, Reason: "is a memory store, which a session keeps for its life."}
		}
		s.Resources = slices.Delete(s.Resources, i, i+1)
		return nil
	})
	return echoserver.DeleteSessionResource200JSONResponse{Body: types.DeletedSessionResource{ID: req.ResourceID, Type: types.DeletedSessionResourceTypeSessionResourceDeleted}}, err
}

// resourcesOf returns new resources.
func resourcesOf(specs []store.ResourceSpec) []store.Resource {
	resources := make([]store.Resource, len(specs))
	for i, spec := range specs {
		resources[i] = store.Resource{FileID: spec.FileID, MountPath: spec.MountPath}
	}
	return resources
}

// addFiles adds resources to a session, all of them or none.
func (h *handler) addFiles(ctx context.Context, id string, files []types.FileResourceInput) (types.Session, error) {
	specs := make([]store.ResourceSpec, len(files))
	for i, file := range files {
		var err error
		if specs[i], err = fileResource(i, file); err != nil {
			return types.Session{}, err
		}
	}
	return h.changeSession(ctx, id, lifecycle.OnChange, func(s *store.Session) error {
		s.Resources = append(s.Resources, resourcesOf(specs)...)
		return h.checkResources(s)
	})
}

// fileResource returns the file that a request adds to a session, at that place of its list.
func fileResource(i int, file types.FileResourceInput) (store.ResourceSpec, error) {
	at := cmp.Or(value(file.MountPath), value(file.Path))
	invalid := func(field, message string) error {
		field = fmt.Sprintf("resources[%d].%s", i, field)
		return &contract.RequestError{Param: field, Message: "Field '" + field + "' " + message}
	}
	switch {
	case file.MountPath != nil && file.Path != nil && *file.MountPath != *file.Path:
		return store.ResourceSpec{}, invalid("path", "is another name of 'mount_path'; send one of them.")
	case at != "" && !isMountPath(at):
		return store.ResourceSpec{}, invalid("mount_path", "must be an absolute path of at most 512 bytes without '.' or '..' segments, empty segments, control or format characters.")
	case at != "" && overlap(at, store.MemoryFolder):
		return store.ResourceSpec{}, invalid("mount_path", "must be neither in nor above "+store.MemoryFolder+", the folder of memory stores.")
	}
	return store.ResourceSpec{FileID: file.FileID, MountPath: at}, nil
}

// longestMountPath is the most bytes of a path in a request.
const longestMountPath = 512

// isMountPath reports whether a file can be at a path.
func isMountPath(at string) bool {
	return len(at) <= longestMountPath && path.IsAbs(at) && path.Clean(at) == at && at != "/" &&
		utf8.ValidString(at) && !text.HasInvisible(at)
}

// gatedSession returns the session of an operation on its resources, which are gated.
func (h *handler) gatedSession(ctx context.Context, id string) (store.Session, error) {
	if err := h.gate(FeatureM3, "resources", 1); err != nil {
		return store.Session{}, err
	}
	return h.store.GetSession(ctx, request.Account(ctx), id)
}

// addedFiles returns the files of either form of the body: one resource, or a list of them.
func addedFiles(body *types.AddSessionResourcesRequest) ([]types.FileResourceInput, error) {
	single := body.Type != nil || body.FileID != nil || body.MountPath != nil || body.Path != nil
	switch {
	case single && body.Resources != nil:
		return nil, &contract.RequestError{Param: "resources", Message: "Send either one resource or a list under 'resources', not both."}
	case body.Resources != nil:
		return body.Resources, nil
	case body.Type == nil:
		return nil, &contract.RequestError{Param: "type", Message: "Missing required field: type"}
	case body.FileID == nil:
		return nil, &contract.RequestError{Param: "file_id", Message: "Missing required field: file_id"}
	}
	return []types.FileResourceInput{{Type: types.FileResourceInputTypeFile, FileID: *body.FileID, MountPath: body.MountPath, Path: body.Path}}, nil
}

// addedResources returns the response in the form of the body: the one resource, or the session.
func addedResources(body *types.AddSessionResourcesRequest, session types.Session) types.AddedSessionResources {
	if body.Resources == nil {
		file, _ := session.Resources[len(session.Resources)-1].AsAny().(types.FileResource) // what was added is a file
		return types.NewAddedSessionResources(file)
	}
	return types.NewAddedSessionResources(session)
}

// checkResources returns an error for more files than the contract allows a session, for a file that it has twice, and for a
// new file at, above or below the path of another file. Those of memory stores are in store.MemoryFolder, where no file is.
func (h *handler) checkResources(s *store.Session) error {
	files := make([]types.FileResourceInput, 0, len(s.Resources))
	for _, r := range s.Resources {
		if r.Memory != nil {
			continue
		}
		path := cmp.Or(r.MountPath, store.DefaultMountPath(r.FileID))
		for _, other := range files {
			switch {
			case other.FileID == r.FileID:
				return &attachedError{r.FileID}
			case r.ID == "" && overlap(path, *other.MountPath):
				return pathInUse(s.ID, path, *other.MountPath)
			}
		}
		files = append(files, types.FileResourceInput{Type: types.FileResourceInputTypeFile, FileID: r.FileID, MountPath: &path})
	}
	return h.checkChange("resources", "FileResourceInputs", files)
}

// overlap reports whether two paths are equal, or one of them lies below the other.
func overlap(a, b string) bool {
	return a == b || strings.HasPrefix(a, b+"/") || strings.HasPrefix(b, a+"/")
}

// pathInUse is the error of a path that overlaps another one, of the session with that id, or of the same request for "".
func pathInUse(session, path, other string) error {
	switch {
	case session == "" && path == other:
		return &contract.RequestError{Param: "resources", Message: fmt.Sprintf("Two resources have the path '%s'; give each its own.", path)}
	case session == "":
		return &contract.RequestError{Param: "resources", Message: fmt.Sprintf("One of the resources at '%s' and '%s' would lie in the other; choose another path.", other, path)}
	case path == other:
		return &store.StateError{Noun: store.NounSession, ID: session, Reason: fmt.Sprintf("has a resource at '%s' already.", path)}
	}
	return &store.StateError{Noun: store.NounSession, ID: session, Reason: fmt.Sprintf("has a resource at '%s', and one at '%s' would lie in it or around it; choose another path.", other, path)}
}

// addResources adds a new session's files and memory stores to its spec. A memory store that memory_store_ids names as well
// is one store, with the access and the instructions that the resource gives it.
func addResources(spec *store.SessionSpec, resources []types.SessionResourceInput) error {
	given := map[string]bool{}
	for i, r := range resources {
		switch r := r.AsAny().(type) {
		case types.FileResourceInput:
			file, err := fileResource(i, r)
			if err != nil {
				return err
			}
			spec.Resources = append(spec.Resources, file)
		case types.MemoryStoreResourceInput:
			if given[r.MemoryStoreID] {
				return &contract.RequestError{
					Param:   fmt.Sprintf("resources[%d].memory_store_id", i),
					Message: fmt.Sprintf("Field 'resources[%d].memory_store_id' names a memory store that an earlier resource names.", i),
				}
			}
			given[r.MemoryStoreID] = true
			use := store.MemoryStoreUse{ID: r.MemoryStoreID, Instructions: value(r.Instructions), ReadOnly: value(r.Access) == types.MemoryAccessReadOnly}
			spec.MemoryStores = withUse(spec.MemoryStores, use)
		}
	}
	return nil
}

// withUse adds a memory store to those of a new session, or replaces it.
func withUse(uses []store.MemoryStoreUse, use store.MemoryStoreUse) []store.MemoryStoreUse {
	if i := slices.IndexFunc(uses, func(u store.MemoryStoreUse) bool { return u.ID == use.ID }); i >= 0 {
		uses[i] = use
		return uses
	}
	return append(uses, use)
}

// checkMemoryStores returns an error for more memory stores than the contract allows a session.
func (h *handler) checkMemoryStores(uses []store.MemoryStoreUse) error {
	if most := h.contract.Schema("MemoryStoreIDs").MaxItems(); len(uses) > most {
		return &contract.RequestError{Param: "resources", Message: fmt.Sprintf("A session has at most %d memory stores.", most)}
	}
	return nil
}

// attachedError is a file that a session would have twice. Its text is for callers.
type attachedError struct{ file string }

func (e *attachedError) Error() string {
	return fmt.Sprintf("The session has file '%s' already; a session has a file once.", e.file)
}

// Problem implements problem.Error.
func (e *attachedError) Problem() problem.Problem {
	const conflict = 409
	return problem.Problem{Type: types.ErrorTypeInvalidRequestError, Status: conflict, Message: e.Error()}
}

// resourceAt returns the index of a session's resource.
func resourceAt(s store.Session, id string) (int, error) {
	i := slices.IndexFunc(s.Resources, func(r store.Resource) bool { return r.ID == id })
	if i < 0 {
		return 0, &store.MissingError{Noun: store.NounResource, ID: id}
	}
	return i, nil
}
