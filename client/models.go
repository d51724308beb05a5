package client

import (
	"context"

	"github.com/cloud-sessions/sessions/gen/httpclient"
)

// ModelService holds the operations on models; it is [Client.Models].
type ModelService struct{ c *Client }

// List returns the models that agents may name, all at once, in the order of the server.
//
// Operation listModels: GET /models.
func (s *ModelService) List(ctx context.Context, opts ...Option) (*ModelList, error) {
	return call[ModelList](ctx, s.c, "Models.List", opts, httpclient.NewListModelsRequest)
}
