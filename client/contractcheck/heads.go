package contractcheck

import (
	"context"
	"net/http"
	"strings"
)

// requestIDs sends a request with a request id.
func (p *probe) requestIDs() error {
	q := p.valid(p.somewhere())
	const id = "contract-check-1"
	q.header = http.Header{"X-Request-Id": {id}}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	got, err := p.stream(ctx, q, func([]frame) bool { return true })
	switch {
	case err != nil || got.status == 0:
		return err
	case got.header.Get("X-Request-Id") != id:
		p.note(q, got, "", "want the X-Request-Id of the request")
	default:
		p.passed(p.check, p.ID)
	}
	return nil
}

// head sends HEAD in the place of GET.
func (p *probe) head() error {
	q := p.valid(p.somewhere())
	get, err := p.stream(p.ctx, q, func([]frame) bool { return true })
	if err != nil {
		return err
	}
	q.method = http.MethodHead
	got, err := p.send(q)
	if err != nil {
		return err
	}
	if p.NoHead {
		p.want(q, got, "this GET has an effect", http.StatusMethodNotAllowed)
	} else {
		p.want(q, got, "GET has this status", get.status)
	}
	return nil
}

// methods sends a method that the path does not have, and, once, a request to an unknown path.
func (p *probe) methods() error {
	path := p.somewhere().fill(p.Path)
	var declared []string
	other := ""
	for _, method := range []string{http.MethodPatch, http.MethodPut, http.MethodDelete, http.MethodPost, http.MethodGet} {
		switch op, _ := p.contract.Find(method, path); {
		case op != nil && op.Path == p.Path:
			declared = append(declared, method)
		case op == nil && other == "":
			other = method
		}
	}
	q := request{method: other, path: path}
	got, err := p.send(q)
	if err != nil || other == "" {
		return err
	}
	if p.want(q, got, "the path does not have this method", http.StatusMethodNotAllowed) {
		for _, method := range declared {
			if !strings.Contains(got.header.Get("Allow"), method) {
				p.note(q, got, "", "the header Allow lacks "+method)
			}
		}
	}
	if p.ID != plan[0].operation {
		return nil
	}
	q = request{method: http.MethodGet, path: "/contract-check-unknown"}
	if got, err = p.send(q); err == nil {
		p.want(q, got, "the path is unknown", http.StatusNotFound)
	}
	return err
}
