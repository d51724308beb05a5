package contractcheck

import (
	"net/http"
	"slices"

	"github.com/cloud-sessions/sessions/client"
)

// Verdict says how an operation does.
type Verdict string

// The verdicts.
const (
	// Conforms is an operation that does what the contract says, as far as it was tried.
	Conforms Verdict = "conforms"
	// Drifts is an operation that breaks the contract, or fails where it should not.
	Drifts Verdict = "drifts"
	// Unchecked is an operation that was not tried.
	Unchecked Verdict = "unchecked"
)

// Result is what [Run] found of an operation.
type Result struct {
	// Operation is the operationId.
	Operation string  `json:"operation"`
	Verdict   Verdict `json:"verdict"`
	// Requests is how many were sent, attempts that were made again included.
	Requests int `json:"requests"`
	// Statuses are those of the answers, each once, ascending. A 501, of a feature that is switched off, is in order.
	Statuses []int `json:"statuses"`
	// Violations are in the order in which they were found; those that only repeat one are left out.
	Violations []*Violation `json:"violations"`
	// Reason says why the operation is Unchecked.
	Reason string `json:"reason,omitempty"`
}

// add notes a violation, and the verdict.
func (r *Result) add(b *Violation) {
	r.Verdict = Drifts
	same := func(known *Violation) bool {
		return known.Status == b.Status && known.Pointer == b.Pointer && known.Rule == b.Rule && known.Reason == b.Reason
	}
	if !slices.ContainsFunc(r.Violations, same) {
		r.Violations = append(r.Violations, b)
	}
}

// answered notes an answer.
func (r *Result) answered(status int) {
	if at, known := slices.BinarySearch(r.Statuses, status); !known {
		r.Statuses = slices.Insert(r.Statuses, at, status)
	}
}

// watch notes what comes of a request.
type watch struct {
	res      *Result
	strict   bool // a violation ends the call
	violated bool
}

// options are those of the request's call.
func (w *watch) options() []client.Option {
	count := func(next client.RoundTripFunc) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			w.res.Requests++
			resp, err := next(req)
			if err == nil {
				w.res.answered(resp.StatusCode)
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

// failed notes a request that did not end as it should, unless the contract's checks have said why.
func (w *watch) failed(b *Violation) {
	if !w.violated {
		w.res.add(b)
	}
}
