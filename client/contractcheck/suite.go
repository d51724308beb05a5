package contractcheck

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/client"
)

// The bounds of what [Run] waits for.
const (
	turnPatience   = time.Minute // for a turn to end
	settleInterval = 100 * time.Millisecond
	streamPatience = 5 * time.Second // for the next event of a stream that has it

	silence     = 200 * time.Millisecond // in which a stream must send nothing
	endPatience = 30 * time.Second       // for one write, and for the deletion of what was created
)

// Options are the options of [Run].
type Options struct {
	// ReadOnly sends only reads, of what the account has, and creates nothing.
	ReadOnly bool
	// Only narrows the run to some operations (by operationId), checks (by name), or both; empty for all. What the selected
	// operations need is created nevertheless, and not reported.
	Only []string
	// Skip leaves out operations and checks.
	Skip []string
	// AuthHeaders are the names of the request headers that authenticate, in addition to Authorization, X-Api-Key and
	// Cookie. They are left out where a request has to be refused for its missing token.
	AuthHeaders []string
	// Progress, unless it is nil, is called before each operation, with how many were tried before it and how many there
	// are.
	Progress func(operation string, done, all int)
}

// Run tries the operations of the server that c talks to by [Checks], and returns what it found. It sends the contract's
// examples, with the ids of the agents, environments and sessions that it creates for the purpose; every read with every
// parameter; and what has to be refused. An agent replies to a few short messages. The account should have nothing else to do
// meanwhile. Run deletes what it created, also when ctx ends. With Options.ReadOnly it creates nothing.
//
// It returns an error when the server cannot be tried at all: it does not respond, or refuses the token. The report so
// far is returned with an error of ctx. An [*UnknownNameError] reports a wrong name in the options, before anything is sent.
//
// The requests go through the middleware of c, the last one of which is that of the suite: a transport that changes requests or responses belongs
// into its HTTP client.
func Run(ctx context.Context, c *client.Client, o Options) (*Conformance, error) {
	r, err := newRun(ctx, c, o)
	if err != nil {
		return nil, err
	}
	err = r.all()
	r.clean()
	return r.report(), err
}

// newRun returns a run that has not begun.
func newRun(ctx context.Context, c *client.Client, o Options) (*run, error) {
	compiled, err := contract.Load()
	if err != nil {
		return nil, err
	}
	selected, err := newSelection(compiled, o)
	if err != nil {
		return nil, err
	}
	return &run{
		ctx: ctx, c: c, contract: compiled, options: o, selected: selected, made: map[string][]string{}, seen: map[string]string{}, varied: map[string]int{}, seconds: map[string]string{},
	}, nil
}

// ruleOutcome is the rule of a [Violation] of what the contract allows, but not here.
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

// target is the operation of a step.
type target struct {
	step
	*contract.Operation
	first bool // of those at its path
}

// run is one round over all operations.
type run struct {
	ctx      context.Context
	c        *client.Client
	contract *contract.Contract
	options  Options
	selected *selection

	results  []*Result
	made     map[string][]string // ids of what the run has created for the steps that follow, by path parameter
	seen     map[string]string   // ids of what was there before
	ledger   []string            // paths of all that was created and may still exist, oldest first
	left     []string            // what could not be deleted
	version  json.Number         // of the agent that is used
	hash     string              // of the content of the memory that is used
	turns    int                 // messages that were accepted
	messages []string            // their texts
	secrets  []string            // texts that no response may have
	seconds  map[string]string   // ids of what was created to be another parent, by path parameter
	varied   map[string]int      // which change makes a second record possible, by operation
	names    int                 // how many texts were made up
}

// all takes the steps.
func (r *run) all() error {
	var steps []step
	for _, s := range plan {
		if r.selected.operations[s.operation] || r.selected.needed[s.operation] {
			steps = append(steps, s)
		}
	}
	if err := r.reach(); err != nil {
		return err
	}
	for i, s := range steps {
		if r.options.Progress != nil {
			r.options.Progress(s.operation, i, len(steps))
		}
		if err := r.take(s); err != nil {
			return err
		}
	}
	return nil
}

// reach returns the error that every operation would have: no response, or a refused token.
func (r *run) reach() error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	got := r.exchange(r.ctx, request{method: http.MethodGet, path: r.contract.Operation(plan[0].operation).Path, retry: true}, nil, nil)
	if slices.Contains([]int{0, http.StatusUnauthorized, http.StatusForbidden}, got.status) {
		return got.err
	}
	return nil
}

// target returns the operation of a step.
func (r *run) target(s step) target {
	op := r.contract.Operation(s.operation)
	first := slices.IndexFunc(plan, func(other step) bool { return r.contract.Operation(other.operation).Path == op.Path })
	return target{s, op, plan[first].operation == s.operation}
}

// take runs the checks of an operation. Its error ends the run.
func (r *run) take(s step) error {
	if r.ctx.Err() != nil {
		return r.ctx.Err()
	}
	op := r.target(s)
	res := r.result(s.operation)
	places, missing := r.places(op), r.obstacle(op)
	if missing != "" {
		if res != nil {
			res.Verdict, res.Reason = Unchecked, missing
		}
		return nil
	}
	for _, c := range checks() {
		if c.run == nil || c.applies != nil && !c.applies(op) || !r.selected.runs(c, s.operation) || r.options.ReadOnly && (!c.reads || op.Method != http.MethodGet) {
			continue
		}
		mark := len(r.ledger)
		p := &probe{run: r, target: op, check: c.Name, places: places}
		if err := p.undisturbed(c); err != nil {
			return err
		}
		if c.Name != checkExamples {
			r.sweep(mark)
		}
	}
	return nil
}

// obstacle returns why an operation cannot be tried, "" if it can.
func (r *run) obstacle(op target) string {
	switch {
	case op.Method == http.MethodGet && !(r.options.ReadOnly && op.NoHead):
	case r.options.ReadOnly:
		return "it changes things"
	case len(r.places(op)) == 0:
		return "nothing was created that it could change"
	}
	for _, name := range op.needs {
		if r.id(name) == "" {
			return "nothing exists that its body could name as " + name
		}
	}
	return ""
}

// examples sends the contract's examples to everything that the operation is for.
func (p *probe) examples() error {
	for i, at := range p.places {
		var err error
		switch {
		case isStream(p.target):
			err = p.follow(at)
		case p.Method == http.MethodDelete:
			err = p.delete(at, i == 0)
		default:
			err = p.examplesAt(at)
		}
		if err != nil {
			return err
		}
	}
	if len(p.places) == 0 {
		p.skip("nothing exists that it could read")
	}
	return nil
}

// examplesAt sends an operation's examples to one place: of its body, or of each of its parameters.
func (p *probe) examplesAt(at place) error {
	var last *reply
	for i, body := range p.bodiesOf(p.target) {
		q := p.request(at)
		q.body, q.media, q.retry = body.data, body.media, true
		p.hide(p.Operation, body.data)
		got, err := p.write(q, i == 0)
		if err != nil {
			return err
		}
		if last = got; !got.ok() {
			p.wantSuccess(q, got)
			continue
		}
		p.passed(p.check, p.ID)
		p.learn(p.target, at, got.body)
		if p.ID == "sendEvents" {
			p.turns++
			p.messages = append(p.messages, messageIn(body.data))
			if err := p.settle(at.ids["session_id"]); err != nil {
				return err
			}
		}
	}
	if p.Method != http.MethodGet || last == nil || !last.ok() {
		return nil
	}
	for _, query := range p.queriesOf(p.target, last.body) {
		q := p.request(at)
		q.query, q.retry = query, true
		got, err := p.send(q)
		if err != nil {
			return err
		}
		if !got.ok() {
			p.wantSuccess(q, got)
		}
	}
	return nil
}

// off records that an operation belongs to a feature that is switched off: what it would create does not exist.
func (r *run) off(operation string) { r.passed(checkExamples, operation) }

// settle waits for the end of a turn.
func (p *probe) settle(session string) error {
	ctx, cancel := p.later(turnPatience)
	defer cancel()
	q, ok := p.read("/sessions/" + session)
	q.retry = true
	for interval := settleInterval / 20; ok; interval = min(2*interval, settleInterval) {
		got, err := p.send(q)
		var sent struct{ Status string }
		if err != nil || !got.ok() || json.Unmarshal(got.body, &sent) != nil || sent.Status != string(client.SessionStatusProcessing) {
			return err
		}
		select {
		case <-time.After(interval):
		case <-ctx.Done():
			return p.ctx.Err()
		}
	}
	return nil
}
