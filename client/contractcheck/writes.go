package contractcheck

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
)

// write sends an example, and follows it by the checks that belong to writes: repeats with its idempotency key if full, and
// reads of what was written.
func (p *probe) write(q request, full bool) (*reply, error) {
	if p.Method == http.MethodGet || q.body == nil {
		return p.send(q)
	}
	var got *reply
	var err error
	if full && p.selected.has(checkIdempotency, p.ID) && slices.Contains(p.Parameters("header"), "Idempotency-Key") {
		got, err = p.repeated(q)
	} else {
		got, err = p.send(q)
	}
	if err == nil && got.ok() && p.selected.has(checkRoundTrip, p.ID) {
		err = p.as(checkRoundTrip).roundTrip(q, got)
	}
	return got, err
}

// repeated sends a write with a key that an invalid request had before, then again, and then with another body.
func (p *probe) repeated(q request) (*reply, error) {
	keys := p.as(checkIdempotency)
	q.header = http.Header{"Idempotency-Key": {rand.Text()}}
	refused := false
	if invalid := append([]byte(`{"x_unknown":1,`), bytes.TrimPrefix(q.body, []byte("{"))...); p.TakesBody() && !p.AcceptsBody(invalid) {
		first := q
		first.body, first.retry = invalid, false
		got, err := keys.send(first)
		if err != nil {
			return nil, err
		}
		refused = got.status == http.StatusBadRequest
	}
	before, err := keys.listed(q.path)
	if err != nil {
		return nil, err
	}
	got, err := p.send(q)
	if err != nil {
		return nil, err
	}
	if !got.ok() && refused { // is it the key?
		fresh := q
		fresh.header = nil
		second, err := p.send(fresh)
		if err != nil || !second.ok() {
			return second, err
		}
		keys.note(q, got, "", "want a success, since only an invalid request had the key before"+said(got))
		return second, nil
	}
	if !got.ok() {
		return got, nil
	}
	return got, keys.repeat(q, got, before)
}

// repeat sends a write that succeeded again with its key, and then with the key and another body. before are the ids that the
// list had before the write.
func (p *probe) repeat(q request, first *reply, before []string) error {
	again, err := p.send(q)
	if err != nil {
		return err
	}
	var one, two any
	_ = json.Unmarshal(first.body, &one) // what is not JSON is a violation already
	_ = json.Unmarshal(again.body, &two)
	at, same := within(two, one)
	switch {
	case again.status != first.status:
		p.note(q, again, "", fmt.Sprintf("want %d, since it repeats a request that succeeded with this key%s", first.status, said(again)))
	case !same:
		p.note(q, again, at, "it differs from the first response to this key")
	case p.replayed(again.status) && again.header.Get("Idempotent-Replayed") != "true":
		p.note(q, again, "", "want the header Idempotent-Replayed: true, since it repeats a request that succeeded with this key")
	default:
		p.passed(p.check, p.ID)
	}
	alias := q
	alias.header = http.Header{"Idempotency-Key": nil, "X-Idempotency-Key": q.header["Idempotency-Key"]}
	if slices.Contains(p.Parameters("header"), "X-Idempotency-Key") {
		if got, err := p.send(alias); err != nil {
			return err
		} else if got.ok() && p.replayed(got.status) && got.header.Get("Idempotent-Replayed") != "true" {
			p.note(alias, got, "", "want the first response, since X-Idempotency-Key is the key of a request that succeeded")
		}
	}
	if err := p.once(q, again, before); err != nil {
		return err
	}
	other := q
	other.retry = false
	if other.body = p.changed(q.body); other.body == nil || q.body == nil {
		return nil
	}
	return p.refuse(other, "the key belongs to a request with another body", "", http.StatusConflict)
}

// once examines that a write and its repeat have created one thing.
func (p *probe) once(q request, got *reply, before []string) error {
	after, err := p.listed(q.path)
	if err != nil || before == nil || !p.isCollection(q) {
		return err
	}
	added := slices.DeleteFunc(after, func(id string) bool { return slices.Contains(before, id) })
	if len(added) > 1 {
		p.note(q, got, "", fmt.Sprintf("the request and its repeat have created %d things instead of one", len(added)))
	}
	return nil
}

// replayed reports whether the contract has the header of replayed responses at a status.
func (p *probe) replayed(status int) bool { return p.DeclaresHeader(status, "Idempotent-Replayed") }

// listed returns the ids of the list at a path, as far as the first page goes; nil if there is none.
func (p *probe) listed(path string) ([]string, error) {
	q, ok := p.read(path)
	if !ok {
		return nil, nil
	}
	q.query = longest(q.op)
	got, err := p.send(q)
	if err != nil || !got.ok() {
		return nil, err
	}
	return idsIn(got.body), nil
}

// longest returns the query of a list's longest page.
func longest(op *contract.Operation) url.Values {
	if !slices.Contains(op.Parameters("query"), "limit") {
		return url.Values{}
	}
	return url.Values{"limit": {fmt.Sprint(min(100, op.Parameter("limit").Maximum()))}}
}

// idsIn returns the ids of a page; nil for what is not a page.
func idsIn(response []byte) []string {
	var page struct {
		Data []struct{ ID string }
	}
	if json.Unmarshal(response, &page) != nil || page.Data == nil {
		return nil
	}
	ids := []string{}
	for _, rec := range page.Data {
		ids = append(ids, rec.ID)
	}
	return ids
}

// changed returns a valid body that differs from a valid one in a text; nil if there is none.
func (p *probe) changed(valid []byte) []byte {
	if p.TakesForm() {
		return form("# Another plan\n").data
	}
	for _, other := range p.others(valid) {
		return other
	}
	return nil
}

// another returns a valid body that differs from a valid one, or that one.
func (p *probe) another(valid []byte) []byte {
	if other := p.changed(valid); other != nil {
		return other
	}
	return valid
}

// others returns valid bodies that differ from a valid one in one text each, which nothing else has. Free texts come first.
func (p *probe) others(valid []byte) (all [][]byte) {
	var root any
	if json.Unmarshal(valid, &root) != nil {
		return nil
	}
	p.names++
	n := fmt.Sprint(p.names)
	var visit func(value any, put func(any))
	visit = func(value any, put func(any)) {
		switch v := value.(type) {
		case map[string]any:
			for _, name := range sortedKeys(v) {
				visit(v[name], func(inner any) { v[name] = inner })
			}
		case []any:
			for i := range v {
				visit(v[i], func(inner any) { v[i] = inner })
			}
		case string:
			if v == "" || p.isKnown(v) {
				return
			}
			for _, text := range []string{v + "-" + n, v + "_" + n} {
				put(text)
				if body, _ := json.Marshal(root); p.AcceptsBody(body) {
					all = append(all, body)
					break
				}
			}
			put(v)
		}
	}
	visit(root, func(any) {})
	return all
}

func sortedKeys(m map[string]any) []string {
	var names []string
	for name := range m {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// roundTrip examines that what was written is in the response, and reads it again.
func (p *probe) roundTrip(q request, got *reply) error {
	var sent, received map[string]any
	if json.Unmarshal(q.body, &sent) == nil && json.Unmarshal(got.body, &received) == nil && p.Success() != nil {
		for name := range stale { // what a change is based on, not what it is
			delete(sent, name)
		}
		delete(sent, "type") // of the record in the response
		e := echo{declared: p.Body().Mentions(), shown: p.Success().Mentions()}
		if at, ok := e.find(sent, received, ""); !ok {
			p.note(q, got, at, "it is not what the request has set"+bothTexts(sent, received, at))
		} else {
			p.passed(p.check, p.ID)
		}
	}
	path, id := q.path, createdID(got.body)
	switch {
	case p.isCollection(q) && id != "" && !p.isKnown(id):
		if err := p.inList(q, got, id); err != nil {
			return err
		}
		path += "/" + url.PathEscape(id)
	case !strings.HasSuffix(p.Path, "}"): // what it changes is not at its path
		return nil
	}
	read, ok := p.read(path)
	if !ok {
		return nil
	}
	again, err := p.send(read)
	if err != nil || !p.want(read, again, "it was written before", http.StatusOK) {
		return err
	}
	p.same(read, again, again.body, got.body)
	return nil
}

// bothTexts says which texts a pointer refers to in what was sent and received, in ASCII so that a difference shows; "" if they
// are not texts.
func bothTexts(sent, received any, pointer string) string {
	for name := range strings.SplitSeq(strings.TrimPrefix(pointer, "/"), "/") {
		one, _ := sent.(map[string]any)
		two, _ := received.(map[string]any)
		sent, received = one[name], two[name]
	}
	one, isText := sent.(string)
	two, areTexts := received.(string)
	if !isText || !areTexts || len(one) > longestShown || len(two) > longestShown {
		return ""
	}
	return fmt.Sprintf(": %+q was sent, %+q received", one, two)
}

// longestShown is the length in bytes up to which a text is in a sentence.
const longestShown = 200

// inList examines that what was created is in the list.
func (p *probe) inList(q request, got *reply, id string) error {
	list, ok := p.read(q.path)
	if !ok {
		return nil
	}
	list.query = longest(list.op)
	page, err := p.send(list)
	if err != nil || !page.ok() {
		return err
	}
	var records struct{ Data []json.RawMessage }
	if json.Unmarshal(page.body, &records) != nil {
		return nil
	}
	for _, rec := range records.Data {
		if createdID(rec) == id {
			p.same(list, page, rec, got.body)
			return nil
		}
	}
	p.note(list, page, "/data", "it lacks what was created before")
	return nil
}

// same examines that what was read is what was written, as far as both have the same fields of the same types.
func (p *probe) same(q request, got *reply, read, written []byte) {
	var one, two map[string]any
	if json.Unmarshal(read, &one) != nil || json.Unmarshal(written, &two) != nil {
		return
	}
	for name, value := range one {
		other, both := two[name]
		if at, ok := within(other, value); both && kindOf(other) == kindOf(value) && !ok {
			p.note(q, got, "/"+name+at, "it differs from the response to "+p.ID)
			return
		}
	}
	p.passed(p.check, p.ID)
}

// kindOf names the JSON type of a value.
func kindOf(value any) string { return fmt.Sprintf("%T", value) }

// within reports whether a value has what another one has, in objects at least; at is a JSON pointer to what it lacks.
func within(part, all any) (at string, ok bool) {
	switch v := part.(type) {
	case map[string]any:
		other, _ := all.(map[string]any)
		for _, name := range sortedKeys(v) {
			if at, ok := within(v[name], other[name]); !ok {
				return "/" + name + at, false
			}
		}
		return "", other != nil
	case []any:
		other, _ := all.([]any)
		if len(v) != len(other) {
			return "", false
		}
		for i := range v {
			if at, ok := within(v[i], other[i]); !ok {
				return fmt.Sprintf("/%d%s", i, at), false
			}
		}
		return "", true
	}
	return "", part == all
}

// echo compares what was sent with the response.
type echo struct {
	declared, shown map[string]bool // the names of the request's schema, and of the response's
}

// find reports whether a value that was sent is in one that was received; at is a JSON pointer to what is not. Names that the
// response does not declare are left out, and so are values that have another type there.
func (e *echo) find(sent, received any, at string) (string, bool) {
	switch v := sent.(type) {
	case map[string]any:
		other, ok := received.(map[string]any)
		if !ok {
			return "", true
		}
		for _, name := range sortedKeys(v) {
			got, has := other[name]
			switch {
			case v[name] == nil: // deletes a name
				if has && e.declared[name] == e.shown[name] && got != nil && got != "" && !e.declared[name] {
					return at + "/" + name, false
				}
			case !has && e.declared[name] && !e.shown[name]:
			case !has:
				return at + "/" + name, false
			default:
				if place, ok := e.find(v[name], got, at+"/"+name); !ok {
					return place, false
				}
			}
		}
	case []any:
		other, ok := received.([]any)
		for i := range v {
			if ok && !slices.ContainsFunc(other, func(item any) bool { _, same := e.find(v[i], item, ""); return same && kindOf(item) == kindOf(v[i]) }) {
				return fmt.Sprintf("%s/%d", at, i), false
			}
		}
	default:
		if kindOf(sent) == kindOf(received) && sent != received && !sameTime(sent, received) {
			return at, false
		}
	}
	return "", true
}

// sameTime reports whether two texts are the same time.
func sameTime(a, b any) bool {
	one, isText := a.(string)
	two, areTexts := b.(string)
	if !isText || !areTexts {
		return false
	}
	first, err := time.Parse(time.RFC3339, one)
	second, err2 := time.Parse(time.RFC3339, two)
	return err == nil && err2 == nil && first.Equal(second)
}

// delete deletes what was created, and if full tries what the deletion has to have done.
func (p *probe) delete(at place, full bool) error {
	q := p.request(at)
	q.retry = true
	gone := p.as(checkDeletions)
	keyed := full && p.selected.has(checkIdempotency, p.ID) && slices.Contains(p.Parameters("header"), "Idempotency-Key")
	full = full && p.selected.has(checkDeletions, p.ID)
	read, readable := p.read(q.path)
	if full && readable {
		if _, err := gone.send(read); err != nil {
			return err
		}
	}
	if keyed {
		q.header = http.Header{"Idempotency-Key": {rand.Text()}}
	}
	got, err := p.send(q)
	if err != nil || !p.wantSuccess(q, got) {
		return err
	}
	p.learn(p.target, at, got.body)
	if keyed {
		if err := p.as(checkIdempotency).repeat(q, got, nil); err != nil {
			return err
		}
		q.header = nil
	}
	if !full {
		return nil
	}
	if readable {
		if err := gone.refuse(read, "it was deleted before", "", http.StatusNotFound); err != nil {
			return err
		}
	}
	if content, ok := p.read(q.path + "/content"); ok {
		statuses := []int{http.StatusNotFound}
		if slices.Contains(content.op.Statuses, http.StatusGone) {
			statuses = []int{http.StatusGone}
		}
		if err := gone.refuse(content, "it was deleted before", "", statuses...); err != nil {
			return err
		}
	}
	collection := q.path[:strings.LastIndexByte(q.path, '/')]
	id, _ := url.PathUnescape(lastSegment(q.path))
	if ids, err := gone.listed(collection); err != nil {
		return err
	} else if slices.Contains(ids, id) {
		list, _ := p.read(collection)
		gone.note(list, &reply{status: http.StatusOK}, "/data", "it has what was deleted before")
	}
	q.retry = false
	return gone.refuse(q, "it was deleted before", "", http.StatusNotFound)
}

// archives examines what archiving has done.
func (p *probe) archives() error {
	if len(p.places) == 0 {
		return nil
	}
	at := p.places[0]
	item := strings.TrimSuffix(at.fill(p.Path), "/archive")
	template := strings.TrimSuffix(p.Path, "/archive")
	if read, ok := p.read(item); ok {
		got, err := p.send(read)
		if err != nil {
			return err
		}
		var sent struct {
			ArchivedAt *string `json:"archived_at"`
		}
		if p.want(read, got, "what was archived is readable", http.StatusOK) && json.Unmarshal(got.body, &sent) == nil && sent.ArchivedAt == nil && read.op.Success().Declares("archived_at") {
			p.note(read, got, "/archived_at", "it is missing although the record was archived")
		}
	}
	collection := item[:strings.LastIndexByte(item, '/')]
	id, _ := url.PathUnescape(lastSegment(item))
	if list, ok := p.read(collection); ok && slices.Contains(list.op.Parameters("query"), "include_archived") {
		for _, include := range []string{"", "true"} {
			list.query = longest(list.op)
			if include != "" {
				list.query.Set("include_archived", include)
			}
			got, err := p.send(list)
			if err != nil {
				return err
			}
			if has := slices.Contains(idsIn(got.body), id); got.ok() && has != (include != "") {
				p.note(list, got, "/data", map[bool]string{true: "it has what was archived before", false: "it lacks what was archived before"}[has])
			}
		}
	}
	for _, s := range plan {
		op := p.run.target(s)
		child, below := strings.CutPrefix(op.Path, template)
		if !below || strings.Count(child, "/") > 1 || strings.Contains(child, "{") || !takesBody(op) || op.holds == "key_id" { // its sessions continue, and workers need keys
			continue
		}
		change := request{op: op.Operation, method: op.Method, path: item + child, body: p.bodiesOf(op)[0].data, media: "application/json"}
		if err := p.refuse(change, "what was archived cannot be changed", "", http.StatusConflict); err != nil {
			return err
		}
	}
	return nil
}

// repeats sends an action without a body again.
func (p *probe) repeats() error {
	if len(p.places) == 0 {
		return nil
	}
	q := p.request(p.places[0])
	read, readable := p.read(q.path[:strings.LastIndexByte(q.path, '/')])
	var before *reply
	var err error
	if readable {
		if before, err = p.send(read); err != nil {
			return err
		}
	}
	got, err := p.send(q)
	if err != nil {
		return err
	}
	if !got.ok() {
		p.want(q, got, "the action was taken before", http.StatusOK, http.StatusConflict, http.StatusPreconditionFailed)
		return nil
	}
	p.passed(p.check, p.ID)
	var was, is map[string]any
	if !readable || !before.ok() || json.Unmarshal(before.body, &was) != nil || was["id"] != any(createdID(got.body)) {
		return nil // a heartbeat, for example, whose response is not the record, has an effect each time
	}
	after, err := p.send(read)
	if err != nil || !after.ok() || json.Unmarshal(after.body, &is) != nil {
		return err
	}
	if at, same := within(was, is); !same {
		p.note(read, after, at, "the action was taken before, and taking it again has changed this")
	}
	return nil
}
