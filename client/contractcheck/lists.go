package contractcheck

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// The sizes of what is listed: how many records are created for it, how many a page has, and how many pages are read at most.
const (
	extraRecords = 3
	pageSize     = 2
	mostPages    = 100
)

// page is a page of a list.
type page struct {
	Data     []map[string]any `json:"data"`
	FirstID  any              `json:"first_id"`
	LastID   any              `json:"last_id"`
	NextPage any              `json:"next_page"`
	HasMore  bool             `json:"has_more"`
}

// keys returns what identifies the records in cursors: their ids or, in lists of the versions of one record, their versions.
func (l *page) keys() []string {
	name := "id"
	if len(l.Data) > 0 && text(l.FirstID) != text(l.Data[0]["id"]) && text(l.FirstID) == text(l.Data[0]["version"]) {
		name = "version"
	}
	keys := make([]string, len(l.Data))
	for i, rec := range l.Data {
		keys[i] = text(rec[name])
	}
	return keys
}

// text returns a text or a number as a parameter writes it.
func text(value any) string {
	if value == nil {
		return ""
	}
	if n, ok := value.(float64); ok {
		return fmt.Sprintf("%.0f", n)
	}
	return fmt.Sprint(value)
}

// page reads a page; nil if there is none.
func (p *probe) page(at place, query url.Values) (request, *reply, *page, error) {
	q := p.request(at)
	q.query, q.retry = query, true
	got, err := p.send(q)
	var l page
	if err != nil || !p.want(q, got, "", http.StatusOK) || json.Unmarshal(got.body, &l) != nil {
		return q, got, nil, err
	}
	return q, got, &l, nil
}

// creator returns the operation that creates the records of the list; ok is false if there is none, or the run only reads.
func (p *probe) creator() (op target, ok bool) {
	for _, s := range plan {
		if t := p.run.target(s); t.Path == p.Path && s.holds != "" && t.Method == http.MethodPost && !p.options.ReadOnly {
			return t, true
		}
	}
	return op, false
}

// extra creates n records more at a place and returns their ids, the earliest first: fewer if they cannot be created.
func (p *probe) extra(at place, n int) (ids []string, err error) {
	op, ok := p.creator()
	for range n {
		if !ok {
			break
		}
		id, err := p.create(op, at)
		if err != nil || id == "" {
			return ids, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// create creates a record by the first example, or with another text in it where two records cannot have the same.
func (p *probe) create(op target, at place) (string, error) {
	sender := &probe{run: p.run, target: op, check: p.check}
	first := p.bodiesOf(op)[0]
	bodies := append([][]byte{first.data}, sender.others(first.data)...)
	for i := p.varied[op.ID]; i < len(bodies); i++ {
		q := request{op: op.Operation, method: op.Method, path: at.fill(op.Path), body: bodies[i], media: first.media}
		sender.hide(op.Operation, bodies[i])
		got, err := p.send(q)
		if err != nil {
			return "", err
		}
		if got.ok() {
			p.varied[op.ID] = i
			return createdID(got.body), nil
		}
	}
	return "", nil
}

// paging reads a list page by page while records are created.
func (p *probe) paging() error {
	if len(p.places) == 0 {
		p.skip("nothing exists that it could read")
		return nil
	}
	at := p.places[0]
	mine, err := p.extra(at, extraRecords)
	if err != nil {
		return err
	}
	_, _, whole, err := p.page(at, longest(p.Operation))
	if err != nil || whole == nil {
		return err
	}
	if len(whole.Data) < 2 {
		p.skip("the list has fewer than two records")
		return nil
	}
	want := mine // in a list that others may have filled
	if !whole.HasMore {
		want = whole.keys()
	}
	if err := p.walk(at, want, len(mine) > 0); err != nil {
		return err
	}
	if err := p.backwards(at, whole); err != nil {
		return err
	}
	if err := p.twoCursors(at, whole); err != nil {
		return err
	}
	if err := p.deletedCursor(at, mine); err != nil {
		return err
	}
	return p.unknownCursor(at)
}

// twoCursors reads a page with cursors that exclude each other.
func (p *probe) twoCursors(at place, whole *page) error {
	names := p.Parameters("query")
	if !slices.Contains(names, "after_id") || !slices.Contains(names, "before_id") {
		return nil
	}
	q := p.request(at)
	q.query = url.Values{"after_id": {text(whole.FirstID)}, "before_id": {text(whole.LastID)}}
	return p.refuse(q, "after_id and before_id exclude each other", "", http.StatusBadRequest)
}

// deletedCursor reads the page after a record that was deleted meanwhile.
func (p *probe) deletedCursor(at place, mine []string) error {
	if len(mine) == 0 {
		return nil
	}
	path := at.fill(p.Path) + "/" + url.PathEscape(mine[0])
	op, _ := p.contract.Find(http.MethodDelete, path)
	if op == nil {
		return nil
	}
	if got, err := p.send(request{op: op, method: http.MethodDelete, path: path}); err != nil || !got.ok() {
		return err
	}
	q := p.request(at)
	q.query = url.Values{"after_id": {mine[0]}}
	got, err := p.send(q)
	if err == nil {
		p.want(q, got, "the id of a deleted record is still a cursor", http.StatusOK)
	}
	return err
}

// walk reads the list to its end, or until it has all that is wanted, and creates a record after the first page if grow.
func (p *probe) walk(at place, want []string, grow bool) error {
	size := min(pageSize, len(want)-1)
	query := url.Values{"limit": {fmt.Sprint(max(size, 1))}}
	seen := map[string]bool{}
	for n := range mostPages {
		q, got, l, err := p.page(at, query)
		if err != nil || l == nil {
			return err
		}
		keys := l.keys()
		p.cursors(q, got, l, keys, max(size, 1))
		for _, key := range keys {
			if seen[key] {
				p.note(q, got, "/data", "a record is on two pages")
			}
			seen[key] = true
		}
		missing := slices.ContainsFunc(want, func(key string) bool { return !seen[key] })
		switch {
		case !missing && (n > 0 || !l.HasMore):
			p.passed(p.check, p.ID)
			return nil
		case !l.HasMore || len(keys) == 0:
			p.note(q, got, "/data", "the pages lack a record that the list has")
			return nil
		}
		if n == 0 && grow {
			if _, err := p.extra(at, 1); err != nil {
				return err
			}
		}
		query.Del("page")
		query.Del("after_id")
		cursor := "after_id"
		if n%2 == 1 && l.NextPage != nil {
			cursor = "page" // both are used
		}
		query.Set(cursor, text(map[string]any{"after_id": l.LastID, "page": l.NextPage}[cursor]))
	}
	p.skip(fmt.Sprintf("the list has more than %d pages", mostPages))
	return nil
}

// cursors examines the fields of a page.
func (p *probe) cursors(q request, got *reply, l *page, keys []string, limit int) {
	switch {
	case len(keys) > limit:
		p.note(q, got, "/data", "the page has more records than its limit")
	case len(keys) > 0 && text(l.FirstID) != keys[0]:
		p.note(q, got, "/first_id", "it is not the id of the first record")
	case len(keys) > 0 && text(l.LastID) != keys[len(keys)-1]:
		p.note(q, got, "/last_id", "it is not the id of the last record")
	case l.HasMore != (l.NextPage != nil):
		p.note(q, got, "/next_page", "it is there although has_more is false, or the reverse")
	case len(keys) == 0 && l.HasMore:
		p.note(q, got, "/has_more", "it is true although the page is empty")
	}
}

// backwards reads the page before a record.
func (p *probe) backwards(at place, whole *page) error {
	if len(whole.Data) < 3 || !slices.Contains(p.Parameters("query"), "before_id") || whole.HasMore {
		return nil
	}
	keys := whole.keys()
	q, got, l, err := p.page(at, url.Values{"limit": {"1"}, "before_id": {keys[2]}})
	if err != nil || l == nil {
		return err
	}
	if found := l.keys(); len(found) != 1 || found[0] != keys[1] {
		p.note(q, got, "/data", "it is not the record before before_id")
	}
	return nil
}

// unknownCursor reads the page after a record that never was.
func (p *probe) unknownCursor(at place) error {
	for _, invalid := range p.InvalidParameters() {
		if invalid.Param == "after_id" && invalid.Rule == "pattern" { // a cursor that is an id
			q := p.request(at)
			q.query = url.Values{"after_id": {unknownCursor(p.target)}}
			return p.refuse(q, "no record has this id", "after_id", http.StatusBadRequest)
		}
	}
	return nil
}

// unknownCursor returns a well-formed cursor of a list, which names nothing.
func unknownCursor(op target) string {
	for _, q := range op.queries {
		if q.name == "after_id" {
			return q.values[0][:strings.IndexByte(q.values[0], '_')+1] + "0"
		}
	}
	return ""
}

// order reads a list in both orders.
func (p *probe) order() error {
	if !slices.Contains(p.Parameters("query"), "order") || len(p.places) == 0 {
		return nil
	}
	at := p.places[0]
	mine, err := p.extra(at, 2)
	if err != nil {
		return err
	}
	var firsts []string
	compared := false
	for _, order := range []string{"asc", "desc"} {
		query := longest(p.Operation)
		query.Set("order", order)
		q, got, l, err := p.page(at, query)
		if err != nil || l == nil {
			return err
		}
		sorted := slices.Clone(mine)
		if order == "desc" {
			slices.Reverse(sorted)
		}
		keys := l.keys()
		found := slices.DeleteFunc(slices.Clone(keys), func(key string) bool { return !slices.Contains(mine, key) })
		if len(found) == len(mine) && !slices.Equal(found, sorted) {
			p.note(q, got, "/data", "records that were created one after the other are not in the requested order")
		}
		times := fieldTimes(l, "created_at")
		if !slices.IsSortedFunc(times, func(a, b time.Time) int { return map[string]int{"asc": 1, "desc": -1}[order] * a.Compare(b) }) {
			p.note(q, got, "/data", "the records are not in the requested order of created_at")
		}
		if compared = compared || len(keys) > 1; len(keys) > 1 {
			firsts = append(firsts, keys[0])
		}
		if !l.HasMore && len(firsts) == 2 && firsts[0] == firsts[1] {
			p.note(q, got, "/data", "both orders begin with the same record")
		}
	}
	if !compared {
		p.skip("the list has fewer than two records")
		return nil
	}
	p.passed(p.check, p.ID)
	return nil
}

// fieldTimes returns the times in a field of the records that have it.
func fieldTimes(l *page, name string) (all []time.Time) {
	for _, rec := range l.Data {
		value, _ := rec[name].(string)
		if at, err := time.Parse(time.RFC3339, value); err == nil {
			all = append(all, at)
		}
	}
	return all
}

// filter is a query parameter that selects records by a field.
type filter struct {
	parameter, field string
	compare          string // gt, gte, lt or lte; "" for equal, "prefix" for a beginning
}

var byTime = regexp.MustCompile(`^(.+)\[(gt|gte|lt|lte)\]$`)

// filters returns the filters of a list, by the names of their parameters and the fields of its records.
func (p *probe) filtersOf(records []map[string]any) (all []filter) {
	has := func(name string) bool {
		return slices.ContainsFunc(records, func(rec map[string]any) bool { return kindOf(rec[name]) == "string" })
	}
	for _, name := range p.Parameters("query") {
		if match := byTime.FindStringSubmatch(name); match != nil {
			if has(match[1]) {
				all = append(all, filter{name, match[1], match[2]})
			}
			continue
		}
		plain := strings.TrimSuffix(name, "[]")
		forms := []string{plain}
		if plain != name {
			forms = append(forms, strings.TrimSuffix(plain, "s"), strings.TrimSuffix(plain, "es"))
		}
		if i := slices.IndexFunc(forms, has); i >= 0 {
			all = append(all, filter{name, forms[i], ""})
		} else if field, ok := strings.CutSuffix(plain, "_prefix"); ok && has(field) {
			all = append(all, filter{name, field, "prefix"})
		}
	}
	return all
}

// matches reports whether a record passes a filter.
func (f filter) matches(rec map[string]any, value string) bool {
	got, _ := rec[f.field].(string)
	switch f.compare {
	case "":
		return got == value
	case "prefix":
		return strings.HasPrefix(got, value)
	}
	at, err := time.Parse(time.RFC3339, got)
	than, err2 := time.Parse(time.RFC3339, value)
	if err != nil || err2 != nil {
		return false
	}
	c := at.Compare(than)
	return map[string]bool{"gt": c > 0, "gte": c >= 0, "lt": c < 0, "lte": c <= 0}[f.compare]
}

// filters tries each filter of a list with values that the records have, and with one that they do not have.
func (p *probe) filters() error {
	if len(p.places) == 0 {
		p.skip("nothing exists that it could read")
		return nil
	}
	at := p.places[0]
	if _, err := p.extra(at, 2); err != nil {
		return err
	}
	_, _, whole, err := p.page(at, longest(p.Operation))
	if err != nil || whole == nil {
		return err
	}
	filters := p.filtersOf(whole.Data)
	if len(filters) == 0 {
		p.skip("the list has no filter whose field its records have")
		return nil
	}
	for _, f := range filters {
		for _, value := range p.valuesOf(f, whole.Data) {
			if err := p.filtered(at, f, value, whole); err != nil {
				return err
			}
		}
	}
	return nil
}

// valuesOf returns values for a filter: the first and the last in the records, and one that none has.
func (p *probe) valuesOf(f filter, records []map[string]any) (values []string) {
	for _, rec := range []map[string]any{records[0], records[len(records)/2], records[len(records)-1]} {
		if value, ok := rec[f.field].(string); ok && value != "" && !slices.Contains(values, value) {
			values = append(values, value)
		}
	}
	if f.compare != "" {
		return values
	}
	schema := p.Parameter(f.parameter)
	for _, other := range slices.Concat(schema.Values(), []string{unknownValue(values)}) {
		if !slices.Contains(values, other) && schema.Accepts(other) {
			return append(values, other)
		}
	}
	return values
}

// unknownValue returns a value of the form of others, which no record has.
func unknownValue(values []string) string {
	if len(values) > 0 {
		if i := strings.IndexByte(values[0], '_'); i > 0 {
			return values[0][:i+1] + "0"
		}
	}
	return "contract-check-unknown"
}

// filtered examines a filtered list.
func (p *probe) filtered(at place, f filter, value string, whole *page) error {
	query := longest(p.Operation)
	query.Set(f.parameter, value)
	q, got, l, err := p.page(at, query)
	if err != nil || l == nil {
		return err
	}
	keys := l.keys()
	for _, rec := range l.Data {
		if !f.matches(rec, value) {
			p.note(q, got, "/data", "a record does not match the filter "+f.parameter)
			return nil
		}
	}
	all := whole.keys()
	for i, rec := range whole.Data {
		if !whole.HasMore && f.matches(rec, value) && !slices.Contains(keys, all[i]) {
			p.note(q, got, "/data", "it lacks a record that matches the filter "+f.parameter)
			return nil
		}
	}
	p.passed(p.check, p.ID)
	return p.filteredPages(at, f, value, whole)
}

// filteredPages examines what follows the first record of a filtered list, by both names of the cursor, where the unfiltered
// list has records that do not match.
func (p *probe) filteredPages(at place, f filter, value string, whole *page) error {
	first := slices.IndexFunc(whole.Data, func(rec map[string]any) bool { return f.matches(rec, value) })
	if first < 0 || !slices.ContainsFunc(whole.Data[first:], func(rec map[string]any) bool { return !f.matches(rec, value) }) {
		return nil
	}
	query := url.Values{f.parameter: {value}, "limit": {"1"}}
	_, _, one, err := p.page(at, query)
	if err != nil || one == nil {
		return err
	}
	for name, cursor := range map[string]any{"after_id": one.LastID, "page": one.NextPage} {
		if cursor == nil || !slices.Contains(p.Parameters("query"), name) {
			continue
		}
		query := longest(p.Operation)
		query.Set(f.parameter, value)
		query.Set(name, text(cursor))
		q, got, l, err := p.page(at, query)
		if err != nil || l == nil {
			return err
		}
		if slices.ContainsFunc(l.Data, func(rec map[string]any) bool { return !f.matches(rec, value) }) {
			p.note(q, got, "/data", "after the cursor "+name+" a record does not match the filter "+f.parameter)
		}
	}
	return nil
}
