package contractcheck

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/api"
	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// The bounds of what [Run] waits for.
const (
	turnPatience   = time.Minute // for a turn to end
	settleInterval = 100 * time.Millisecond
	streamPatience = 2 * time.Second  // for what a stream has when no turn is under way
	endPatience    = 30 * time.Second // for the deletion of what was made, when the run was cut short
)

// Options say how [Run] goes about it.
type Options struct {
	// ReadOnly sends reads only, of what the account has, and makes nothing.
	ReadOnly bool
}

// Run tries the operations of the server that c talks to, and returns what it found of each, in the order in which
// it tried them. It sends the contract's examples, with the ids of agents, environments and sessions that it makes for
// the purpose; every read with every parameter; and for every read something that does not exist. An agent answers two
// short messages. It deletes what it makes and is told the id of, also when ctx ends. With Options.ReadOnly it makes
// nothing.
//
// The error is that of a server that cannot be tried at all: it does not answer, or refuses the token. The results so
// far are returned with an error of ctx.
func Run(ctx context.Context, c *client.Client, o Options) ([]*Result, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	doc, err := document()
	if err != nil {
		return nil, err
	}
	r := &run{
		ctx: ctx, c: c, contract: compiled, doc: doc, readOnly: o.ReadOnly,
		made: map[string][]string{}, seen: map[string]string{},
	}
	defer r.clean()
	for _, id := range plan() {
		if err := r.try(compiled.Operation(id)); err != nil {
			return r.results, err
		}
	}
	return r.results, nil
}

// document is the contract with its examples. It is read once for the process: it is never changed.
var document = sync.OnceValues(api.Load)

// ruleOutcome is the rule of a [Violation] whose status the contract allows, but not here.
const ruleOutcome = "outcome"

// plan is the order in which operations are tried: each after what it needs.
func plan() []string {
	return []string{
		"listModels",
		"createAgent", "updateAgent", "putAgent", "listAgents", "getAgent", "listAgentVersions",
		"createEnvironment", "updateEnvironment", "putEnvironment", "listEnvironments", "getEnvironment",
		"createSession", "updateSession", "listSessions", "getSession",
		"addSessionResources", "listSessionResources", "getSessionResource", "deleteSessionResource",
		"sendEvents", "streamEvents", "listEvents", "cancelSession",
		"archiveSession", "deleteSession", "archiveEnvironment", "deleteEnvironment", "archiveAgent", "deleteAgent",
	}
}

// run is one round over all operations.
type run struct {
	ctx      context.Context
	c        *client.Client
	contract *contract.Contract
	doc      *openapi3.T
	readOnly bool

	results  []*Result
	answered bool                // the server has answered something
	made     map[string][]string // ids of what the run has made, by path parameter
	seen     map[string]string   // ids of what was there before
	version  json.Number         // of the agent that is used
	turns    int                 // messages that were taken
}

// try tries an operation. Its error ends the run.
func (r *run) try(op *contract.Operation) error {
	res, missing := r.result(op.ID), ""
	places, ok := r.places(op)
	switch {
	case r.ctx.Err() != nil:
		return r.ctx.Err()
	case op.Method == http.MethodGet:
	case r.readOnly:
		missing = "it changes things"
	case !ok:
		missing = "nothing was made that it could change"
	case op.ID == "createSession" && (r.id("agent_id") == "" || r.id("environment_id") == ""):
		missing = "there is no agent, or no environment"
	}
	if missing != "" {
		res.Verdict, res.Reason = Unchecked, missing
		return nil
	}
	for _, place := range places {
		if err := r.at(op, res, place); err != nil {
			return err
		}
	}
	return nil
}

// at tries an operation at one place: with each of its examples, or each of its parameters.
func (r *run) at(op *contract.Operation, res *Result, place place) error {
	if op.Stream(http.StatusOK) != nil && !place.unknown {
		return r.follow(res, place)
	}
	var answer json.RawMessage
	for _, body := range r.bodies(op) {
		var err error
		if answer, err = r.send(op, res, place, nil, body); err != nil {
			return err
		}
		r.learn(op, place, answer)
		if op.ID == "sendEvents" && answer != nil {
			r.turns++
			if err := r.follow(r.result("streamEvents"), place); err != nil {
				return err
			}
		}
	}
	if op.Method != http.MethodGet || answer == nil {
		return nil
	}
	for _, query := range r.queries(op, answer) {
		if _, err := r.send(op, res, place, query, nil); err != nil {
			return err
		}
	}
	return nil
}

// send tries an operation once, and returns its answer if it is a success.
func (r *run) send(op *contract.Operation, res *Result, place place, query url.Values, body json.RawMessage) (json.RawMessage, error) {
	path := place.fill(op.Path)
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var sent any
	if body != nil {
		sent = body
	}
	w := &watch{res: res}
	var answer json.RawMessage
	err := r.c.Do(r.ctx, op.Method, path, sent, &answer, w.options()...)
	failure, _ := errors.AsType[*client.Error](err)
	switch {
	case r.ends(failure):
		return nil, err
	case err == nil && place.unknown:
		w.failed(&Violation{Operation: op.ID, Method: op.Method, Path: path, Status: http.StatusOK, Rule: ruleOutcome, Reason: "what does not exist is due a 404"})
	case err == nil:
		return answer, nil
	case failure.Status == http.StatusNotImplemented, place.unknown && failure.Status == http.StatusNotFound:
	default:
		w.failed(&Violation{
			Operation: op.ID, Method: op.Method, Path: path, Status: failure.Status, Rule: ruleOutcome,
			Reason: "a success is due; it says: " + failure.Message, RequestID: failure.RequestID,
		})
	}
	return nil, nil
}

// ends reports whether a failure, nil for none, ends the run: that of its context, and one that all operations would
// meet.
func (r *run) ends(failure *client.Error) bool {
	refused := failure != nil && slices.Contains([]int{0, http.StatusUnauthorized, http.StatusForbidden}, failure.Status)
	first := !r.answered
	r.answered = r.answered || !refused
	return r.ctx.Err() != nil && failure != nil || refused && first
}

// follow reads a session's stream until the turns that were begun are over.
func (r *run) follow(res *Result, place place) error {
	patience := turnPatience
	if r.turns == 0 {
		patience = streamPatience
	}
	ctx, cancel := context.WithTimeout(r.ctx, patience)
	defer cancel()
	w := &watch{res: res, strict: true} // what follows an event that breaks the contract says little
	params := &client.StreamParams{Deltas: []client.DeltaType{client.DeltaTypeAgentMessage}}
	idle := 0
	for event, err := range r.c.Sessions.Events.Stream(ctx, place.ids["session_id"], params, w.options()...) {
		switch {
		case r.ctx.Err() != nil:
			return err
		case err != nil && ctx.Err() != nil && r.turns == 0:
			return nil // it has said what it had to say
		case err != nil:
			failure, _ := errors.AsType[*client.Error](err)
			w.failed(&Violation{
				Operation: res.Operation, Method: http.MethodGet, Path: place.fill(r.contract.Operation(res.Operation).Path), Status: failure.Status,
				Rule: ruleOutcome, Reason: "a turn is due its end, session.status_idle; instead: " + failure.Message, RequestID: failure.RequestID,
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

// clean deletes what was made and is still there, as well as it can.
func (r *run) clean() {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), endPatience)
	defer cancel()
	for _, id := range r.made["session_id"] {
		if stopped, err := r.c.Sessions.Cancel(ctx, id); err == nil && stopped.Stopping {
			for event, err := range r.c.Sessions.Events.Stream(ctx, id, nil) {
				if err != nil || event.Type == client.EventTypeSessionStatusIdle {
					break
				}
			}
		}
		_, _ = r.c.Sessions.Delete(ctx, id)
	}
	for _, id := range r.made["environment_id"] {
		_, _ = r.c.Environments.Delete(ctx, id)
	}
	for _, id := range r.made["agent_id"] {
		_, _ = r.c.Agents.Delete(ctx, id)
	}
}
