package client

import (
	"cmp"
	"context"
	"net/http"
	"slices"

	"github.com/cloud-sessions/sessions/gen/httpclient"
	"github.com/cloud-sessions/sessions/gen/types"
)

// Add adds one file to a session and returns it; req.Type may be left out. A nil req.MountPath stands
// for /mnt/session/uploads/ and the file's id; a path is absolute. It returns [ErrNotFound] when the session does not
// exist, [ErrConflict] when the path is in use or the session is archived, [ErrInvalidRequest] when a field is invalid or
// the session has the maximum number of files, and [ErrFeatureNotAvailable] when the server has files switched off.
//
// Operation addSessionResources: POST /sessions/{session_id}/resources.
func (s *SessionResourceService) Add(ctx context.Context, sessionID SessionID, req *FileResourceInput, opts ...Option) (*FileResource, error) {
	return call[FileResource](ctx, s.c, "Sessions.Resources.Add", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("session_id", sessionID), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewAddSessionResourcesRequest(server, sessionID, nil, types.AddSessionResourcesRequest{
			Type: new(types.AddSessionResourcesRequestTypeFile), FileID: &req.FileID, MountPath: req.MountPath,
		})
	})
}

// AddAll adds files to a session, all of them or none, and returns the session after the change. Its errors are those of
// [SessionResourceService.Add], and [ErrInvalidRequest] without a file.
//
// Operation addSessionResources: POST /sessions/{session_id}/resources.
func (s *SessionResourceService) AddAll(ctx context.Context, sessionID SessionID, files []FileResourceInput, opts ...Option) (*Session, error) {
	return call[Session](ctx, s.c, "Sessions.Resources.AddAll", opts, func(server string) (*http.Request, error) {
		if err := checkID("session_id", sessionID); err != nil {
			return nil, err
		}
		if len(files) == 0 { // the body would be empty, which asks for one file
			return nil, invalid("resources", "files is empty")
		}
		files = slices.Clone(files)
		for i := range files {
			files[i].Type = types.FileResourceInputTypeFile
		}
		return httpclient.NewAddSessionResourcesRequest(server, sessionID, nil, types.AddSessionResourcesRequest{Resources: files})
	})
}
