package client

import (
	"cmp"
	"context"
	"iter"
	"net/http"

	"github.com/cloud-sessions/sessions/gen/httpclient"
)

// EnvironmentService holds the operations on environments; it is [Client.Environments].
type EnvironmentService struct{ c *Client }

// Create creates an environment that is ready for sessions at once. It returns [ErrInvalidRequest] when
// a field is out of bounds.
//
// Operation createEnvironment: POST /environments.
func (s *EnvironmentService) Create(ctx context.Context, req *CreateEnvironmentRequest, opts ...Option) (*Environment, error) {
	return call[Environment](ctx, s.c, "Environments.Create", opts, func(server string) (*http.Request, error) {
		if err := checkBody(req); err != nil {
			return nil, err
		}
		return httpclient.NewCreateEnvironmentRequest(server, nil, *req)
	})
}

// Get returns an environment by its id. It returns [ErrNotFound] when there is no such environment.
//
// Operation getEnvironment: GET /environments/{environment_id}.
func (s *EnvironmentService) Get(ctx context.Context, id EnvironmentID, opts ...Option) (*Environment, error) {
	return call[Environment](ctx, s.c, "Environments.Get", opts, func(server string) (*http.Request, error) {
		if err := checkID("environment_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewGetEnvironmentRequest(server, id)
	})
}

// List returns one page of the account's environments, newest first and 20 of them unless params says
// otherwise. A nil params asks for the first page; params.Limit is 1 to 100. Archived ones are left out
// unless params.IncludeArchived is true. An unknown cursor is an [ErrInvalidRequest].
//
// Operation listEnvironments: GET /environments.
func (s *EnvironmentService) List(ctx context.Context, params *ListEnvironmentsParams, opts ...Option) (*Page[Environment], error) {
	p := value(params)
	start := cursor{p.Page, p.AfterID, p.BeforeID}
	return list[Environment](ctx, s.c, "Environments.List", opts, start, func(server string, at cursor) (*http.Request, error) {
		query := p
		query.Page, query.AfterID, query.BeforeID = at.page, at.after, at.before
		return httpclient.NewListEnvironmentsRequest(server, &query)
	})
}

// All yields the environments that [EnvironmentService.List] returns for params and, page by page as the loop goes
// on, those that follow; params.Limit is the size of a page. An error is yielded once, at the end.
// Ranging again starts anew. Changing params afterwards has no effect.
func (s *EnvironmentService) All(ctx context.Context, params *ListEnvironmentsParams, opts ...Option) iter.Seq2[Environment, error] {
	p := value(params)
	return all(ctx, func() (*Page[Environment], error) { return s.List(ctx, &p, opts...) })
}

// Update changes an environment for sessions to come and returns it as it is now. What req leaves out stays;
// req.Config replaces the whole config, req.Metadata is a patch, see [MetadataPatch]. It returns
// [ErrNotFound] when there is no such environment, [ErrConflict] when it is archived, and
// [ErrInvalidRequest] when a field is out of bounds.
//
// Operation updateEnvironment: POST /environments/{environment_id}.
func (s *EnvironmentService) Update(ctx context.Context, id EnvironmentID, req *UpdateEnvironmentRequest, opts ...Option) (*Environment, error) {
	return call[Environment](ctx, s.c, "Environments.Update", opts, func(server string) (*http.Request, error) {
		if err := cmp.Or(checkID("environment_id", id), checkBody(req)); err != nil {
			return nil, err
		}
		return httpclient.NewUpdateEnvironmentRequest(server, id, nil, *req)
	})
}

// Delete deletes an environment, for good. It returns [ErrNotFound] when there is no such environment, one
// that was deleted before included, and [ErrConflict] when a session refers to it: archive it instead.
//
// Operation deleteEnvironment: DELETE /environments/{environment_id}.
func (s *EnvironmentService) Delete(ctx context.Context, id EnvironmentID, opts ...Option) (*DeletedEnvironment, error) {
	return call[DeletedEnvironment](ctx, s.c, "Environments.Delete", opts, func(server string) (*http.Request, error) {
		if err := checkID("environment_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewDeleteEnvironmentRequest(server, id, nil)
	})
}

// Archive archives an environment, for good, and returns it as it is now: lists leave it out unless asked
// not to, new sessions cannot use it, those that do go on. It returns [ErrNotFound] when there is no such
// environment and, unlike the other services, [ErrConflict] when it is archived already.
//
// Operation archiveEnvironment: POST /environments/{environment_id}/archive.
func (s *EnvironmentService) Archive(ctx context.Context, id EnvironmentID, opts ...Option) (*Environment, error) {
	return call[Environment](ctx, s.c, "Environments.Archive", opts, func(server string) (*http.Request, error) {
		if err := checkID("environment_id", id); err != nil {
			return nil, err
		}
		return httpclient.NewArchiveEnvironmentRequest(server, id, nil)
	})
}
