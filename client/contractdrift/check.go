package contractdrift

import (
	"bytes"
	"cmp"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client/recording"
)

// Check returns where a recording violates the contract, each difference once, sorted by operation and status. The body of a
// response that was broken off is not validated.
func Check(rec *recording.Recording) ([]Change, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	c := &checks{contract: compiled, seen: map[Change]bool{}}
	for _, e := range rec.Exchanges {
		if err := c.exchange(e); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(c.changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Operation, b.Operation), cmp.Compare(a.Status, b.Status))
	})
	return c.changes, nil
}

type checks struct {
	contract *contract.Contract
	changes  []Change
	seen     map[Change]bool
}

func (c *checks) add(name string, status int, message string) {
	change := Change{name, status, message}
	if !c.seen[change] {
		c.seen[change] = true
		c.changes = append(c.changes, change)
	}
}

func (c *checks) exchange(e *recording.Exchange) error {
	op, pathParam := operationOf(c.contract, e)
	name := nameOf(op, e)
	if op == nil {
		c.add(name, 0, "the contract has no such operation")
		return nil
	}
	req, err := http.NewRequest(e.Method, "http://recording"+e.Target, bytes.NewReader(e.RequestBody))
	if err != nil {
		return err
	}
	req.Header = e.RequestHeader.Clone()
	if invalid, ok := errors.AsType[*contract.RequestError](op.CheckRequest(req, pathParam)); ok {
		c.add(name, 0, "request: "+invalid.Message)
	}
	if e.Status == 0 {
		return nil
	}
	violated := func(err error) {
		if v, ok := errors.AsType[*contract.Violation](err); ok {
			c.add(name, e.Status, v.Finding())
		}
	}
	violated(op.CheckHead(e.Status, e.Header))
	if schema := op.Stream(e.Status); schema != nil {
		for _, event := range eventsOf(e) {
			if v := schema.CheckFrame(event); v != nil {
				violated(v)
			}
		}
	}
	if e.Method != http.MethodHead && e.End == recording.Complete {
		violated(op.CheckBody(e.Status, e.Header.Get("Content-Type"), e.Body))
	}
	_, _ = io.Copy(io.Discard, req.Body)
	return nil
}
