package contractcheck

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
)

// somewhere is where a request that has to be refused is sent: where it would succeed, if the operation only reads or has no
// id in its path, or else to what does not exist.
func (p *probe) somewhere() place {
	unknown, _ := p.unknown(p.target)
	switch {
	case len(unknown) == 0:
		return place{}
	case len(p.places) == 0, p.Method == http.MethodDelete:
		return unknown[len(unknown)-1]
	}
	return p.places[0]
}

// valid returns a valid request at a place.
func (p *probe) valid(at place) request {
	q, body := p.request(at), p.bodiesOf(p.target)[0]
	q.body, q.media = body.data, body.media
	return q
}

// authentication sends requests without a token and with one that does not exist.
func (p *probe) authentication() error {
	at := p.somewhere()
	if unknown, _ := p.unknown(p.target); p.Method != http.MethodGet && len(unknown) > 0 {
		at = unknown[0] // so that a server that accepts any token does no harm
	}
	for why, token := range map[string][]string{"the request has no token": nil, "no such token exists": {"Bearer pt-contract-check-unknown"}} {
		q := p.valid(at)
		q.header = http.Header{"Authorization": token, "X-Api-Key": nil, "Cookie": nil}
		for _, name := range p.options.AuthHeaders {
			q.header[http.CanonicalHeaderKey(name)] = nil
		}
		if token != nil {
			q.header["Authorization"] = token
		}
		if err := p.refuse(q, why, "", http.StatusUnauthorized); err != nil {
			return err
		}
	}
	return nil
}

// unknownIDs sends requests to what does not exist, and bodies that name it.
func (p *probe) unknownIDs() error {
	places, names := p.unknown(p.target)
	for i, at := range places {
		if err := p.refuse(p.valid(at), "nothing exists with this "+names[i], "", http.StatusNotFound); err != nil {
			return err
		}
	}
	if err := p.otherParent(); err != nil {
		return err
	}
	for _, name := range p.needs {
		q := p.valid(p.somewhere())
		known := []byte(p.id(name))
		if !bytes.Contains(q.body, known) || p.Method == http.MethodGet {
			continue
		}
		q.body = bytes.ReplaceAll(q.body, known, []byte(unknownID(name)))
		if err := p.refuse(q, "nothing exists with the "+name+" that the body names", "", http.StatusNotFound); err != nil {
			return err
		}
	}
	return nil
}

// otherParent sends a request to a record that exists, in the path of another parent than its own.
func (p *probe) otherParent() error {
	parent, below := parentOf(p.target)
	if !below || len(p.places) == 0 || p.options.ReadOnly {
		return nil
	}
	other, err := p.second(parent)
	if err != nil || other == "" {
		return err
	}
	names := pathParameters(p.Path)
	why := "the " + names[len(names)-1] + " belongs to another " + parent
	return p.refuse(p.valid(p.places[0].with(parent, other)), why, "", http.StatusNotFound, http.StatusBadRequest) // which may be of another kind
}

// parentOf returns the path parameter of the parent of what an operation reads or changes; ok is false if it has none. What
// can be done only once is left out: a server that does it below another parent would fail the checks that follow.
func parentOf(op target) (parent string, ok bool) {
	names := pathParameters(op.Path)
	if len(names) < 2 || op.Method == http.MethodDelete || op.Method != http.MethodGet && !op.TakesBody() {
		return "", false
	}
	return names[len(names)-2], true
}

// second returns the id of another record than that which a path parameter is tried with. It creates one if the examples
// have not created two, which then stays until the end of the run.
func (p *probe) second(name string) (string, error) {
	if made := p.made[name]; len(made) > 1 {
		return made[1], nil
	}
	if p.seconds[name] == "" {
		op, ok := p.creatorOf(name)
		if !ok {
			return "", nil
		}
		id, err := p.create(op, place{})
		if err != nil {
			return "", err
		}
		p.seconds[name] = id
	}
	return p.seconds[name], nil
}

// creatorOf returns the operation that creates what a path parameter names.
func (r *run) creatorOf(name string) (target, bool) {
	for _, s := range plan {
		if op := r.target(s); s.holds == name && op.Method == http.MethodPost && !hasPathParameters(op) {
			return op, true
		}
	}
	return target{}, false
}

// malformedIDs sends requests with path parameters that the contract does not allow.
func (p *probe) malformedIDs() error {
	places, _ := p.unknown(p.target)
	for _, invalid := range p.InvalidParameters() {
		if invalid.In != "path" {
			continue
		}
		q := p.valid(places[0].with(invalid.Param, invalid.Values[0]))
		if err := p.refuse(q, "the id violates "+invalid.Rule, invalid.Param, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

// invalidParameters sends requests with query parameters and headers that violate the contract.
func (p *probe) invalidParameters() error {
	for _, invalid := range p.InvalidParameters() {
		q := p.valid(p.somewhere())
		switch invalid.In {
		case "query":
			q.query = url.Values{invalid.Param: invalid.Values}
		case "header":
			q.header = http.Header{http.CanonicalHeaderKey(invalid.Param): invalid.Values}
		default:
			continue
		}
		if err := p.refuse(q, invalid.Param+" violates "+invalid.Rule, invalid.Param, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

// invalidBodies sends bodies that violate the contract in one way each.
func (p *probe) invalidBodies() error {
	for _, invalid := range p.invalid() {
		q := p.request(p.somewhere())
		q.body, q.media = invalid.Body, "application/json"
		if err := p.refuse(q, "the field violates "+invalid.Rule, invalid.Param, http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

// invalid returns the invalid variations of all examples of the body, without repeats.
func (p *probe) invalid() (all []contract.Invalid) {
	for _, example := range p.bodiesOf(p.target) {
		for _, invalid := range p.InvalidBodies(example.data) {
			if !slices.ContainsFunc(all, func(known contract.Invalid) bool { return known.Param == invalid.Param && known.Rule == invalid.Rule }) {
				all = append(all, invalid)
			}
		}
	}
	return all
}

// invalidJSON sends bodies that are not one JSON value in UTF-8 without repeated names.
func (p *probe) invalidJSON() error {
	q := p.valid(p.somewhere())
	valid := string(q.body)
	var fields map[string]json.RawMessage
	_ = json.Unmarshal(q.body, &fields) // it is an object
	first := ""
	for name, value := range fields {
		if text := fmt.Sprintf("%q:%s,", name, value); first == "" || text < first {
			first = text
		}
	}
	for _, invalid := range []struct{ why, body string }{
		{"the JSON is cut off", strings.TrimRight(valid, "}")},
		{"bytes follow the JSON value", valid + "x"},
		{"two JSON values are in the body", valid + valid},
		{"a field occurs twice", "{" + first + valid[1:]},
		{"a name is not valid UTF-8", "{\"\xff\":1," + valid[1:]},
		{"the JSON is nested too deep", strings.Repeat("[", 1000) + strings.Repeat("]", 1000)},
		{"the body is not an object", "[]"},
	} {
		q.body = []byte(invalid.body)
		if err := p.refuse(q, invalid.why, "", http.StatusBadRequest); err != nil {
			return err
		}
	}
	return nil
}

// contentTypes sends a valid body as something else.
func (p *probe) contentTypes() error {
	q := p.valid(p.somewhere())
	q.media = "text/plain"
	if err := p.refuse(q, "the content type is not that of JSON", "Content-Type", http.StatusBadRequest); err != nil {
		return err
	}
	q.media = "Application/JSON; charset=utf-8" // which is JSON, so that the body is what is wrong
	q.body = append([]byte(`{"x_unknown":1,`), bytes.TrimPrefix(q.body, []byte("{"))...)
	if err := p.refuse(q, "the content type is that of JSON, and the field is unknown", "x_unknown", http.StatusBadRequest); err != nil || !slices.Contains(p.Statuses, http.StatusUnsupportedMediaType) {
		return err
	}
	q = p.valid(p.somewhere())
	q.header = http.Header{"Content-Encoding": {"gzip"}}
	return p.refuse(q, "the body claims to be encoded", "Content-Encoding", http.StatusUnsupportedMediaType)
}

// preconditions sends changes that are based on a state that never was.
func (p *probe) preconditions() error {
	at := place{}
	if len(p.places) > 0 {
		at = p.places[0]
	}
	for _, name := range p.Parameters("query") {
		if value := stale[strings.TrimPrefix(name, "expected_")]; value != nil && strings.HasPrefix(name, "expected_") && p.Method != http.MethodGet {
			q := p.valid(at)
			q.query = url.Values{name: {strings.Trim(string(value), `"`)}}
			if err := p.refuse(q, name+" is not that of the current state", "", http.StatusConflict, http.StatusPreconditionFailed); err != nil {
				return err
			}
		}
	}
	if !p.TakesBody() || len(p.places) == 0 {
		return nil
	}
	for _, name := range []string{"version", "content_sha256"} {
		var fields map[string]json.RawMessage
		q := p.valid(at)
		if !p.Body().Declares(name) || json.Unmarshal(p.another(q.body), &fields) != nil {
			continue
		}
		for _, other := range []string{"version", "content_sha256"} {
			delete(fields, other)
		}
		fields[name] = stale[name]
		if q.body, _ = json.Marshal(fields); !p.AcceptsBody(q.body) {
			continue
		}
		if err := p.refuse(q, name+" is not that of the current state", "", http.StatusConflict, http.StatusPreconditionFailed); err != nil {
			return err
		}
	}
	return nil
}

// stale are states that nothing is in, by the name of the field that a change is based on.
var stale = map[string]json.RawMessage{
	"version":        json.RawMessage("1000000"),
	"content_sha256": json.RawMessage(`"0000000000000000000000000000000000000000000000000000000000000000"`),
	"last_heartbeat": json.RawMessage(`"2001-01-01T00:00:00Z"`),
}

// undisturbed runs a check, and examines that nothing has changed if it sends only what has to be refused.
func (p *probe) undisturbed(c *check) error {
	observed := p.Method != http.MethodGet && slices.Contains(refusing, c.Name) && p.selected.has(checkNoEffect, p.ID)
	if !observed {
		return c.run(p)
	}
	observer := p.as(checkNoEffect)
	q, before, err := observer.snapshot()
	if err == nil {
		err = c.run(p)
	}
	if err != nil || before == "" {
		return err
	}
	_, after, err := observer.snapshot()
	if after != before && after != "" {
		observer.note(q, &reply{}, "", "a request of the check "+c.Name+" was refused, or has to be, and changed what this path shows")
	} else if err == nil {
		observer.passed(checkNoEffect, p.ID)
	}
	return err
}

// snapshot reads what an operation changes: the record at its path, or the ids of the list there; "" for nothing.
func (p *probe) snapshot() (q request, state string, err error) {
	path := p.request(p.somewhereKnown()).path
	q, ok := p.read(path)
	if !ok {
		q, ok = p.read(path[:strings.LastIndexByte(path, '/')])
	}
	if !ok || q.path == "" {
		return q, "", nil
	}
	got, err := p.send(q)
	if err != nil || !got.ok() {
		return q, "", err
	}
	if ids := idsIn(got.body); ids != nil {
		return q, "the records " + strings.Join(ids, " "), nil
	}
	return q, string(got.body), nil
}

// somewhereKnown is where the operation would succeed, if that exists.
func (p *probe) somewhereKnown() place {
	if len(p.places) > 0 {
		return p.places[0]
	}
	return p.somewhere()
}
