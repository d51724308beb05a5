package api

import (
	"fmt"
	"iter"
	"regexp"
	"regexp/syntax"
	"slices"
	"strconv"
	"strings"
)

// object is one JSON object of the document.
type object = map[string]any

// rule is a house rule of the contract. check returns a finding for every place that violates it: the place,
// what is wrong and, where it is not obvious, why or what to write.
type rule struct {
	name  string
	check func(doc object) []string
}

// rules are the house rules. For each of them, mutations has at least one that it must find.
var rules = []rule{
	{"the version is 3.0.x", versionRule},
	{"every operation is named, tagged and described", operationRule},
	{"errors are listed one by one, all with the one Error schema", errorRule},
	{"every response declares X-Request-Id", requestIDRule},
	{"every write is idempotent", idempotencyRule},
	{"objects are closed", closedRule},
	{"strings are bounded", stringRule},
	{"patterns are anchored, compile and say what they mean", patternRule},
	{"arrays are bounded", arrayRule},
	{"numbers are bounded", numberRule},
	{"ids are patterns", idRule},
	{"formats are known", formatRule},
	{"unions can be told apart", unionRule},
	{"everything is described", descriptionRule},
	{"everything has an example", exampleRule},
	{"each path shape names its parameters once", pathRule},
	{"security is never overridden", securityRule},
	{"keywords are known", keywordRule},
}

// freeForm are the component schemas that may hold any properties.
var freeForm = []string{"JSONSchema", "ToolInput"}

// unsecured are the operations that may override the security of the document.
var unsecured = []string{}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func versionRule(doc object) (findings []string) {
	if v := text(doc, "openapi"); !regexp.MustCompile(`^3\.0\.\d+$`).MatchString(v) {
		findings = append(findings, fmt.Sprintf("openapi: %q is not 3.0.x", v))
	}
	return findings
}

func operationRule(doc object) (findings []string) {
	var declared []string
	for _, tag := range list(doc, "tags") {
		declared = append(declared, text(tag.(object), "name"))
	}
	seen := map[string]string{}
	for at, op := range operations(doc) {
		id := text(op, "operationId")
		if !regexp.MustCompile(`^[a-z]+([A-Z][a-z0-9]*)*$`).MatchString(id) {
			findings = append(findings, fmt.Sprintf("%s: operationId %q is not camelCase: it becomes the name of a Go method", at, id))
		}
		if other, ok := seen[id]; ok {
			findings = append(findings, fmt.Sprintf("%s: operationId %q is used by %s as well", at, id, other))
		}
		seen[id] = at
		tags := list(op, "tags")
		if len(tags) != 1 {
			findings = append(findings, fmt.Sprintf("%s: has %d tags; give it exactly one: the tag names the file of its handler", at, len(tags)))
		}
		for _, tag := range tags {
			if !slices.Contains(declared, tag.(string)) {
				findings = append(findings, fmt.Sprintf("%s: tag %q is not declared; add it to the document's tags", at, tag))
			}
		}
		for _, key := range []string{"summary", "description"} {
			if strings.TrimSpace(text(op, key)) == "" {
				findings = append(findings, fmt.Sprintf("%s: no %s: it becomes documentation of the client and help of the command line", at, key))
			}
		}
	}
	return findings
}

func errorRule(doc object) (findings []string) {
	for at, op := range operations(doc) {
		responses := child(op, "responses")
		expected := object{"400": "a parameter or the body is invalid", "401": "the token is missing or invalid", "500": "the server failed"}
		if strings.Contains(at, "{") {
			expected["404"] = "the resource in the path does not exist"
		}
		if op["requestBody"] != nil {
			expected["415"] = "the body is compressed"
		}
		for status, reason := range sorted(expected) {
			if responses[status] == nil {
				findings = append(findings, fmt.Sprintf("%s: no response %s (%s)", at, status, reason))
			}
		}
		successes := 0
		for status, response := range sorted(responses) {
			code, err := strconv.Atoi(status)
			switch {
			case err != nil:
				findings = append(findings, fmt.Sprintf("%s: response %q is not a single status; list each status", at, status))
			case code < 400:
				successes++
			default:
				for media, content := range sorted(child(resolve(doc, response), "content")) {
					if media != "application/json" || text(child(content.(object), "schema"), "$ref") != "#/components/schemas/Error" {
						findings = append(findings, fmt.Sprintf("%s: response %s is not application/json with the schema Error", at, status))
					}
				}
				if len(child(resolve(doc, response), "content")) == 0 {
					findings = append(findings, fmt.Sprintf("%s: response %s has no content; refer to one of components/responses", at, status))
				}
			}
		}
		if successes == 0 {
			findings = append(findings, fmt.Sprintf("%s: no response below 400", at))
		}
	}
	return findings
}

func requestIDRule(doc object) (findings []string) {
	for at, response := range responses(doc) {
		header := resolve(doc, child(response, "headers")["X-Request-Id"])
		if header == nil || header["required"] != true {
			findings = append(findings, fmt.Sprintf("%s: no required header X-Request-Id; refer to components/headers/RequestId", at))
		}
	}
	return findings
}

func idempotencyRule(doc object) (findings []string) {
	for at, op := range operations(doc) {
		switch method, _, _ := strings.Cut(at, " "); method {
		case "GET", "HEAD", "OPTIONS":
			continue
		}
		var headers []string
		for _, parameter := range list(op, "parameters") {
			if p := resolve(doc, parameter); text(p, "in") == "header" {
				headers = append(headers, text(p, "name"))
			}
		}
		for _, name := range []string{"Idempotency-Key", "X-Idempotency-Key"} {
			if !slices.Contains(headers, name) {
				findings = append(findings, fmt.Sprintf("%s: no header parameter %s: a write can be repeated safely; refer to components/parameters", at, name))
			}
		}
		responses := child(op, "responses")
		if responses["409"] == nil {
			findings = append(findings, fmt.Sprintf("%s: no response 409 (the idempotency key was used for another request)", at))
		}
		for status, response := range sorted(responses) {
			if status < "300" && child(resolve(doc, response), "headers")["Idempotent-Replayed"] == nil {
				findings = append(findings, fmt.Sprintf("%s: response %s has no header Idempotent-Replayed, which marks a repeated response", at, status))
			}
		}
	}
	return findings
}

func closedRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		if text(s, "type") != "object" {
			continue
		}
		switch additional := s["additionalProperties"].(type) {
		case bool:
			if additional && !slices.Contains(freeForm, strings.TrimPrefix(at, "#/components/schemas/")) {
				findings = append(findings, fmt.Sprintf("%s: additionalProperties is true; only %s may be open", at, strings.Join(freeForm, " and ")))
			}
			if additional && s["maxProperties"] == nil {
				findings = append(findings, fmt.Sprintf("%s: an open object without maxProperties", at))
			}
		case object:
			if s["maxProperties"] == nil {
				findings = append(findings, fmt.Sprintf("%s: a map without maxProperties", at))
			}
			if child(s, "x-property-names")["maxLength"] == nil {
				findings = append(findings, fmt.Sprintf("%s: a map without x-property-names and its maxLength", at))
			}
		default:
			findings = append(findings, fmt.Sprintf("%s: no additionalProperties; write additionalProperties: false", at))
		}
		for _, name := range list(s, "required") {
			if child(s, "properties")[name.(string)] == nil {
				findings = append(findings, fmt.Sprintf("%s: requires %q, which is not a property", at, name))
			}
		}
	}
	return findings
}

func stringRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		if text(s, "type") == "string" && s["maxLength"] == nil && s["enum"] == nil && s["pattern"] == nil && text(s, "format") != "binary" {
			findings = append(findings, fmt.Sprintf("%s: a string without maxLength, enum or pattern: whatever a caller can send is bounded", at))
		}
	}
	return findings
}

func patternRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		if (s["pattern"] == nil) != (text(s, "x-pattern-description") == "") {
			findings = append(findings, fmt.Sprintf("%s: pattern and x-pattern-description need each other: the description ends the sentence of an error", at))
		}
		if s["pattern"] == nil {
			continue
		}
		re, err := syntax.Parse(text(s, "pattern"), syntax.Perl)
		if err != nil {
			findings = append(findings, fmt.Sprintf("%s: %v", at, err))
			continue
		}
		if re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
			findings = append(findings, fmt.Sprintf("%s: pattern %s is not anchored at both ends", at, s["pattern"]))
		}
	}
	return findings
}

func arrayRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		if text(s, "type") == "array" && (s["maxItems"] == nil || s["items"] == nil) {
			findings = append(findings, fmt.Sprintf("%s: an array without maxItems or items: whatever a caller can send is bounded", at))
		}
	}
	return findings
}

func numberRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		if t := text(s, "type"); t != "integer" && t != "number" {
			continue
		}
		if s["minimum"] == nil || s["maximum"] == nil || s["format"] == nil {
			findings = append(findings, fmt.Sprintf("%s: a number without minimum, maximum or format", at))
		}
	}
	return findings
}

func idRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		if text(s, "format") == "uuid" {
			findings = append(findings, fmt.Sprintf("%s: format uuid; ids are patterns with a prefix", at))
		}
		for name, property := range sorted(child(s, "properties")) {
			p := resolve(doc, property)
			if strings.HasSuffix(name, "_ids") {
				p = resolve(doc, p["items"])
			} else if name != "id" && !strings.HasSuffix(name, "_id") {
				continue
			}
			if text(p, "pattern") == "" {
				findings = append(findings, fmt.Sprintf("%s/properties/%s: an id without a pattern", at, name))
			}
		}
	}
	return findings
}

func formatRule(doc object) (findings []string) {
	// Package contract validates these formats, or streams the bytes of a binary; a password may be any string. Any other would
	// not be checked.
	known := map[string][]string{"string": {"date-time", "binary", "password"}, "integer": {"int32", "int64"}, "number": {"double"}}
	for at, s := range schemas(doc) {
		if format := text(s, "format"); format != "" && !slices.Contains(known[text(s, "type")], format) {
			findings = append(findings, fmt.Sprintf("%s: format %s of a %s is not validated by package contract", at, format, text(s, "type")))
		}
	}
	return findings
}

func unionRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		variants := list(s, "oneOf")
		if len(variants) == 0 {
			if s["discriminator"] != nil {
				findings = append(findings, fmt.Sprintf("%s: a discriminator without oneOf", at))
			}
			continue
		}
		var refs, types []string
		for i, variant := range variants {
			ref := text(variant.(object), "$ref")
			if ref == "" {
				findings = append(findings, fmt.Sprintf("%s/oneOf/%d: not a $ref; a variant is a component schema, so that it has a Go type", at, i))
				continue
			}
			refs = append(refs, ref)
			types = append(types, text(resolve(doc, variant), "type"))
		}
		if s["discriminator"] == nil {
			slices.Sort(types)
			if text(s, "x-go-type") == "" || len(slices.Compact(types)) != len(variants) {
				findings = append(findings, fmt.Sprintf("%s: neither a discriminator nor an x-go-type over variants of different JSON types", at))
			}
			continue
		}
		by := text(child(s, "discriminator"), "propertyName")
		mapping := child(child(s, "discriminator"), "mapping")
		var mapped []string
		for value, target := range sorted(mapping) {
			mapped = append(mapped, target.(string))
			variant := resolve(doc, object{"$ref": target})
			enum := list(resolve(doc, child(variant, "properties")[by]), "enum")
			if len(enum) != 1 || enum[0] != value {
				findings = append(findings, fmt.Sprintf("%s: %s does not pin %s to %q", at, target, by, value))
			}
			if !slices.Contains(list(variant, "required"), any(by)) {
				findings = append(findings, fmt.Sprintf("%s: %s does not require %s", at, target, by))
			}
		}
		slices.Sort(refs)
		slices.Sort(mapped)
		if !slices.Equal(refs, mapped) {
			findings = append(findings, fmt.Sprintf("%s: the mapping does not cover each variant once", at))
		}
	}
	return findings
}

func descriptionRule(doc object) (findings []string) {
	for at, s := range schemas(doc) {
		bare := strings.HasSuffix(at, "/schema") || strings.HasSuffix(at, "/items") ||
			strings.HasSuffix(at, "/additionalProperties") || strings.HasSuffix(at, "/x-property-names")
		if !bare && strings.TrimSpace(text(s, "description")) == "" {
			findings = append(findings, fmt.Sprintf("%s: no description", at))
		}
	}
	for _, group := range []iter.Seq2[string, object]{parameters(doc), headers(doc)} {
		for at, o := range group {
			if strings.TrimSpace(text(o, "description")) == "" {
				findings = append(findings, fmt.Sprintf("%s: no description", at))
			}
		}
	}
	return findings
}

func exampleRule(doc object) (findings []string) {
	for name, s := range sorted(child(child(doc, "components"), "schemas")) {
		if _, ok := s.(object)["example"]; !ok {
			findings = append(findings, fmt.Sprintf("#/components/schemas/%s: no example", name))
		}
	}
	for _, group := range []iter.Seq2[string, object]{parameters(doc), headers(doc), contents(doc)} {
		for at, o := range group {
			if _, ok := o["example"]; !ok && len(child(o, "examples")) == 0 {
				findings = append(findings, fmt.Sprintf("%s: no example", at))
			}
		}
	}
	return findings
}

func pathRule(doc object) (findings []string) {
	parameter := regexp.MustCompile(`\{([^}]*)\}`)
	names := map[string]string{}
	for path := range sorted(child(doc, "paths")) {
		for _, at := range parameter.FindAllStringSubmatchIndex(path, -1) {
			shape := parameter.ReplaceAllString(path[:at[0]], "{}") + "{}"
			name := path[at[2]:at[3]]
			if other, ok := names[shape]; ok && other != name {
				findings = append(findings, fmt.Sprintf("%s: {%s} is called {%s} in another path", path, name, other))
			}
			names[shape] = name
		}
	}
	return findings
}

func securityRule(doc object) (findings []string) {
	if len(list(doc, "security")) == 0 {
		findings = append(findings, "#/security: the document has none")
	}
	for at, op := range operations(doc) {
		if _, overridden := op["security"]; overridden && !slices.Contains(unsecured, text(op, "operationId")) {
			findings = append(findings, fmt.Sprintf("%s: overrides the security of the document; only the operations in unsecured may", at))
		}
	}
	return findings
}

// generatorKeywords are those of the generators, oapi-codegen and clientgen, that name or choose Go types.
const generatorKeywords = " x-go-name x-go-field-names x-go-type x-go-type-name x-go-type-import " +
	"x-go-type-skip-optional-pointer x-omitzero x-omitempty x-go-error x-go-constants x-enum-varnames"

// keywords are those that something enforces or shows, by the kind of their object. Any other keyword would
// be a promise that nothing keeps.
var keywords = map[string]string{
	"document":  "openapi info servers tags security paths components x-request-limits",
	"operation": "operationId tags summary description parameters requestBody responses security x-go-handwritten x-go-alias x-no-head x-calls-out",
	"parameter": "name in required description schema example examples style explode" + generatorKeywords,
	"header":    "required description schema example",
	"response":  "description headers content",
	"content":   "schema example examples",
	"schema": "type format description example default nullable enum " +
		"minLength maxLength pattern x-pattern-description minimum maximum " +
		"properties required additionalProperties maxProperties minProperties x-property-names " +
		"items minItems maxItems uniqueItems oneOf discriminator x-max-bytes x-go-handwritten" + generatorKeywords,
}

func keywordRule(doc object) (findings []string) {
	for kind, group := range map[string]iter.Seq2[string, object]{
		"document":  func(yield func(string, object) bool) { yield("#", doc) },
		"operation": operations(doc),
		"parameter": parameters(doc),
		"header":    headers(doc),
		"response":  responses(doc),
		"content":   contents(doc),
		"schema":    schemas(doc),
	} {
		for at, o := range group {
			for key := range sorted(o) {
				if !slices.Contains(strings.Fields(keywords[kind]), key) {
					findings = append(findings, fmt.Sprintf("%s: unknown %s keyword %s: nothing would enforce it", at, kind, key))
				}
			}
		}
	}
	var references func(at string, value any)
	references = func(at string, value any) {
		switch v := value.(type) {
		case object:
			_, isReference := v["$ref"].(string)
			for key, next := range sorted(v) {
				if isReference && key != "$ref" {
					findings = append(findings, fmt.Sprintf("%s: keyword %s next to a $ref is ignored", at, key))
				}
				references(at+"/"+key, next)
			}
		case []any:
			for i, next := range v {
				references(fmt.Sprintf("%s/%d", at, i), next)
			}
		}
	}
	references("#", doc)
	return findings
}
