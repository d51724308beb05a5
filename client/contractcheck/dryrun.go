package contractcheck

import (
	"context"
	"net/http"
	"slices"
)

// Planned is what [Run] would create by an operation.
type Planned struct {
	// Operation is the operationId.
	Operation string `json:"operation"`
	// Method and Path are those of the operation; Path is a template.
	Method string `json:"method"`
	Path   string `json:"path"`
	// Records is the most records that it would create, all of which are deleted in the end, or the messages that it would
	// send.
	Records int `json:"records"`
}

// DryRun returns what [Run] would create with the same options, in the order in which it would. It sends nothing. What a
// server accepts although it has to refuse it is not in it.
func DryRun(o Options) ([]Planned, error) {
	r, err := newRun(context.Background(), nil, o)
	if err != nil || o.ReadOnly {
		return nil, err
	}
	var all []Planned
	for _, s := range plan {
		op := r.target(s)
		if op.Method != http.MethodPost || s.holds == "" && len(s.bodies) == 0 || isItem(op) || !r.selected.runs(checkNamed(checkExamples), s.operation) {
			continue
		}
		all = append(all, Planned{Operation: op.ID, Method: op.Method, Path: op.Path, Records: len(r.bodiesOf(op)) + r.more(op)})
	}
	return all, nil
}

// isItem reports whether an operation is for one record, which it does not create.
func isItem(op target) bool {
	names := pathParameters(op.Path)
	return op.holds == "" && op.ID != "sendEvents" || len(names) > 0 && op.Path[len(op.Path)-1] == '}'
}

// more returns how many records other checks than that of the examples create in addition, or send to a stream.
func (r *run) more(op target) int {
	n := 0
	if op.holds == "key_id" && r.selected.runs(checkNamed("scopes"), op.ID) {
		n++
	}
	if texts := checkNamed("texts"); op.holds != "" && texts.applies(op) && r.selected.runs(texts, op.ID) && (&probe{run: r, target: op}).hardened(r.bodiesOf(op)[0].data) != nil {
		n++
	}
	if creator, ok := r.creatorOf(op.holds); ok && creator.ID == op.ID && len(r.bodiesOf(op)) == 1 && slices.ContainsFunc(plan, func(s step) bool {
		parent, below := parentOf(r.target(s))
		return below && parent == op.holds && r.selected.runs(checkNamed("unknown-ids"), s.operation)
	}) {
		n++
	}
	for _, s := range plan {
		other := r.target(s)
		for name, records := range map[string]int{"paging": extraRecords + 1, "order": 2, "filters": 2} {
			if other.Path == op.Path && op.holds != "" && isList(other) && r.selected.runs(checkNamed(name), other.ID) {
				n += records
			}
		}
		if isStream(other) && op.Path+"/stream" == other.Path && r.selected.runs(checkNamed("stream-increments"), other.ID) {
			n++
		}
	}
	return n
}
