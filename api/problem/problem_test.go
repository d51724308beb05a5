package problem_test

import (
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/openapi"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/gen/types"
)

// exceptions are the types of errors that set a status of their own.
var exceptions = map[int]types.ErrorType{
	http.StatusConflict:                     types.ErrorTypeInvalidRequestError,
	http.StatusGone:                         types.ErrorTypeNotFoundError,
	http.StatusUnsupportedMediaType:         types.ErrorTypeInvalidRequestError,
	http.StatusRequestedRangeNotSatisfiable: types.ErrorTypeInvalidRequestError,
}

// The table and the contract agree: each type of error has a status of its own, and each example of an error
// response has the type of its status.
func TestTheTableIsTheContracts(t *testing.T) {
	doc, err := openapi.Parse(api.Spec())
	if err != nil {
		t.Fatal(err)
	}
	kinds := doc.Components.Schemas["ErrorType"].Value.Enum
	seen := map[int]bool{}
	for _, kind := range kinds {
		status := problem.StatusOf(types.ErrorType(kind.(string)))
		if got := problem.TypeOf(status); got != types.ErrorType(kind.(string)) {
			t.Errorf("%s has the status %d, which has the type %q", kind, status, got)
		}
		seen[status] = true
	}
	if want := slices.Sorted(maps.Keys(seen)); !slices.Equal(problem.Statuses(), want) || len(want) != len(kinds) {
		t.Errorf("the table has the statuses %v, the contract %v", problem.Statuses(), want)
	}

	examples := 0
	for path, item := range doc.Paths.Map() {
		for method, op := range item.Operations() {
			for code, response := range op.Responses.Map() {
				status, err := strconv.Atoi(code)
				if err != nil {
					t.Fatal(err)
				}
				if status < http.StatusBadRequest {
					continue
				}
				for name, example := range response.Value.Content["application/json"].Examples {
					examples++
					kind := exampleType(example.Value.Value)
					if kind != problem.TypeOf(status) && kind != exceptions[status] {
						t.Errorf("%s %s: example %s of %d is of type %q", method, path, name, status, kind)
					}
				}
			}
		}
	}
	if examples == 0 {
		t.Error("no example of an error was compared")
	}
}

// exampleType returns the type of error in an example of the error envelope.
func exampleType(example any) types.ErrorType {
	envelope, _ := example.(map[string]any)
	detail, _ := envelope["error"].(map[string]any)
	kind, _ := detail["type"].(string)
	return types.ErrorType(kind)
}

// known is an error that says what it is.
type known struct{ seen problem.Problem }

func (known) Error() string              { return "for the log" }
func (k known) Problem() problem.Problem { return k.seen }

func TestOf(t *testing.T) {
	busy := known{problem.Problem{Type: types.ErrorTypeInvalidRequestError, Status: 409, Message: "busy"}}
	slow := known{problem.Problem{Type: types.ErrorTypeOverloadedError, Message: "slow", RetryAfter: time.Second}}
	cases := map[string]struct {
		err    error
		status int
		text   string
	}{
		"a status of its own":    {busy, 409, "busy"},
		"the status of its type": {fmt.Errorf("wrapped: %w", slow), 503, "slow"},
		"the first of several":   {errors.Join(errors.New("x"), slow, busy), 503, "slow"},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			if p, ok := problem.Of(tc.err); !ok || p.HTTPStatus() != tc.status || p.Message != tc.text {
				t.Errorf("%v %+v", ok, p)
			}
		})
	}
	if p, ok := problem.Of(errors.New("some failure")); ok {
		t.Errorf("%+v", p)
	}
	if status := problem.StatusOf("no such type"); status != 500 {
		t.Errorf("a type that the contract does not have is %d", status)
	}
	if kind := problem.TypeOf(http.StatusTeapot); kind != "" {
		t.Errorf("a status that has no type is %q", kind)
	}
}
