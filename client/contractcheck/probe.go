package contractcheck

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/api/problem"
	"github.com/cloud-sessions/sessions/api/sse"
	"github.com/cloud-sessions/sessions/client"
)

// probe is a check of an operation while it runs.
type probe struct {
	*run
	target
	check  string
	places []place // where the operation succeeds; none when nothing exists
}

// as returns the probe of another check, of the same operation.
func (p *probe) as(check string) *probe {
	other := *p
	other.check = check
	return &other
}

// request returns a request of the operation at a place.
func (p *probe) request(at place) request {
	return request{op: p.Operation, method: p.Method, path: at.fill(p.Path)}
}

// read returns a request of another operation, a GET.
func (p *probe) read(path string) (q request, ok bool) {
	op, _ := p.contract.Find(http.MethodGet, path)
	return request{op: op, method: http.MethodGet, path: path}, op != nil && !op.NoHead && op.Stream(http.StatusOK) == nil
}

// send sends a request and examines the response by the rules that all responses have. Its error ends the run.
func (p *probe) send(q request) (*reply, error) { return p.stream(p.ctx, q, nil) }

// stream is send for a response that may be a stream, which it reads until until, the end of ctx, or a silence of
// streamPatience.
func (p *probe) stream(ctx context.Context, q request, until func([]frame) bool) (*reply, error) {
	if p.ctx.Err() != nil {
		return nil, p.ctx.Err()
	}
	if until != nil {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		quiet := time.AfterFunc(streamPatience, cancel)
		defer quiet.Stop()
		enough := until
		until = func(frames []frame) bool { quiet.Reset(streamPatience); return enough(frames) }
	}
	if q.method != http.MethodGet && q.method != http.MethodHead { // its response says what was created, whatever ends the run
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(context.WithoutCancel(ctx), endPatience)
		defer cancel()
	}
	got := p.exchange(ctx, q, nil, until)
	return got, p.examine(q, got)
}

// examine counts a response and examines it by the rules that all responses have. Its error ends the run.
func (p *probe) examine(q request, got *reply) error {
	if p.ctx.Err() != nil && got.status == 0 {
		return p.ctx.Err()
	}
	p.checked(p.check, p.ID).count(got.requests)
	if q.op == nil || got.status == 0 { // what is wanted is missing, which is for the check to say
		return nil
	}
	p.remember(q, got)
	if res := p.result(q.op.ID); res != nil {
		res.Requests += got.requests
		if q.method != http.MethodHead {
			res.responded(got.status)
		}
	}
	p.judge(q, got)
	p.envelope(q, got)
	p.leaks(q, got)
	return nil
}

// judge validates a response by the contract.
func (p *probe) judge(q request, got *reply) {
	note := func(v *contract.Violation) {
		found := q.violation(got)
		p.add(checkResponses, q.op.ID, found.fill(v))
	}
	switch {
	case got.redirected:
		note(&contract.Violation{Status: got.status, Rule: "redirect", Reason: "it follows a redirect, which the contract does not have"})
	case got.tooLarge:
		note(&contract.Violation{Status: got.status, Rule: "size", Reason: tooLarge})
		return
	}
	if q.method == http.MethodHead {
		return
	}
	for _, v := range q.op.ResponseViolations(got.status, got.header, got.body) {
		note(v)
	}
	if schema := q.op.Stream(got.status); schema != nil {
		for _, f := range got.frames {
			for _, v := range schema.FrameViolations(sse.Event{ID: f.id, Type: f.kind, Data: f.data}) {
				v.Status = got.status
				note(v)
			}
		}
	}
	p.passed(checkResponses, q.op.ID)
}

// envelope examines an error that has the contract's envelope.
func (p *probe) envelope(q request, got *reply) {
	if got.status < http.StatusBadRequest || q.method == http.MethodHead {
		return
	}
	var sent struct {
		Error struct {
			Type    string
			Message string
		}
		RequestID string `json:"request_id"`
	}
	if json.Unmarshal(got.body, &sent) != nil || sent.Error.Type == "" {
		return // which is a violation of the schema
	}
	note := func(pointer, reason string) {
		v := q.violation(got)
		v.Pointer, v.Rule, v.Reason = pointer, ruleOutcome, reason
		p.add(checkEnvelope, q.op.ID, v)
	}
	want := []string{string(problem.TypeOf(got.status))}
	switch got.status {
	case http.StatusConflict:
		want = append(want, "invalid_request_error")
	case http.StatusGone:
		want = []string{"not_found_error"}
	case http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType, http.StatusRequestedRangeNotSatisfiable:
		want = []string{"invalid_request_error"}
	}
	if want[0] != "" && !slices.Contains(want, sent.Error.Type) {
		note("/error/type", "want "+strings.Join(want, " or ")+" for this status")
	}
	if id := got.header.Get("X-Request-Id"); id != "" && sent.RequestID != id {
		note("/request_id", "it is not the X-Request-Id of the response")
	}
	if strings.TrimSpace(sent.Error.Message) == "" {
		note("/error/message", "it is empty; want a sentence that says what is wrong")
	}
	p.passed(checkEnvelope, q.op.ID)
}

// leaks looks for secrets that were sent, and learns those of this request.
func (p *probe) leaks(q request, got *reply) {
	for _, secret := range p.secrets {
		if bytes.Contains(got.body, []byte(secret)) {
			v := q.violation(got)
			v.Rule, v.Reason = ruleOutcome, "it contains a secret that a request has set"
			p.add(checkSecrets, q.op.ID, v)
			break
		}
	}
	p.passed(checkSecrets, q.op.ID)
}

// hide adds the secrets of a valid body: texts of names that no response of the operation has.
func (p *probe) hide(op *contract.Operation, body []byte) {
	if op.Success() == nil || op.Body() == nil {
		return
	}
	shown, declared := op.Success().Mentions(), op.Body().Mentions()
	var value any
	if json.Unmarshal(body, &value) != nil {
		return
	}
	var visit func(name string, value any)
	visit = func(name string, value any) {
		switch v := value.(type) {
		case map[string]any:
			for name, inner := range v {
				visit(name, inner)
			}
		case []any:
			for _, inner := range v {
				visit(name, inner)
			}
		case string:
			if declared[name] && !shown[name] && len(v) >= 8 && !slices.Contains(p.secrets, v) && !p.isKnown(v) {
				p.secrets = append(p.secrets, v)
			}
		}
	}
	visit("", value)
}

// isKnown reports whether a text is the id of something.
func (r *run) isKnown(text string) bool {
	for _, ids := range r.made {
		if slices.Contains(ids, text) {
			return true
		}
	}
	return false
}

// violation returns a violation of the response to a request, to be filled.
func (q *request) violation(got *reply) *Violation {
	v := &Violation{Method: q.method, Path: q.target(), Status: got.status}
	if q.op != nil {
		v.Operation = q.op.ID
	}
	if got.header != nil {
		v.RequestID = got.header.Get("X-Request-Id")
	}
	return v
}

// note adds a violation of this check.
func (p *probe) note(q request, got *reply, pointer, reason string) {
	v := q.violation(got)
	v.Operation, v.Pointer, v.Rule, v.Reason = p.ID, pointer, ruleOutcome, reason
	p.add(p.check, p.ID, v)
}

// want adds a violation unless the status is one of those, and reports whether it is. A 501 of a feature that is off, where
// the contract declares it, is right anywhere.
func (p *probe) want(q request, got *reply, why string, statuses ...int) bool {
	if slices.Contains(statuses, got.status) {
		p.passed(p.check, p.ID)
		return true
	}
	if got.status == http.StatusNotImplemented && q.op != nil && slices.Contains(q.op.Statuses, got.status) || p.otherKind(q, got) {
		return false
	}
	var texts []string
	for _, s := range statuses {
		texts = append(texts, fmt.Sprint(s))
	}
	reason := "want " + strings.Join(texts, " or ")
	if why != "" {
		reason += ", since " + why
	}
	p.note(q, got, "", reason+said(got))
	return false
}

// wantSuccess is want for any 2xx.
func (p *probe) wantSuccess(q request, got *reply) bool {
	if got.ok() {
		p.passed(p.check, p.ID)
		return true
	}
	if got.status == http.StatusNotImplemented && slices.Contains(q.op.Statuses, got.status) {
		p.off(q.op.ID)
		return false
	}
	if !p.otherKind(q, got) {
		p.note(q, got, "", "want a success"+said(got))
	}
	return false
}

// otherKind reports whether a request was refused because what was there before the run is of another kind than the operation is
// for.
func (r *run) otherKind(q request, got *reply) bool {
	var sent struct{ Error struct{ Param string } }
	if got.status != http.StatusBadRequest || json.Unmarshal(got.body, &sent) != nil {
		return false
	}
	id := r.seen[sent.Error.Param]
	return id != "" && len(r.made[sent.Error.Param]) == 0 && strings.Contains(q.path+"/", "/"+id+"/")
}

// said returns what a response that is not a success says, for a reason.
func said(got *reply) string {
	failure, ok := errors.AsType[*client.Error](got.err)
	if !ok || got.ok() {
		return ""
	}
	return "; the response says: " + failure.Message
}

// refuse sends a request that has to be refused with a status, and with the name of what is invalid unless param is "".
func (p *probe) refuse(q request, why, param string, statuses ...int) error {
	got, err := p.send(q)
	if err != nil || !p.want(q, got, why, statuses...) || param == "" {
		return err
	}
	var sent struct{ Error struct{ Param string } }
	if json.Unmarshal(got.body, &sent) == nil && sent.Error.Param != param {
		v := q.violation(got)
		v.Pointer, v.Rule, v.Reason = "/error/param", ruleOutcome, "want "+param+", since "+why
		p.add(checkEnvelope, p.ID, v)
	}
	return nil
}

// later returns a context that ends after some time, or with the run.
func (r *run) later(d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(r.ctx, d)
}
