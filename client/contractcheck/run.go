package contractcheck

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// The bounds of what [Run] waits for.
const (
	turnPatience   = time.Minute // for a turn to end
	settleInterval = 100 * time.Millisecond
	streamPatience = 2 * time.Second  // for what a stream has when no turn is running
	endPatience    = 30 * time.Second // for the deletion of what was created, when the run was cut short
)

// Options are the options of [Run].
type Options struct {
	// ReadOnly sends only reads, of what the account has, and creates nothing.
	ReadOnly bool
}

// Run tries the operations of the server that c talks to, and returns what it found of each, in the order in which
// it tried them. It sends the contract's examples, with the ids of the agents, environments and sessions that it creates for
// the purpose; every read with every parameter; and every read of something that does not exist. An agent replies to two
// short messages. It deletes what it created, also when ctx ends. With Options.ReadOnly it creates nothing.
//
// It returns an error when the server cannot be tried at all: it does not respond, or refuses the token. The results so
// far are returned with an error of ctx.
func Run(ctx context.Context, c *client.Client, o Options) ([]*Result, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	r := &run{ctx: ctx, c: c, contract: compiled, readOnly: o.ReadOnly, made: map[string][]string{}, seen: map[string]string{}}
	defer r.clean()
	for _, step := range plan {
		if err := r.try(step); err != nil {
			return r.results, err
		}
	}
	return r.results, nil
}

// ruleOutcome is the rule of a [Violation] whose status the contract allows, but not here.
const ruleOutcome = "outcome"

// step is an operation with the contract's examples of what is sent to it. The steps are generated, in the order in which
// they can be tried.
type step struct {
	operation string
	needs     []string // path parameters: ids that the body must have
	holds     string   // a path parameter: ids that the response has; "" for none
	bodies    []string // none for an operation without a body
	queries   []query
}

// query is a query parameter with its example.
type query struct {
	name   string
	values []string
}

// target is the operation of a step, and what is known of it.
type target struct {
	step
	*contract.Operation
	result *Result
}

// run is one round over all operations.
type run struct {
	ctx      context.Context
	c        *client.Client
	contract *contract.Contract
	readOnly bool

	results  []*Result
	answered bool                // the server has responded with anything but a refusal
	made     map[string][]string // ids of what the run has created, by path parameter
	seen     map[string]string   // ids of what was there before
	version  json.Number         // of the agent that is used
	turns    int                 // messages that were accepted
}

// try tries an operation. Its error ends the run.
func (r *run) try(s step) error {
	op := target{s, r.contract.Operation(s.operation), r.result(s.operation)}
	missing := ""
	places, ok := r.places(op)
	switch {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case op.Method == http.MethodGet && !(r.readOnly && op.NoHead):
	case r.readOnly:
		missing = "it changes things"
	case !ok:
		missing = "nothing was created that it could change"
	}
	for _, name := range op.needs {
		if missing == "" && r.id(name) == "" {
			missing = "nothing exists that its body could name as " + name
		}
	}
	if missing != "" {
		op.result.Verdict, op.result.Reason = Unchecked, missing
		return nil
	}
	for _, place := range places {
		if err := r.at(op, place); err != nil {
			return err
		}
	}
	return nil
}

// at tries an operation at one place: with each of its examples, or each of its parameters.
func (r *run) at(op target, place place) error {
	if op.Stream(http.StatusOK) != nil && !place.unknown {
		return r.follow(op.result, place)
	}
	var response json.RawMessage
	for _, body := range r.bodies(op) {
		var err error
		if response, err = r.send(op, place, nil, body); err != nil {
			return err
		}
		r.learn(op, place, response)
		if op.ID == "sendEvents" && response != nil {
			r.turns++
			if err := r.follow(r.result("streamEvents"), place); err != nil {
				return err
			}
		}
	}
	if op.Method != http.MethodGet || response == nil {
		return nil
	}
	for _, query := range r.queries(op, response) {
		if _, err := r.send(op, place, query, nil); err != nil {
			return err
		}
	}
	return nil
}

// send tries an operation once, and returns the response if it is a success.
func (r *run) send(op target, place place, query url.Values, body json.RawMessage) (json.RawMessage, error) {
	path := place.fill(op.Path)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var sent any
	if body != nil {
		sent = body
	}
	w := &watch{res: op.result}
	var response json.RawMessage
	var err error
	switch {
	case op.TakesForm():
		response, err = r.upload(w)
	case op.Bytes(http.StatusOK):
		_, err = r.c.Files.Download(r.ctx, place.ids["file_id"], io.Discard, w.options()...)
	default:
		err = r.c.Do(r.ctx, op.Method, path, sent, &response, w.options()...)
	}
	failure, _ := errors.AsType[*client.Error](err)
	switch {
	case r.ends(failure):
		return nil, err
	case err == nil && place.unknown:
		w.failed(&Violation{Operation: op.ID, Method: op.Method, Path: path, Status: http.StatusOK, Rule: ruleOutcome, Reason: "want 404, since the resource does not exist"})
	case err == nil:
		return response, nil
	case failure.Status == http.StatusNotImplemented, place.unknown && failure.Status == http.StatusNotFound:
	case failure.Status == http.StatusBadRequest && place.ids[failure.Param] != "" && !r.own([]string{failure.Param}, place):
		// What was there before is of another kind than the operation is for.
	default:
		w.failed(&Violation{
			Operation: op.ID, Method: op.Method, Path: path, Status: failure.Status, Rule: ruleOutcome,
			Reason: "want a success; the response says: " + failure.Message, RequestID: failure.RequestID,
		})
	}
	return nil, nil
}

// upload uploads a small file, and returns the response.
func (r *run) upload(w *watch) (json.RawMessage, error) {
	file, err := r.c.Files.Upload(r.ctx, strings.NewReader("# Plan\n"), client.FileUpload{Name: "plan.md"}, w.options()...)
	if err != nil {
		return nil, err
	}
	return json.Marshal(file)
}

// ends reports whether a failure, nil for none, ends the run: that of its context, and one that every operation would
// have.
func (r *run) ends(failure *client.Error) bool {
	refused := failure != nil && slices.Contains([]int{0, http.StatusUnauthorized, http.StatusForbidden}, failure.Status)
	first := !r.answered
	r.answered = r.answered || !refused
	return r.ctx.Err() != nil && failure != nil || refused && first
}

// follow reads a session's stream until the turns that were started have ended.
func (r *run) follow(res *Result, place place) error {
	patience := turnPatience
	if r.turns == 0 {
		patience = streamPatience
	}
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	w := &watch{res: res, strict: true} // what follows an event that violates the contract means little
	params := &client.StreamParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}
	idle := 0
	for event, err := range r.c.Sessions.Events.Stream(ctx, place.ids["session_id"], params, w.options()...) {
		switch {
		case r.ctx.Err() != nil:
			return err
		case err != nil && ctx.Err() != nil && r.turns == 0:
			return nil // it has sent what it had
		case err != nil:
			failure, _ := errors.AsType[*client.Error](err)
			w.failed(&Violation{
				Operation: res.Operation, Method: http.MethodGet, Path: place.fill(r.contract.Operation(res.Operation).Path), Status: failure.Status,
				Rule: ruleOutcome, Reason: "want the end of the turn, session.status_idle; instead: " + failure.Message, RequestID: failure.RequestID,
			})
			return r.settle(ctx, place.ids["session_id"])
		case event.Type == client.EventTypeSessionStatusIdle:
			idle++
		}
		if r.turns > 0 && idle == r.turns {
			return nil
		}
	}
	return nil
}

// settle waits for the end of a turn without the stream.
func (r *run) settle(ctx context.Context, id string) error {
	for {
		session, err := r.c.Sessions.Get(ctx, id)
		if err != nil || session.Status != client.SessionStatusProcessing {
			return r.ctx.Err()
		}
		select {
		case <-time.After(settleInterval):
		case <-ctx.Done():
			return r.ctx.Err()
		}
	}
}

// result returns what is known of an operation.
func (r *run) result(id string) *Result {
	for _, res := range r.results {
		if res.Operation == id {
			return res
		}
	}
	res := &Result{Operation: id, Verdict: Conforms, Statuses: []int{}, Violations: []*Violation{}}
	r.results = append(r.results, res)
	return res
}

// clean deletes what was created and still exists. It ignores errors.
func (r *run) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), endPatience)
	defer cancel()
	for _, id := range r.made["session_id"] {
		r.stop(ctx, id)
	}
	for _, step := range plan {
		op := target{step, r.contract.Operation(step.operation), nil}
		if op.Method != http.MethodDelete {
			continue
		}
		places, _ := r.places(op)
		for _, place := range places {
			_ = r.c.Do(ctx, op.Method, place.fill(op.Path), nil, nil)
		}
	}
}

// stop cancels the turn of a session and waits for its end.
func (r *run) stop(ctx context.Context, id string) {
	stopped, err := r.c.Sessions.Cancel(ctx, id)
	if err != nil || !stopped.Stopping {
		return
	}
	for event, err := range r.c.Sessions.Events.Stream(ctx, id, nil) {
		if err != nil || event.Type == client.EventTypeSessionStatusIdle {
			return
		}
	}
}
