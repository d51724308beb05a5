package contractcheck

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"
)

// updates changes a record by an example with another text in it, and compares the record before and after.
func (p *probe) updates() error {
	if len(p.places) == 0 {
		return nil
	}
	q := p.valid(p.places[0])
	read, ok := p.read(q.path)
	var fields map[string]json.RawMessage
	if !ok || json.Unmarshal(p.another(q.body), &fields) != nil {
		return nil
	}
	before, err := p.send(read)
	if err != nil || !before.ok() {
		return err
	}
	var was, is map[string]any
	if json.Unmarshal(before.body, &was) != nil {
		return nil
	}
	for name := range stale { // what the change is based on
		if _, based := fields[name]; based && was[name] != nil {
			fields[name], _ = json.Marshal(was[name])
		}
	}
	q.body, _ = json.Marshal(fields)
	got, err := p.send(q)
	if err != nil || !p.wantSuccess(q, got) || json.Unmarshal(got.body, &is) != nil {
		return err
	}
	p.learn(p.target, p.places[0], got.body)
	p.compare(q, got, fields, was, is)
	return nil
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
		case !named && still && fixed(name):
			if at, same := within(value, after); !same {
				p.note(q, got, "/"+name+at, "the update does not name it, and it has changed")
			}
		}
	}
	p.passed(p.check, p.ID)
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
