package contractcheck

import (
	"net/http"
	"slices"

	"github.com/cloud-sessions/sessions/client"
)

// Verdict is the outcome for an operation.
type Verdict string

// The verdicts.
const (
	// Conforms is an operation that satisfies the contract, as far as it was tried.
	Conforms Verdict = "conforms"
	// Drifts is an operation that violates the contract, or fails where it should not.
	Drifts Verdict = "drifts"
	// Unchecked is an operation that was not tried.
	Unchecked Verdict = "unchecked"
)

// Result is what [Run] found of an operation.
type Result struct {
	// Operation is the operationId.
	Operation string  `json:"operation"`
	Verdict   Verdict `json:"verdict"`
	// Requests is the number of requests sent, including retries.
	Requests int `json:"requests"`
	// Statuses are those of the responses, each once, ascending. A 501, of a feature that is switched off, conforms.
	Statuses []int `json:"statuses"`
	// Violations are in the order in which they were found, without repeats.
	Violations []*Violation `json:"violations"`
	// Reason tells why the operation is Unchecked.
	Reason string `json:"reason,omitempty"`
}

// add records a violation, and the verdict.
func (r *Result) add(b *Violation) {
	r.Verdict = Drifts
	same := func(known *Violation) bool {
		return known.Status == b.Status && known.Pointer == b.Pointer && known.Rule == b.Rule && known.Reason == b.Reason
	}
	if !slices.ContainsFunc(r.Violations, same) {
		r.Violations = append(r.Violations, b)
	}
}

// responded records the status of a response.
func (r *Result) responded(status int) {
	if at, known := slices.BinarySearch(r.Statuses, status); !known {
		r.Statuses = slices.Insert(r.Statuses, at, status)
	}
}

// watch records the outcome of a request.
type watch struct {
	res      *Result
	strict   bool // a violation ends the call
	violated bool
}

// options returns the options of the call that sends the request.
func (w *watch) options() []client.Option {
	count := func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			w.res.Requests++
			resp, err := next(req)
			if err == nil {
				w.res.responded(resp.StatusCode)
			}
			return resp, err
		}
	}
	return []client.Option{client.WithMiddleware(middleware(w.violation), count)}
}

func (w *watch) violation(b *Violation) error {
	w.violated = true
	w.res.add(b)
	if w.strict {
		return client.Permanent(b)
	}
	return nil
}

// failed records a request with a wrong outcome, unless a violation of the contract was found in it.
func (w *watch) failed(b *Violation) {
	if !w.violated {
		w.res.add(b)
	}
}
