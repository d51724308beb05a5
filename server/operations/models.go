package operations

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"reflect"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/yamlfile"
	"github.com/cloud-sessions/sessions/gen/echoserver"
	"github.com/cloud-sessions/sessions/gen/types"
)

//go:embed models.yaml
var builtinModels []byte

func (h *handler) ListModels(context.Context, echoserver.ListModelsRequestObject) (echoserver.ListModelsResponseObject, error) {
	return echoserver.ListModels200JSONResponse{Body: h.models}, nil
}

// LoadModels reads the list of models from a YAML file, or the built-in list for "". A list that violates the
// contract is an error that names the place of the mistake.
func LoadModels(path string, c *contract.Contract) (types.ModelList, error) {
	name, data := "the built-in models", builtinModels
	var list types.ModelList
	if path != "" {
		var err error
		if data, err = os.ReadFile(path); err != nil {
			return list, fmt.Errorf("models: %w", err)
		}
		name = path
	}
	value, err := yamlfile.Value(name, data, reflect.TypeFor[[]types.Model]())
	if err != nil {
		return list, fmt.Errorf("models: %w", err)
	}
	models, ok := value.([]any)
	if !ok {
		return list, fmt.Errorf("models: %s is not a list of models", name)
	}
	for _, model := range models {
		if fields, ok := model.(map[string]any); ok {
			fields["type"] = types.ModelTypeModel
		}
	}
	wire, err := json.Marshal(map[string]any{"data": models, "has_more": false})
	if err != nil {
		return list, fmt.Errorf("models: %s: %w", name, err)
	}
	if err := c.CheckJSON("ModelList", wire); err != nil {
		return list, fmt.Errorf("models: %s: %w", name, err)
	}
	return list, json.Unmarshal(wire, &list)
}
