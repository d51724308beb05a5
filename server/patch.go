package server

import (
	"encoding/json"
	"errors"
	"maps"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
)

// set writes what a patch has for a field; nil keeps the field.
func set[T any](field *T, patch *T) {
	if patch != nil {
		*field = *patch
	}
}

// patched returns metadata after a patch: a value sets its key, nil deletes it. The result must fit the
// contract's Metadata.
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

// checkChange holds what a field becomes by a change against the contract's schema for it.
func (h *handler) checkChange(field, schema string, after any) error {
	data, err := json.Marshal(after)
	if err != nil {
		return err
	}
	err = h.contract.CheckJSON(schema, data)
	var fault *contract.RequestError
	if errors.As(err, &fault) {
		return &contract.RequestError{Param: field, Message: "After the change, field '" + field + "' breaks the contract: " + fault.Message}
	}
	return err
}
