package contractcheck

import (
	"slices"

	"github.com/cloud-sessions/sessions/api/contract"
)

// Verdict is the outcome for an operation, or for a check of it.
type Verdict string

// The verdicts.
const (
	// Conforms is what satisfies the contract, as far as it was tried.
	Conforms Verdict = "conforms"
	// Drifts is what violates the contract, or fails where it should not.
	Drifts Verdict = "drifts"
	// Unchecked is what was not tried.
	Unchecked Verdict = "unchecked"
)

// Conformance is what [Run] found.
type Conformance struct {
	// Score sums up the checks of all operations.
	Score Score `json:"score"`
	// Operations are the results of the selected operations, in the order in which they were tried.
	Operations []*Result `json:"operations"`
	// Left are the paths of what the run has created and could not delete; empty for none.
	Left []string `json:"left"`
}

// Score counts the checks of the operations: createAgent with idempotency keys is one.
type Score struct {
	// Passed, Failed and Unchecked are the numbers of checks with each outcome.
	Passed    int `json:"passed"`
	Failed    int `json:"failed"`
	Unchecked int `json:"unchecked"`
	// Percent is how many of those that were tried passed, rounded down; 100 only if all did. It is 0 when none was tried.
	Percent int `json:"percent"`
}

// Conforms reports whether no check has found a violation.
func (r *Conformance) Conforms() bool { return r.Score.Failed == 0 }

// Violations returns all violations, in the order of the operations and their checks.
func (r *Conformance) Violations() []*Violation {
	var all []*Violation
	for _, res := range r.Operations {
		all = append(all, res.Violations...)
	}
	return all
}

// Result is what [Run] found of an operation.
type Result struct {
	// Operation is the operationId.
	Operation string  `json:"operation"`
	Verdict   Verdict `json:"verdict"`
	// Requests is the number of requests sent, including retries.
	Requests int `json:"requests"`
	// Statuses are those of the responses, each once, ascending. A 501, of a feature that is switched off, conforms.
	Statuses []int `json:"statuses"`
	// Unseen are the statuses that the contract declares and no response had.
	Unseen []int `json:"unseen"`
	// Checks are the checks of the operation, in the order of [Checks].
	Checks []*CheckResult `json:"checks"`
	// Violations are in the order in which they were found. Those that differ in the index of an array only are one.
	Violations []*Violation `json:"violations"`
	// Reason tells why the operation is Unchecked.
	Reason string `json:"reason,omitempty"`
}

// CheckResult is the outcome of a check of an operation.
type CheckResult struct {
	// Check is the name of the check.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Requests is the number of requests that the check sent, of any operation; 0 for a check that observes others.
	Requests int `json:"requests"`
	// Violations is the number of violations.
	Violations int `json:"violations"`
	// Reason tells why the check is Unchecked.
	Reason string `json:"reason,omitempty"`
}

// responded records the status of a response.
func (r *Result) responded(status int) {
	if at, known := slices.BinarySearch(r.Statuses, status); !known {
		r.Statuses = slices.Insert(r.Statuses, at, status)
	}
}

// checkResult returns the result of a check, which it adds if necessary.
func (r *Result) checkResult(name string) *CheckResult {
	for _, c := range r.Checks {
		if c.Check == name {
			return c
		}
	}
	c := &CheckResult{Check: name, Verdict: Unchecked}
	r.Checks = append(r.Checks, c)
	return c
}

// knows reports whether a violation like v was recorded.
func (r *Result) knows(v *Violation) bool {
	return slices.ContainsFunc(r.Violations, func(known *Violation) bool {
		return known.Check == v.Check && known.Status == v.Status && known.Rule == v.Rule && known.Reason == v.Reason &&
			contract.Generic(known.Pointer) == contract.Generic(v.Pointer)
	})
}

// result returns the result of an operation, or nil if it is not selected.
func (r *run) result(id string) *Result {
	for _, res := range r.results {
		if res.Operation == id {
			return res
		}
	}
	if !r.selected.operations[id] {
		return nil
	}
	res := &Result{Operation: id, Verdict: Conforms, Statuses: []int{}, Unseen: []int{}, Checks: []*CheckResult{}, Violations: []*Violation{}}
	r.results = append(r.results, res)
	return res
}

// checked returns the result of a check of an operation, or nil if it is not selected.
func (r *run) checked(check, operation string) *CheckResult {
	if !r.selected.has(check, operation) {
		return nil
	}
	return r.result(operation).checkResult(check)
}

// count counts the requests of a check.
func (c *CheckResult) count(requests int) {
	if c != nil {
		c.Requests += requests
	}
}

// passed records that something was found to be right.
func (r *run) passed(check, operation string) {
	if c := r.checked(check, operation); c != nil && c.Verdict == Unchecked {
		c.Verdict, c.Reason = Conforms, ""
	}
}

// skip records why a check is not tried.
func (p *probe) skip(reason string) {
	if c := p.checked(p.check, p.ID); c != nil && c.Verdict == Unchecked {
		c.Reason = reason
	}
}

// add records a violation that a check has found, if the check is selected.
func (r *run) add(check, operation string, v *Violation) {
	c := r.checked(check, operation)
	if c == nil {
		return
	}
	v.Check = check
	res := r.result(operation)
	c.Verdict, c.Reason, res.Verdict = Drifts, "", Drifts
	if !res.knows(v) {
		c.Violations++
		res.Violations = append(res.Violations, v)
	}
}

// report sums up the run.
func (r *run) report() *Conformance {
	report := &Conformance{Operations: r.results, Left: r.left}
	if report.Operations == nil {
		report.Operations = []*Result{}
	}
	if report.Left == nil {
		report.Left = []string{}
	}
	order := Checks()
	place := func(c *CheckResult) int {
		return slices.IndexFunc(order, func(known Check) bool { return known.Name == c.Check })
	}
	for _, res := range r.results {
		slices.SortStableFunc(res.Checks, func(a, b *CheckResult) int { return place(a) - place(b) })
		for _, status := range r.contract.Operation(res.Operation).Statuses {
			if !slices.Contains(res.Statuses, status) {
				res.Unseen = append(res.Unseen, status)
			}
		}
		for _, c := range res.Checks {
			switch c.Verdict {
			case Conforms:
				report.Score.Passed++
			case Drifts:
				report.Score.Failed++
			case Unchecked:
				report.Score.Unchecked++
			}
		}
	}
	if tried := report.Score.Passed + report.Score.Failed; tried > 0 {
		report.Score.Percent = 100 * report.Score.Passed / tried
	}
	return report
}
