package encoded_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/encoded"
)

func TestList(t *testing.T) {
	compiled, err := contract.Load()
	if err != nil {
		t.Fatal(err)
	}
	op := compiled.Operation("listEvents")
	const end = `],"first_id":null,"last_id":null,"has_more":false,"next_page":null}`
	many := make([][]byte, 101)
	for i := range many {
		many[i] = []byte("{}") // whether it is valid is for the caller to say
	}
	for name, tc := range map[string]struct {
		envelope  string
		items     int
		valid     bool
		validated bool
	}{
		"no item":               {`{"data":[` + end, 0, true, true},
		"one item":              {`{"data":[` + end, 1, true, true},
		"a full page":           {`{"data":[` + end, 100, true, true},
		"more than a page":      {`{"data":[` + end, 101, true, false},
		"an item is not valid":  {`{"data":[` + end, 2, false, false},
		"an envelope is broken": {`{"data":[],"first_id":"x","last_id":null,"has_more":false,"next_page":null}`, 1, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := encoded.List(op, json.RawMessage(tc.envelope), many[:tc.items], tc.valid)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(tc.envelope, "[]", "["+strings.TrimSuffix(strings.Repeat("{},", tc.items), ",")+"]", 1) + "\n"
			if string(got.Body) != want || got.Validated != tc.validated {
				t.Errorf("%s, validated: %v", got.Body, got.Validated)
			}
		})
	}
	if _, err := encoded.List(op, json.RawMessage(`{"first_id":null,"data":[]}`), nil, true); err == nil {
		t.Error("an envelope that does not begin with its data is no error")
	}
}
