package contractcheck

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// remember keeps the path of what a response says was created, and forgets what one says was deleted.
func (r *run) remember(q request, got *reply) {
	if !got.ok() {
		return
	}
	switch q.method {
	case http.MethodDelete:
		r.forget(q.path)
	case http.MethodPost:
		id := createdID(got.body)
		if id == "" {
			id = lastSegment(got.header.Get("Location"))
		}
		if path := q.path + "/" + url.PathEscape(id); id != "" && r.isCollection(q) && !r.isKnown(id) && !slices.Contains(r.ledger, path) {
			r.ledger = append(r.ledger, path)
		}
	}
}

// isCollection reports whether a POST creates something that can be deleted.
func (r *run) isCollection(q request) bool {
	for _, s := range plan {
		if s.holds != "" && s.operation == q.op.ID {
			return true
		}
	}
	return false
}

func (r *run) forget(path string) {
	r.ledger = slices.DeleteFunc(r.ledger, func(known string) bool { return known == path || strings.HasPrefix(known, path+"/") })
}

// createdID returns the id in a response to a create, whatever its form and name; "" for none.
func createdID(response []byte) string {
	var fields map[string]json.RawMessage
	if json.Unmarshal(response, &fields) != nil {
		return ""
	}
	var text string
	var number json.Number
	switch raw := fields["id"]; {
	case raw == nil:
	case json.Unmarshal(raw, &text) == nil:
		return text
	case json.Unmarshal(raw, &number) == nil:
		return number.String()
	}
	if len(fields) == 1 { // the record is wrapped
		for _, inner := range fields {
			return createdID(inner)
		}
	}
	for _, name := range []string{"data", "result"} {
		if id := createdID(fields[name]); id != "" {
			return id
		}
	}
	return ""
}

func lastSegment(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Path == "" {
		return ""
	}
	return u.Path[strings.LastIndexByte(u.Path, '/')+1:]
}

// sweep deletes what was created since mark, except for what is used by the steps that follow.
func (r *run) sweep(mark int) {
	if mark < len(r.ledger) && r.ctx.Err() == nil {
		ctx, cancel := context.WithTimeout(r.ctx, endPatience)
		defer cancel()
		for _, path := range slices.Backward(slices.Clone(r.ledger[mark:])) {
			if id, _ := url.PathUnescape(lastSegment(path)); !slices.Contains(slices.Collect(maps.Values(r.seconds)), id) {
				r.remove(ctx, path)
			}
		}
	}
}

// clean deletes what was created and still exists, latest first, and records what it could not delete.
func (r *run) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), endPatience)
	defer cancel()
	for _, path := range slices.Backward(slices.Clone(r.ledger)) {
		if slices.Contains(r.ledger, path) && !r.remove(ctx, path) {
			r.left = append(r.left, path)
		}
	}
}

// remove deletes what is at a path, if the contract can; it reports whether it is gone. A session's turn is stopped first.
func (r *run) remove(ctx context.Context, path string) bool {
	op, _ := r.contract.Find(http.MethodDelete, path)
	if op == nil {
		return true // it goes with what it belongs to
	}
	idle := 0 // how often there was no turn to stop
	for interval := settleInterval / 10; ; interval = min(2*interval, 10*settleInterval) {
		got := r.exchange(ctx, request{op: op, method: http.MethodDelete, path: path, retry: true}, nil, nil)
		if got.ok() || got.status == http.StatusNotFound {
			r.forget(path)
			return true
		}
		cancel, _ := r.contract.Find(http.MethodPost, path+"/cancel")
		if got.status != http.StatusConflict || cancel == nil || idle > 3 {
			return false
		}
		if r.exchange(ctx, request{op: cancel, method: http.MethodPost, path: path + "/cancel"}, nil, nil).status != http.StatusAccepted {
			idle++
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return false
		}
	}
}
