package operations

import (
	"errors"
	"maps"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/plainjson"
)

// set sets a field to the value of a patch; nil keeps the field.
func set[T any](field *T, patch *T) {
	if patch != nil {
		*field = *patch
	}
}

// patched returns metadata after a patch: a value sets its key, nil deletes it. The result is validated.
func (h *handler) patched(metadata map[string]string, patch types.MetadataPatch) (map[string]string, error) {
	if patch == nil {
		return metadata, nil
	}
	after := maps.Clone(metadata)
	for key, v := range patch {
		if v == nil {
			delete(after, key)
		} else {
			after[key] = *v
		}
	}
	return after, h.checkChange("metadata", "Metadata", after)
}

// checkChange validates the value that a change gives a field.
func (h *handler) checkChange(field, schema string, after any) error {
	data, err := plainjson.Marshal(after)
	if err != nil {
		return err
	}
	err = h.contract.CheckJSON(schema, data)
	var invalid *contract.RequestError
	if errors.As(err, &invalid) {
		// The message speaks of the value as of the body of a request.
		if rest, ok := strings.CutPrefix(invalid.Message, "The request body "); ok {
			return &contract.RequestError{Param: field, Message: "After the change, field '" + field + "' " + rest}
		}
		return &contract.RequestError{Param: field, Message: "After the change, field '" + field + "' is invalid: " + invalid.Message}
	}
	return err
}
