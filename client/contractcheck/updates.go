package contractcheck

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// updates changes a record by an example with another text in it, then by that text alone, and compares the record before
// and after.
func (p *probe) updates() error {
	if len(p.places) == 0 {
		return nil
	}
	valid := p.valid(p.places[0])
	read, ok := p.read(valid.path)
	if !ok {
		return nil
	}
	was, err := p.filled(valid, read)
	if err != nil || was == nil {
		return err
	}
	for _, narrow := range []bool{false, true} {
		var fields map[string]json.RawMessage
		if json.Unmarshal(p.another(valid.body), &fields) != nil {
			return nil
		}
		if narrow {
			fields = p.narrow(valid.body, fields)
		}
		based(fields, was)
		q := valid
		q.body, _ = json.Marshal(fields)
		got, err := p.send(q)
		var is map[string]any
		if err != nil || !p.wantSuccess(q, got) || json.Unmarshal(got.body, &is) != nil {
			return err
		}
		p.learn(p.target, p.places[0], got.body)
		p.compare(q, got, fields, was, is)
		was = is
	}
	return nil
}

// filled sets what the record has no value of, since an update that loses a field would not show otherwise, and returns the
// record; nil if it cannot be read.
func (p *probe) filled(q, read request) (was map[string]any, err error) {
	got, err := p.send(read)
	if err != nil || !got.ok() || json.Unmarshal(got.body, &was) != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{}
	for name, value := range map[string]string{"title": `"contract-check"`, "description": `"contract-check"`, "metadata": `{"contract_check":"kept"}`} {
		if (was[name] == "" || name == "metadata") && p.Body().Declares(name) {
			fields[name] = json.RawMessage(value)
		}
	}
	if len(fields) == 0 {
		return was, nil
	}
	for name := range stale {
		if p.Body().Declares(name) {
			fields[name] = stale[name]
		}
	}
	based(fields, was)
	if q.body, _ = json.Marshal(fields); !p.AcceptsBody(q.body) {
		return was, nil
	}
	if got, err = p.send(q); err != nil || !got.ok() {
		return was, err
	}
	p.learn(p.target, p.places[0], got.body)
	var is map[string]any
	if got, err = p.send(read); err != nil || !got.ok() || json.Unmarshal(got.body, &is) != nil {
		return nil, err
	}
	return is, nil
}

// based names the state of a record in what a change is based on.
func based(fields map[string]json.RawMessage, was map[string]any) {
	for name := range stale {
		if _, named := fields[name]; named && was[name] != nil {
			fields[name], _ = json.Marshal(was[name])
		}
	}
}

// narrow returns those fields of an update that differ from a valid one and those that a change is based on, if they are
// sufficient, or else all of them.
func (p *probe) narrow(valid []byte, fields map[string]json.RawMessage) map[string]json.RawMessage {
	var before map[string]json.RawMessage
	if json.Unmarshal(valid, &before) != nil {
		return fields
	}
	few := maps.Clone(fields)
	maps.DeleteFunc(few, func(name string, value json.RawMessage) bool {
		return stale[name] == nil && bytes.Equal(value, before[name])
	})
	if body, _ := json.Marshal(few); len(few) == 0 || !p.AcceptsBody(body) {
		return fields
	}
	return few
}

// compare examines a record before and after an update of some fields.
func (p *probe) compare(q request, got *reply, sent map[string]json.RawMessage, was, is map[string]any) {
	for name, value := range was {
		_, named := sent[name]
		after, still := is[name]
		switch {
		case name == "updated_at":
			if earlier(after, value) {
				p.note(q, got, "/updated_at", "it is earlier than before the update")
			}
		case name == "version" && kindOf(value) == "float64" && kindOf(after) == "float64":
			if after.(float64) != value.(float64)+1 {
				p.note(q, got, "/version", "it has not grown by one")
			}
		case name == "metadata" && named:
			p.compareMetadata(q, got, sent[name], value, after)
		case !named && still && p.keeps(name, sent):
			if at, same := within(value, after); !same {
				p.note(q, got, "/"+name+at, "the update does not name it, and it has changed")
			}
		}
	}
	p.passed(p.check, p.ID)
}

// keeps reports whether an update of some fields that does not name this one leaves it.
func (p *probe) keeps(name string, sent map[string]json.RawMessage) bool {
	alias := map[string]string{"system": "instructions", "instructions": "system"}[name]
	return sent[alias] == nil && (fixed(name) || stale[name] == nil && p.Body().Declares(name))
}

// fixed reports whether an update that does not name a field leaves it: other fields follow from those that it names.
func fixed(name string) bool {
	return slices.Contains([]string{"id", "type", "created_at", "title", "name", "display_name", "description", "metadata", "model", "path", "status"}, name)
}

// compareMetadata examines metadata after a patch: a key that the patch does not have stays.
func (p *probe) compareMetadata(q request, got *reply, sent json.RawMessage, was, is any) {
	var patch map[string]any
	before, _ := was.(map[string]any)
	after, _ := is.(map[string]any)
	if json.Unmarshal(sent, &patch) != nil || patch == nil {
		return
	}
	for key, value := range before {
		if _, named := patch[key]; !named && after[key] != value {
			p.note(q, got, "/metadata/"+key, "the update does not name it, and it has changed")
		}
	}
}

// earlier reports whether a time is before another one.
func earlier(a, b any) bool {
	one, _ := a.(string)
	two, _ := b.(string)
	first, err := time.Parse(time.RFC3339, one)
	second, err2 := time.Parse(time.RFC3339, two)
	return err == nil && err2 == nil && first.Before(second)
}

// isUpdate reports whether an operation changes the record at its path.
func isUpdate(t target) bool {
	return takesBody(t) && (t.Method == http.MethodPost || t.Method == http.MethodPut) && strings.HasSuffix(t.Path, "}")
}

// hardTexts are endings of texts that a server may lose, change or refuse: markup, escapes, both forms of a letter, several
// scripts and characters beyond U+FFFF. The first one that the contract allows in a field is used.
var hardTexts = []string{" <b>&amp;</b> \\n %20 'x' e\u0301 \u00e9 你好 مرحبا 😀", " &e\u0301😀"}

// freeTexts are the fields whose texts mean nothing to a server.
var freeTexts = []string{"title", "name", "display_name", "description", "system", "content"}

// texts sends hard texts and reads them again.
func (p *probe) texts() error {
	if len(p.places) == 0 {
		return nil
	}
	q := p.valid(p.places[0])
	for _, body := range append([][]byte{q.body}, p.others(q.body)...) { // others, where two records cannot have the same text
		if q.body = p.hardened(body); q.body == nil {
			return nil
		}
		p.hide(p.Operation, q.body)
		got, err := p.send(q)
		if err != nil {
			return err
		}
		if got.status == http.StatusConflict && p.isCollection(q) {
			continue
		}
		if !p.wantSuccess(q, got) {
			return nil
		}
		if isUpdate(p.target) {
			p.learn(p.target, p.places[0], got.body)
		}
		return p.roundTrip(q, got)
	}
	return nil
}

// hardened returns a valid body with hard texts in its free texts; nil if it has none.
func (p *probe) hardened(valid []byte) []byte {
	var fields map[string]any
	if json.Unmarshal(valid, &fields) != nil {
		return nil
	}
	var hard []byte
	set := func(in map[string]any, name string) {
		value, ok := in[name].(string)
		for _, ending := range hardTexts {
			if !ok {
				return
			}
			in[name] = value + ending
			if body, _ := json.Marshal(fields); p.AcceptsBody(body) {
				hard = body
				return
			}
			in[name] = value
		}
	}
	for _, name := range freeTexts {
		set(fields, name)
	}
	if metadata, ok := fields["metadata"].(map[string]any); ok {
		for name := range metadata {
			set(metadata, name)
		}
	}
	return hard
}

// scopes uses the key of an environment where only the token of an account is good.
func (p *probe) scopes() error {
	q := p.valid(p.places[0])
	got, err := p.send(q)
	var sent struct{ Key string }
	if err != nil || !got.ok() || json.Unmarshal(got.body, &sent) != nil || sent.Key == "" {
		p.skip("no key was created")
		return err
	}
	for _, s := range plan {
		op := p.run.target(s)
		if hasPathParameters(op) || !op.Secured || !slices.Contains(op.Statuses, http.StatusForbidden) {
			continue
		}
		closed := (&probe{run: p.run, target: op, check: p.check}).valid(place{})
		closed.header = http.Header{"Authorization": {"Bearer " + sent.Key}, "X-Api-Key": nil, "Cookie": nil}
		got, err := p.send(closed)
		if err != nil {
			return err
		}
		p.want(closed, got, "the key of an environment does not open it", http.StatusForbidden)
	}
	return nil
}

// extras sends what the contract does not have, which programs send nevertheless.
func (p *probe) extras() error {
	if len(p.places) == 0 {
		return nil
	}
	q := p.request(p.places[0])
	q.query = map[string][]string{"beta": {"true"}}
	q.header = http.Header{"X-Contract-Check": {"1"}}
	got, err := p.stream(p.ctx, q, func([]frame) bool { return true })
	if err == nil {
		p.want(q, got, "unknown parameters and headers are ignored", http.StatusOK)
	}
	return err
}
