package openai

import (
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/openai/openai-go/v3/option"
)

// maxModels bounds the list of models, in bytes.
const maxModels = 4 << 20

// Models asks the endpoint once for the ids of its models, at "/models". The error is an *EndpointError when it refuses, as do
// endpoints that have no such list.
func (r *Runner) Models(ctx context.Context) (ids []string, err error) {
	var answered *http.Response
	err = r.client.Get(ctx, "models", nil, &answered, option.WithMaxRetries(0))
	if answered != nil {
		defer answered.Body.Close()
	}
	switch {
	case answered != nil && answered.StatusCode >= http.StatusBadRequest:
		words, _ := io.ReadAll(answered.Body)
		return nil, r.cleaned(refused(answered.StatusCode, words))
	case err != nil:
		return nil, r.cleaned(broken(err)) // nothing of the library's is wrapped: see ask
	}
	body, err := io.ReadAll(io.LimitReader(answered.Body, maxModels))
	if err != nil {
		return nil, r.cleaned(broken(err))
	}
	var list struct{ Data []struct{ ID string } }
	if err := json.Unmarshal(body, &list); err != nil {
		return nil, permanent("The model endpoint's list of models is not valid JSON.")
	}
	for _, m := range list.Data {
		ids = append(ids, m.ID)
	}
	return ids, nil
}
