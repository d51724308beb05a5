package server_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
)

// thing is what the model knows of an agent, an environment or a session.
type thing struct {
	id, name          string
	version           int // of an agent
	archived, deleted bool
	agent, env        *thing   // of a session
	snapshot          string   // the name of a session's agent when it was created
	names             []string // an agent's name in each version
}

// model is the API in its simplest form.
type model struct {
	t            *testing.T
	h            *harness
	random       *rand.Rand
	things       map[string][]*thing // by the name of their list: agents, environments, sessions
	operations   int
	seenStatuses map[string]bool
}

// TestRandomOperationsAgreeWithAModel runs 3,000 random operations on a database on disk and on a model
// in memory, and compares every response.
func TestRandomOperationsAgreeWithAModel(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	m := &model{t: t, h: h, random: rand.New(rand.NewPCG(20261124, 1)), things: map[string][]*thing{}, seenStatuses: map[string]bool{}}
	m.things["agents"] = []*thing{{id: h.agent, name: "a", version: 1, names: []string{"a"}}}
	m.things["environments"] = []*thing{{id: h.environment, name: "e"}}
	for m.operations < 2_000 && !t.Failed() {
		m.h.clock.advance(time.Microsecond)
		m.step()
	}
	for _, want := range []string{"create 201", "create 400", "create 404", "get 200", "get 404", "update 200", "update 404", "update 409", "archive 200", "archive 409", "delete 200", "delete 404", "delete 409", "list 200"} {
		if !m.seenStatuses[want] {
			t.Errorf("no operation met %s", want)
		}
	}
}

func (m *model) step() {
	kind := []string{"agents", "environments", "sessions", "sessions"}[m.random.IntN(4)]
	switch n := m.random.IntN(100); {
	case n < 25:
		m.create(kind)
	case n < 45:
		m.get(kind)
	case n < 65:
		m.update(kind)
	case n < 73:
		m.archive(kind)
	case n < 81:
		m.remove(kind)
	default:
		m.list(kind)
	}
}

// call sends a request and checks its status; fields are what a successful response must hold.
func (m *model) call(name string, r request, status int, fields map[string]any) answer {
	m.operations++
	got := m.h.do(r)
	m.seenStatuses[fmt.Sprintf("%s %d", name, status)] = true
	if got.status != status {
		m.t.Fatalf("operation %d: %s %s %s: %d, the model says %d: %s", m.operations, r.method, r.path, r.body, got.status, status, got.body)
	}
	if status < 300 {
		for field, want := range fields {
			if diff := cmp.Diff(want, got.field(field)); diff != "" {
				m.t.Fatalf("operation %d: %s %s %s: %s: %s", m.operations, r.method, r.path, r.body, field, diff)
			}
		}
	}
	return got
}

// pick returns something of a kind, deleted and archived ones included, most often a recent one.
func (m *model) pick(kind string) *thing {
	all := m.things[kind]
	if len(all) == 0 {
		return &thing{id: map[string]string{"agents": "agent_0", "environments": "env_0", "sessions": "sess_0"}[kind], deleted: true}
	}
	recent := all[max(0, len(all)-10):]
	return recent[m.random.IntN(len(recent))]
}

func (m *model) create(kind string) {
	fresh := &thing{name: fmt.Sprint("n", m.operations), version: 1}
	fresh.names = []string{fresh.name}
	body, status := "", 201
	fields := map[string]any{"name": fresh.name}
	switch kind {
	case "agents":
		body = fmt.Sprintf(`{"name":%q,"model":"m"}`, fresh.name)
	case "environments":
		body = fmt.Sprintf(`{"name":%q,"config":{"type":"cloud"}}`, fresh.name)
	case "sessions":
		fresh.agent, fresh.env = m.pick("agents"), m.pick("environments")
		fresh.snapshot = fresh.agent.name
		agent := fmt.Sprintf("%q", fresh.agent.id)
		if n := len(fresh.agent.names); n > 0 && m.random.IntN(3) == 0 {
			version := 1 + m.random.IntN(n)
			agent = fmt.Sprintf(`{"id":%q,"version":%d}`, fresh.agent.id, version)
			fresh.snapshot = fresh.agent.names[version-1]
		}
		body = fmt.Sprintf(`{"agent":%s,"environment_id":%q,"title":%q}`, agent, fresh.env.id, fresh.name)
		fields = map[string]any{"title": fresh.name, "environment_id": fresh.env.id}
		switch {
		case fresh.agent.deleted:
			status = 404
		case fresh.agent.archived:
			status = 400
		case fresh.env.deleted:
			status = 404
		case fresh.env.archived:
			status = 400
		}
	}
	got := m.call("create", request{method: "POST", path: "/" + kind, body: body}, status, fields)
	if status == 201 {
		fresh.id = got.field("id").(string)
		m.things[kind] = append(m.things[kind], fresh)
	}
}

// fields are what a response holds of something.
func (x *thing) fields(kind string) map[string]any {
	if kind == "sessions" {
		return map[string]any{"id": x.id, "title": x.name, "environment_id": x.env.id, "agent_id": x.agent.id}
	}
	fields := map[string]any{"id": x.id, "name": x.name}
	if kind == "agents" {
		fields["version"] = float64(x.version)
	}
	return fields
}

func (m *model) get(kind string) {
	x := m.pick(kind)
	if x.deleted {
		m.call("get", request{method: "GET", path: "/" + kind + "/" + x.id}, 404, nil)
		return
	}
	got := m.call("get", request{method: "GET", path: "/" + kind + "/" + x.id}, 200, x.fields(kind))
	if (got.field("archived_at") != nil) != x.archived {
		m.t.Fatalf("%s: archived_at %v, the model says %t", x.id, got.field("archived_at"), x.archived)
	}
	if kind == "sessions" && got.field("agent", "name") != x.snapshot {
		m.t.Fatalf("%s: agent %v, the model says %q", x.id, got.field("agent", "name"), x.snapshot)
	}
	if kind == "agents" {
		version := 1 + m.random.IntN(len(x.names))
		m.call("get", request{method: "GET", path: fmt.Sprintf("/agents/%s?version=%d", x.id, version)}, 200, map[string]any{"name": x.names[version-1]})
	}
}

func (m *model) update(kind string) {
	x, name := m.pick(kind), fmt.Sprint("u", m.operations)
	body := fmt.Sprintf(`{"name":%q}`, name)
	status := 200
	switch {
	case x.deleted:
		status = 404
	case x.archived:
		status = 409
	}
	switch kind {
	case "agents":
		based := max(1, x.version-m.random.IntN(2))
		if status == 200 && based != x.version {
			status = 409
		}
		body = fmt.Sprintf(`{"name":%q,"version":%d}`, name, based)
	case "sessions":
		body = fmt.Sprintf(`{"title":%q}`, name)
	}
	method := "POST"
	if kind != "sessions" && m.random.IntN(2) == 0 {
		method = "PUT"
	}
	if status == 200 {
		x.name = name
		if kind == "agents" {
			x.version++
			x.names = append(x.names, name)
		}
	}
	var fields map[string]any
	if status == 200 {
		fields = x.fields(kind)
	}
	m.call("update", request{method: method, path: "/" + kind + "/" + x.id, body: body}, status, fields)
}

func (m *model) archive(kind string) {
	x, status := m.pick(kind), 200
	switch {
	case x.deleted:
		status = 404
	case x.archived && kind == "environments":
		status = 409
	}
	m.call("archive", request{method: "POST", path: "/" + kind + "/" + x.id + "/archive"}, status, map[string]any{"id": x.id})
	x.archived = x.archived || status == 200
}

func (m *model) remove(kind string) {
	x, status := m.pick(kind), 200
	inUse := slices.ContainsFunc(m.things["sessions"], func(s *thing) bool { return s.env == x && !s.deleted })
	switch {
	case x.deleted:
		status = 404
	case inUse:
		status = 409
	}
	m.call("delete", request{method: "DELETE", path: "/" + kind + "/" + x.id}, status, map[string]any{"id": x.id})
	x.deleted = x.deleted || status == 200
}

// list asks for a page with random options, from the beginning or next to a random row, which may have
// been deleted.
func (m *model) list(kind string) {
	limit, ascending, withArchived := 1+m.random.IntN(7), m.random.IntN(2) == 0, m.random.IntN(2) == 0
	order := slices.Clone(m.things[kind])
	path := fmt.Sprintf("/%s?limit=%d&include_archived=%t&order=desc", kind, limit, withArchived)
	if ascending {
		path = fmt.Sprintf("/%s?limit=%d&include_archived=%t&order=asc", kind, limit, withArchived)
	} else {
		slices.Reverse(order)
	}
	backward := false
	if at := m.random.IntN(len(order) + 1); at < len(order) && m.random.IntN(3) > 0 {
		cursor := []string{"after_id", "before_id", "page"}[m.random.IntN(3)]
		path += "&" + cursor + "=" + order[at].id
		if backward = cursor == "before_id"; backward {
			order = order[:at]
		} else {
			order = order[at+1:]
		}
	}
	if kind == "sessions" && m.random.IntN(3) == 0 {
		agent := m.pick("agents")
		path += "&agent_id=" + agent.id
		order = slices.DeleteFunc(order, func(x *thing) bool { return x.agent != agent })
	}
	order = slices.DeleteFunc(order, func(x *thing) bool { return x.deleted || x.archived && !withArchived })
	hasMore := len(order) > limit
	if backward {
		order = order[max(0, len(order)-limit):]
	} else {
		order = order[:min(limit, len(order))]
	}
	want := []string{}
	for _, x := range order {
		want = append(want, x.id)
	}
	got := m.call("list", request{method: "GET", path: path}, 200, map[string]any{"has_more": hasMore})
	if diff := cmp.Diff(want, got.ids()); diff != "" {
		m.t.Fatalf("operation %d: GET %s: %s", m.operations, path, diff)
	}
}
