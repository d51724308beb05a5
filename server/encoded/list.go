package encoded

import (
	"bytes"
	"encoding/json"
	"errors"

	"github.com/cloud-sessions/sessions/api/contract"
)

var errEnvelope = errors.New("encoded: the envelope of a list begins with its data")

// List returns the response of an operation with items that were encoded before. The envelope is the response without
// them: its data, which comes first, is empty. valid is whether each item was validated; then only the envelope is
// validated here.
func List(op *contract.Operation, envelope any, items [][]byte, valid bool) (Response, error) {
	const opening = `{"data":[`
	empty, err := json.Marshal(envelope)
	if err != nil {
		return Response{}, err
	}
	closing, ok := bytes.CutPrefix(empty, []byte(opening))
	if !ok {
		return Response{}, errEnvelope
	}
	size := len(empty) + len("\n")
	for _, item := range items {
		size += len(item) + len(",")
	}
	body := append(make([]byte, 0, size), opening...)
	for i, item := range items {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, item...)
	}
	body = append(append(body, closing...), '\n')
	return Response{Body: body, Validated: valid && op.CheckEnvelope(Status, empty, len(items)) == nil}, nil
}
