package api

import (
	"slices"
	"strings"
	"testing"
)

// mutation violates a rule in one place. The rule must then return a finding that contains at.
type mutation struct {
	rule string
	name string
	at   string
	do   func(doc object)
}

// A few places that the mutations change.
const (
	createPath  = "paths>/sessions>post"
	getPath     = "paths>/sessions/{session_id}>get"
	schemasPath = "components>schemas"
)

var mutations = []mutation{
	{"the version is 3.0.x", "3.1", "openapi", set("openapi", "3.1.0")},

	{"every operation is named, tagged and described", "no operationId", "POST /sessions", drop(createPath + ">operationId")},
	{"every operation is named, tagged and described", "capitals", "POST /sessions", set(createPath+">operationId", "CreateSession")},
	{"every operation is named, tagged and described", "underscores", "POST /sessions", set(createPath+">operationId", "create_session")},
	{"every operation is named, tagged and described", "the same id twice", "getSession", set(createPath+">operationId", "getSession")},
	{"every operation is named, tagged and described", "no tag", "POST /sessions", drop(createPath + ">tags")},
	{"every operation is named, tagged and described", "two tags", "POST /sessions", set(createPath+">tags", []any{"Sessions", "Agents"})},
	{"every operation is named, tagged and described", "an undeclared tag", "POST /sessions", set(createPath+">tags", []any{"Other"})},
	{"every operation is named, tagged and described", "no summary", "POST /sessions", drop(createPath + ">summary")},
	{"every operation is named, tagged and described", "no description", "POST /sessions", set(createPath+">description", " ")},

	{"errors are listed one by one, all with the one Error schema", "no 401", "POST /sessions", drop(createPath + ">responses>401")},
	{"errors are listed one by one, all with the one Error schema", "no 404", "GET /sessions/{session_id}", drop(getPath + ">responses>404")},
	{"errors are listed one by one, all with the one Error schema", "no 415", "POST /sessions", drop(createPath + ">responses>415")},
	{"errors are listed one by one, all with the one Error schema", "a default", "default", set(createPath+">responses>default", object{"$ref": "#/components/responses/InternalError"})},
	{"errors are listed one by one, all with the one Error schema", "a range", "4XX", set(createPath+">responses>4XX", object{"$ref": "#/components/responses/InvalidRequest"})},
	{"errors are listed one by one, all with the one Error schema", "another schema", "400", set("components>responses>InvalidRequest>content>application/json>schema", object{"type": "object"})},
	{"errors are listed one by one, all with the one Error schema", "another media type", "400", set("components>responses>InvalidRequest>content>text/plain", object{"schema": object{"$ref": "#/components/schemas/Error"}})},
	{"errors are listed one by one, all with the one Error schema", "no content", "400", drop("components>responses>InvalidRequest>content")},
	{"errors are listed one by one, all with the one Error schema", "no success", "POST /sessions", drop(createPath + ">responses>201")},

	{"every response declares X-Request-Id", "a success", "POST /sessions responses/201", drop(createPath + ">responses>201>headers>X-Request-Id")},
	{"every response declares X-Request-Id", "an error", "#/components/responses/NotFound", drop("components>responses>NotFound>headers")},
	{"every response declares X-Request-Id", "optional", "POST /sessions responses/201", set("components>headers>RequestId>required", false)},

	{"every write is idempotent", "no keys", "POST /sessions: no header parameter Idempotency-Key", drop(createPath + ">parameters")},
	{"every write is idempotent", "one key only", "no header parameter X-Idempotency-Key", set(createPath+">parameters", []any{object{"$ref": "#/components/parameters/IdempotencyKey"}})},
	{"every write is idempotent", "no 409", "POST /sessions: no response 409", drop(createPath + ">responses>409")},
	{"every write is idempotent", "a delete", "DELETE /sessions/{session_id}", set("paths>/sessions/{session_id}>delete", object{"responses": object{}})},
	{"every write is idempotent", "no replay header", "201", drop(createPath + ">responses>201>headers>Idempotent-Replayed")},

	{"objects are closed", "silent", "schemas/Session:", drop(schemasPath + ">Session>additionalProperties")},
	{"objects are closed", "open", "schemas/Session:", set(schemasPath+">Session>additionalProperties", true)},
	{"objects are closed", "nested", "schemas/Session/properties/x", set(schemasPath+">Session>properties>x", object{"type": "object"})},
	{"objects are closed", "a map with any keys", "schemas/Metadata", drop(schemasPath + ">Metadata>x-property-names")},
	{"objects are closed", "a map of any size", "schemas/Metadata", drop(schemasPath + ">Metadata>maxProperties")},
	{"objects are closed", "free form of any size", "schemas/JSONSchema", drop(schemasPath + ">JSONSchema>maxProperties")},
	{"objects are closed", "an unknown required property", "nothing", set(schemasPath+">Session>required", []any{"nothing"})},

	{"strings are bounded", "a property", "schemas/ErrorDetail/properties/message", drop(schemasPath + ">ErrorDetail>properties>message>maxLength")},
	{"strings are bounded", "a parameter", "parameters/Order", set("components>parameters>Order>schema", object{"type": "string"})},
	{"strings are bounded", "an item", "items", set(schemasPath+">VaultIDs>items", object{"type": "string"})},
	{"strings are bounded", "a map's value", "schemas/Metadata/additionalProperties", set(schemasPath+">Metadata>additionalProperties", object{"type": "string"})},

	{"patterns are anchored, compile and say what they mean", "no start", "schemas/AgentID", set(schemasPath+">AgentID>pattern", "agent_[0-9a-z]{1,64}$")},
	{"patterns are anchored, compile and say what they mean", "no end", "schemas/AgentID", set(schemasPath+">AgentID>pattern", "^agent_[0-9a-z]{1,64}")},
	{"patterns are anchored, compile and say what they mean", "alternatives", "schemas/AgentID", set(schemasPath+">AgentID>pattern", "^a|b$")},
	{"patterns are anchored, compile and say what they mean", "a look-ahead", "schemas/AgentID", set(schemasPath+">AgentID>pattern", "^(?!x)a$")},
	{"patterns are anchored, compile and say what they mean", "no words", "schemas/AgentID", drop(schemasPath + ">AgentID>x-pattern-description")},
	{"patterns are anchored, compile and say what they mean", "words alone", "schemas/AgentID", drop(schemasPath + ">AgentID>pattern")},
	{"patterns are anchored, compile and say what they mean", "a map's keys", "schemas/Metadata/x-property-names", set(schemasPath+">Metadata>x-property-names>pattern", "a")},

	{"arrays are bounded", "no maxItems", "schemas/VaultIDs", drop(schemasPath + ">VaultIDs>maxItems")},
	{"arrays are bounded", "no items", "schemas/VaultIDs", drop(schemasPath + ">VaultIDs>items")},

	{"numbers are bounded", "no minimum", "delta_flush_interval_ms", drop(schemasPath + ">CreateSessionRequest>properties>delta_flush_interval_ms>minimum")},
	{"numbers are bounded", "no maximum", "parameters/Limit", drop("components>parameters>Limit>schema>maximum")},
	{"numbers are bounded", "a fraction", "total_credits", drop(schemasPath + ">SessionUsage>properties>total_credits>maximum")},

	{"ids are patterns", "uuid", "schemas/RequestID", set(schemasPath+">RequestID>format", "uuid")},
	{"ids are patterns", "a plain string", "agent_id", set(schemasPath+">Session>properties>agent_id", object{"type": "string", "maxLength": 80.0})},
	{"ids are patterns", "a list of plain strings", "vault_ids", set(schemasPath+">VaultIDs>items", object{"type": "string", "maxLength": 80.0})},

	{"formats are known", "email", "schemas/Name", set(schemasPath+">Name>format", "email")},
	{"formats are known", "of another type", "schemas/Name", set(schemasPath+">Name>format", "int32")},

	{"unions can be told apart", "an inline variant", "schemas/MCPServer/oneOf/0", set(schemasPath+">MCPServer>oneOf", []any{object{"type": "object"}})},
	{"unions can be told apart", "no discriminator", "schemas/MCPServer", drop(schemasPath + ">MCPServer>discriminator")},
	{"unions can be told apart", "a value without its variant", "schemas/MCPServer", drop(schemasPath + ">MCPServer>discriminator>mapping>http")},
	{"unions can be told apart", "no mapping", "schemas/MCPServer", drop(schemasPath + ">MCPServer>discriminator>mapping")},
	{"unions can be told apart", "a variant of many values", "schemas/MCPServer", set(schemasPath+">MCPServerURL>properties>type>enum", []any{"url", "uri"})},
	{"unions can be told apart", "an optional discriminator", "schemas/MCPServer", set(schemasPath+">MCPServerURL>required", []any{"name", "url"})},
	{"unions can be told apart", "no Go type", "schemas/AgentRef", drop(schemasPath + ">AgentRef>x-go-type")},
	{"unions can be told apart", "two strings", "schemas/AgentRef", set(schemasPath+">AgentRef>oneOf", []any{object{"$ref": "#/components/schemas/AgentID"}, object{"$ref": "#/components/schemas/Name"}})},

	{"everything is described", "a schema", "schemas/Session:", drop(schemasPath + ">Session>description")},
	{"everything is described", "a property", "has_more", drop(schemasPath + ">SessionList>properties>has_more>description")},
	{"everything is described", "a parameter", "parameters/Limit", drop("components>parameters>Limit>description")},
	{"everything is described", "a header", "headers/RequestId", drop("components>headers>RequestId>description")},

	{"everything has an example", "a schema", "schemas/Session:", drop(schemasPath + ">Session>example")},
	{"everything has an example", "a request", "POST /sessions requestBody", drop(createPath + ">requestBody>content>application/json>examples")},
	{"everything has an example", "a response", "POST /sessions responses/201", set(createPath+">responses>201>content>application/json>examples", object{})},
	{"everything has an example", "a parameter", "parameters/Limit", drop("components>parameters>Limit>example")},
	{"everything has an example", "a header", "headers/RequestId", drop("components>headers>RequestId>example")},

	{"each path shape names its parameters once", "two names", "{id}", set("paths>/sessions/{id}/events", object{})},
	{"each path shape names its parameters once", "deeper down", "/sessions/{session_id}/a/{c}/d", func(doc object) {
		set("paths>/sessions/{session_id}/a/{b}", object{})(doc)
		set("paths>/sessions/{session_id}/a/{c}/d", object{})(doc)
	}},

	{"security is never overridden", "an open operation", "POST /sessions", set(createPath+">security", []any{})},
	{"security is never overridden", "none at all", "#/security", drop("security")},

	{"keywords are known", "of a schema", "unknown schema keyword not", set(schemasPath+">Session>not", object{})},
	{"keywords are known", "of a nested schema", "multipleOf", set(schemasPath+">SessionUsage>properties>total_credits>multipleOf", 2.0)},
	{"keywords are known", "an unknown extension", "unknown operation keyword x-other", set(createPath+">x-other", true)},
	{"keywords are known", "of a parameter", "allowReserved", set("components>parameters>Limit>allowReserved", true)},
	{"keywords are known", "of a header", "deprecated", set("components>headers>RequestId>deprecated", true)},
	{"keywords are known", "of a response", "links", set("components>responses>NotFound>links", object{})},
	{"keywords are known", "of a media type", "encoding", set(createPath+">requestBody>content>application/json>encoding", object{})},
	{"keywords are known", "of the document", "externalDocs", set("externalDocs", object{})},
	{"keywords are known", "next to $ref", "#/components/schemas/Session/properties/agent", set(schemasPath+">Session>properties>agent>description", "Ignored.")},
	{"keywords are known", "a generator's, misspelled", "x-go-nam", set(schemasPath+">Session>properties>agent>x-go-nam", "Snapshot")},
}

// TestRulesCanFail tests that each rule finds what its mutations break. What it finds in the document itself
// is the business of TestHouseRules.
func TestRulesCanFail(t *testing.T) {
	for _, r := range rules {
		if !slices.ContainsFunc(mutations, func(m mutation) bool { return m.rule == r.name }) {
			t.Errorf("rule %q has no mutation in mutations that it must find", r.name)
		}
	}
	original, known := tree(t), map[string][]string{} // what each rule finds in the original
	for _, r := range rules {
		known[r.name] = r.check(original)
	}
	for _, m := range mutations {
		t.Run(m.rule+"/"+m.name, func(t *testing.T) {
			i := slices.IndexFunc(rules, func(r rule) bool { return r.name == m.rule })
			if i < 0 {
				t.Fatal("no such rule")
			}
			doc := clone(original).(object)
			m.do(doc)
			added := slices.DeleteFunc(rules[i].check(doc), func(finding string) bool { return slices.Contains(known[m.rule], finding) })
			if !slices.ContainsFunc(added, func(finding string) bool { return strings.Contains(finding, m.at) }) {
				t.Errorf("no finding contains %q, of %q", m.at, added)
			}
		})
	}
}

// clone returns a deep copy of a JSON value.
func clone(value any) any {
	switch v := value.(type) {
	case object:
		copied := make(object, len(v))
		for name, of := range v {
			copied[name] = clone(of)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, of := range v {
			copied[i] = clone(of)
		}
		return copied
	}
	return value
}

// set and drop change the value at a path of keys, separated by ">". They panic when the path does not exist:
// the contract has changed and the mutation must follow.
func set(path string, value any) func(object) {
	return func(doc object) {
		o, key := walk(doc, path)
		o[key] = value
	}
}

func drop(path string) func(object) {
	return func(doc object) {
		o, key := walk(doc, path)
		if _, ok := o[key]; !ok {
			panic("nothing to drop at " + path)
		}
		delete(o, key)
	}
}

func walk(doc object, path string) (object, string) {
	steps := strings.Split(path, ">")
	for _, step := range steps[:len(steps)-1] {
		if doc = child(doc, step); doc == nil {
			panic("no " + step + " in " + path)
		}
	}
	return doc, steps[len(steps)-1]
}
