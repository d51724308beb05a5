package operations

import (
	"context"
	_ "embed"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"strings"

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

// checkModel returns an error for a model that the list does not have, or that is not enabled, where the operator refuses those.
func (h *handler) checkModel(model string) error {
	if !h.listedModelsOnly {
		return nil
	}
	var listed []string
	for _, m := range h.models.Data {
		switch {
		case !m.IsEnabled:
		case string(m.ID) == model:
			return nil
		default:
			listed = append(listed, string(m.ID))
		}
	}
	message := "Field 'model' must be an enabled model of GET /models."
	if n := len(listed); n > 0 && n <= shownModels {
		message = "Field 'model' must be one of: " + strings.Join(listed, ", ") + "."
	}
	return &contract.RequestError{Param: "model", Message: message}
}

// shownModels is how many models an error names at most.
const shownModels = 20

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
