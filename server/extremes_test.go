package server_test

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"pgregory.net/rapid"

	"github.com/cloud-sessions/sessions/server/turn"
)

// TestNoStoredValueMakesAReadFail writes every extreme that the contract allows through each operation that stores
// something, and lets a runner report more than that; then every operation that reads it back succeeds. The harness
// validates each response.
func TestNoStoredValueMakesAReadFail(t *testing.T) {
	h := start(t, openGate, withRunner(extremeRunner()))
	schemas := map[string]*openapi3.Schema{}
	for _, o := range operations(t) {
		schemas[o.id] = o.body
	}
	stored := map[string]int{}
	files := extremeFiles(h.files(100))
	fewChecks(t)
	check := func(rt *rapid.T) {
		body := func(operation string, fixed map[string]any) string {
			value, _ := extreme(rt, schemas[operation], operation, 0).(map[string]any)
			for name, v := range fixed {
				if _, given := value[name]; given {
					value[name] = v
				}
			}
			text, err := json.Marshal(value)
			if err != nil {
				rt.Fatal(err)
			}
			return string(text)
		}
		send := func(operation, method, path, body string) answer {
			got := h.do(request{method: method, path: path, body: body})
			if got.status >= 500 {
				rt.Fatalf("%s: %d %.300s\nfor %.2000s", operation, got.status, got.body, body)
			}
			if got.status < 300 {
				stored[operation]++
			}
			return got
		}
		read := func(path string) answer {
			got := h.get(path)
			if got.status != 200 {
				rt.Fatalf("GET %s: %d %.300s", path, got.status, got.body)
			}
			return got
		}
		agent := h.mustCreate("/agents", `{"name":"a","model":"ultimate"}`)
		if got := send("createAgent", "POST", "/agents", body("createAgent", map[string]any{"default_environment": h.environment})); got.status == 201 {
			agent = got.field("id").(string)
		}
		send("updateAgent", "POST", "/agents/"+agent, body("updateAgent", map[string]any{"version": 1, "default_environment": h.environment}))
		environment := h.mustCreate("/environments", `{"name":"e","config":{"type":"cloud"}}`)
		if got := send("createEnvironment", "POST", "/environments", body("createEnvironment", nil)); got.status == 201 {
			environment = got.field("id").(string)
		}
		send("updateEnvironment", "POST", "/environments/"+environment, body("updateEnvironment", nil))
		session := h.session()
		if got := send("createSession", "POST", "/sessions", body("createSession", map[string]any{"agent": agent, "environment_id": environment, "resources": files})); got.status == 201 {
			session = "/sessions/" + got.field("id").(string)
		}
		send("updateSession", "POST", session, body("updateSession", nil))
		send("addSessionResources", "POST", session+"/resources", body("addSessionResources", nil))
		resources, err := json.Marshal(map[string]any{"resources": extremeFiles(h.files(2))})
		if err != nil {
			rt.Fatal(err)
		}
		send("addSessionResources", "POST", session+"/resources", string(resources))
		for range 2 {
			send("sendEvents", "POST", session+"/events", body("sendEvents", nil))
			h.settled(session)
		}
		for _, path := range []string{
			"/agents/" + agent, "/agents?limit=2", "/agents/" + agent + "/versions?limit=2", "/environments/" + environment,
			"/environments?limit=2", session, "/sessions?limit=2", session + "/events?limit=2", session + "/events?order=asc",
		} {
			read(path)
		}
		listed, _ := read(session + "/resources").field("data").([]any)
		for i := 0; i < len(listed); i += 1 + len(listed)/5 { // some of a hundred alike
			read(session + "/resources/" + listed[i].(map[string]any)["id"].(string))
		}
		if log := h.events(session); len(log) > 0 { // a stream has the same events
			last := log[len(log)-1]
			h.stream(session, "", nil).until(last.Event)
		}
		send("cancelSession", "POST", session+"/cancel", "")
		for _, path := range []string{"/agents/" + agent, "/environments/" + environment, session} {
			send("archive", "POST", path+"/archive", "")
			read(path)
		}
		send("deleteSession", "DELETE", session, "")
	}
	notStored := func(operation string) bool { return stored[operation] == 0 }
	storing := []string{
		"createAgent", "updateAgent", "createEnvironment", "updateEnvironment", "createSession", "updateSession", "addSessionResources", "sendEvents",
	}
	for range 4 { // by chance, half of the bodies are refused
		if rapid.Check(t, check); !slices.ContainsFunc(storing, notStored) {
			return
		}
	}
	t.Errorf("too little is stored: %v", stored)
}

// fewChecks makes rapid check 6 times unless a flag says otherwise: each check takes some tenths of a second.
func fewChecks(t *testing.T) {
	t.Helper()
	if checks := flag.Lookup("rapid.checks"); checks.Value.String() == checks.DefValue {
		if err := checks.Value.Set("6"); err != nil {
			t.Fatal(err)
		}
	}
}

// extremeRunner returns a runner that reports more than the contract allows.
func extremeRunner() turn.Runner {
	return answering(func(ctx context.Context, in turn.Input, out turn.Sink) (turn.Outcome, error) {
		many := 1000
		if strings.HasSuffix(in.SessionID, "0") { // some are enough
			many = 1_000_001
		}
		odd := "\x00\x01\x1b[31m\u0085\u2028\u202e\uFFFF<>&\xff\xed\xa0\x80"
		if err := out.Say(ctx, odd+strings.Repeat("\u2028", many/3)); err != nil {
			return "", err
		}
		for _, input := range []string{`{"a":"\ud800"}`, `{"a":1,"a":2}`, strings.Repeat(`{"a":`, 1000) + "1" + strings.Repeat("}", 1000), "[]", "\xff"} {
			if _, err := out.UseTool(ctx, odd, json.RawMessage(input), false); ctx.Err() != nil { // it may be refused, not stored and unreadable
				return "", err
			}
		}
		id, err := out.UseTool(ctx, odd, json.RawMessage(`{"\u0000":"<\ud83d\ude00\u2028","`+strings.Repeat("k", 1000)+`":[1e308,-1e-308,9007199254740993]}`), false)
		if err != nil {
			return "", err
		}
		if err := out.ToolResult(ctx, id, odd+strings.Repeat("<", many), true); err != nil {
			return "", err
		}
		most := int64(math.MaxInt64)
		out.Spend(turn.Usage{InputTokens: most, OutputTokens: -1, CacheReadInputTokens: most, CacheCreation5m: most, CacheCreation1h: most, CreditCents: most})
		return turn.EndTurn, nil
	})
}

// maxExtreme bounds the texts and lists that extreme draws, so that a check takes little time.
const maxExtreme = 3000

// extreme draws a value that a schema allows, most often at one of its bounds.
func extreme(t *rapid.T, s *openapi3.Schema, label string, depth int) any {
	if s.Nullable && oneIn(t, 6, label+" null") {
		return nil
	}
	if len(s.Enum) > 0 {
		return rapid.SampledFrom(s.Enum).Draw(t, label)
	}
	if choices := append(append(openapi3.SchemaRefs{}, s.OneOf...), s.AnyOf...); len(choices) > 0 {
		return extreme(t, rapid.SampledFrom(choices).Draw(t, label+" choice").Value, label, depth)
	}
	if len(s.AllOf) > 0 {
		return extreme(t, s.AllOf[0].Value, label, depth)
	}
	switch {
	case s.Type.Is(openapi3.TypeString):
		return extremeText(t, s, label)
	case s.Type.Is(openapi3.TypeInteger), s.Type.Is(openapi3.TypeNumber):
		least, most := -1e15, 1e15
		if s.Min != nil {
			least = *s.Min
		}
		if s.Max != nil {
			most = *s.Max
		}
		return rapid.SampledFrom([]float64{least, most, math.Floor((least + most) / 2)}).Draw(t, label)
	case s.Type.Is(openapi3.TypeBoolean):
		return rapid.Bool().Draw(t, label)
	case s.Type.Is(openapi3.TypeArray):
		most := uint64(3)
		if s.MaxItems != nil && depth < 3 && oneIn(t, 8, label+" full") {
			most = min(*s.MaxItems, 100)
		}
		list := []any{}
		for i := range rapid.SampledFrom([]uint64{s.MinItems, max(s.MinItems, 1), max(s.MinItems, most)}).Draw(t, label+" items") {
			list = append(list, extreme(t, s.Items.Value, fmt.Sprint(label, i), depth+1))
		}
		return list
	}
	return extremeObject(t, s, label, depth)
}

func extremeObject(t *rapid.T, s *openapi3.Schema, label string, depth int) any {
	object := map[string]any{}
	required := map[string]bool{}
	for _, name := range s.Required {
		required[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		if required[name] || depth < 6 && rapid.Bool().Draw(t, label+"."+name+"?") {
			object[name] = extreme(t, s.Properties[name].Value, label+"."+name, depth+1)
		}
	}
	if additional := s.AdditionalProperties.Schema; additional != nil && oneIn(t, 2, label+" additional") {
		most := uint64(2)
		if s.MaxProps != nil && oneIn(t, 4, label+" full") {
			most = min(*s.MaxProps, 64)
		}
		for i := range most {
			object[fmt.Sprintf("key_%d", i)] = extreme(t, additional.Value, fmt.Sprint(label, i), depth+1)
		}
	} else if has := s.AdditionalProperties.Has; has != nil && *has {
		object["free"] = rapid.SampledFrom([]any{nil, "\u0000\u2028\u202e<>&", 1e308, -5e-324, []any{}, map[string]any{"": map[string]any{"": nil}}, strings.Repeat("x", maxExtreme)}).Draw(t, label+" free")
	}
	return object
}

func extremeText(t *rapid.T, s *openapi3.Schema, label string) string {
	least, most := int(s.MinLength), maxExtreme
	if s.MaxLength != nil {
		most = int(min(*s.MaxLength, 1_000_000))
		if most > maxExtreme && !oneIn(t, 20, label+" full") {
			most = maxExtreme
		}
	}
	if s.Pattern != "" && s.Pattern != `^[^\x00]*$` {
		text := rapid.StringMatching(s.Pattern).Draw(t, label)
		for len(text) < least {
			text += text + "a"
		}
		return text
	}
	n := rapid.SampledFrom([]int{least, max(least, 1), most}).Draw(t, label+" length")
	return strings.Repeat(rapid.SampledFrom([]string{"a", "<", "\u2028", "\u202e", "\U0001F600", "\x7f", "\uFFFF", "\\", "\"", "\n", "\x1b", "\u0085", " "}).Draw(t, label), n)
}

func oneIn(t *rapid.T, n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == n }

// extremeFiles are resources with the longest paths that a request may have.
func extremeFiles(ids []string) (resources []any) {
	for _, id := range ids {
		path := "/" + id + strings.Repeat("\"", 511-len(id))
		resources = append(resources, map[string]any{"type": "file", "file_id": id, "mount_path": path})
	}
	return resources
}
