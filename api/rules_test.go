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

// rule is a house rule of the contract: check names every place that breaks it.
type rule struct {
	name  string
	check func(doc object) []string
}

// rules are the house rules. Every one has at least one mutation in mutations that it must catch.
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

// unsecured are the operations that may override the document's security.
var unsecured = []string{}

var methods = []string{"get", "put", "post", "delete", "options", "head", "patch", "trace"}

func versionRule(doc object) (faults []string) {
	if v := text(doc, "openapi"); !regexp.MustCompile(`^3\.0\.\d+$`).MatchString(v) {
		faults = append(faults, fmt.Sprintf("openapi: %q is not 3.0.x", v))
	}
	return faults
}

func operationRule(doc object) (faults []string) {
	var declared []string
	for _, tag := range list(doc, "tags") {
		declared = append(declared, text(tag.(object), "name"))
	}
	seen := map[string]string{}
	for at, op := range operations(doc) {
		id := text(op, "operationId")
		if !regexp.MustCompile(`^[a-z]+([A-Z][a-z0-9]*)*$`).MatchString(id) {
			faults = append(faults, fmt.Sprintf("%s: operationId %q is not camelCase", at, id))
		}
		if other, ok := seen[id]; ok {
			faults = append(faults, fmt.Sprintf("%s: operationId %q is also that of %s", at, id, other))
		}
		seen[id] = at
		tags := list(op, "tags")
		if len(tags) != 1 {
			faults = append(faults, fmt.Sprintf("%s: has %d tags, not one", at, len(tags)))
		}
		for _, tag := range tags {
			if !slices.Contains(declared, tag.(string)) {
				faults = append(faults, fmt.Sprintf("%s: tag %q is not declared", at, tag))
			}
		}
		for _, key := range []string{"summary", "description"} {
			if strings.TrimSpace(text(op, key)) == "" {
				faults = append(faults, fmt.Sprintf("%s: no %s", at, key))
			}
		}
	}
	return faults
}

func errorRule(doc object) (faults []string) {
	for at, op := range operations(doc) {
		responses := child(op, "responses")
		expected := []string{"400", "401", "500"}
		if strings.Contains(at, "{") {
			expected = append(expected, "404")
		}
		for _, status := range expected {
			if responses[status] == nil {
				faults = append(faults, fmt.Sprintf("%s: no response %s", at, status))
			}
		}
		successes := 0
		for status, response := range sorted(responses) {
			code, err := strconv.Atoi(status)
			switch {
			case err != nil:
				faults = append(faults, fmt.Sprintf("%s: response %q is not one status", at, status))
			case code < 400:
				successes++
			default:
				for media, content := range sorted(child(resolve(doc, response), "content")) {
					if media != "application/json" || text(child(content.(object), "schema"), "$ref") != "#/components/schemas/Error" {
						faults = append(faults, fmt.Sprintf("%s: response %s is not the Error schema as application/json", at, status))
					}
				}
				if len(child(resolve(doc, response), "content")) == 0 {
					faults = append(faults, fmt.Sprintf("%s: response %s has no content", at, status))
				}
			}
		}
		if successes == 0 {
			faults = append(faults, fmt.Sprintf("%s: no success response", at))
		}
	}
	return faults
}

func requestIDRule(doc object) (faults []string) {
	for at, response := range responses(doc) {
		header := resolve(doc, child(response, "headers")["X-Request-Id"])
		if header == nil || header["required"] != true {
			faults = append(faults, fmt.Sprintf("%s: no required header X-Request-Id", at))
		}
	}
	return faults
}

func idempotencyRule(doc object) (faults []string) {
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
				faults = append(faults, fmt.Sprintf("%s: no header parameter %s", at, name))
			}
		}
		responses := child(op, "responses")
		if responses["409"] == nil {
			faults = append(faults, fmt.Sprintf("%s: no response 409", at))
		}
		for status, response := range sorted(responses) {
			if status < "300" && child(resolve(doc, response), "headers")["Idempotent-Replayed"] == nil {
				faults = append(faults, fmt.Sprintf("%s: response %s has no header Idempotent-Replayed", at, status))
			}
		}
	}
	return faults
}

func closedRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		if text(s, "type") != "object" {
			continue
		}
		switch additional := s["additionalProperties"].(type) {
		case bool:
			if additional && !slices.Contains(freeForm, strings.TrimPrefix(at, "#/components/schemas/")) {
				faults = append(faults, fmt.Sprintf("%s: open to any property", at))
			}
			if additional && s["maxProperties"] == nil {
				faults = append(faults, fmt.Sprintf("%s: no maxProperties", at))
			}
		case object:
			if s["maxProperties"] == nil {
				faults = append(faults, fmt.Sprintf("%s: a map without maxProperties", at))
			}
			if child(s, "x-property-names")["maxLength"] == nil {
				faults = append(faults, fmt.Sprintf("%s: a map without x-property-names and its maxLength", at))
			}
		default:
			faults = append(faults, fmt.Sprintf("%s: no additionalProperties", at))
		}
		for _, name := range list(s, "required") {
			if child(s, "properties")[name.(string)] == nil {
				faults = append(faults, fmt.Sprintf("%s: requires %q, which is not a property", at, name))
			}
		}
	}
	return faults
}

func stringRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		if text(s, "type") == "string" && s["maxLength"] == nil && s["enum"] == nil && s["pattern"] == nil {
			faults = append(faults, fmt.Sprintf("%s: a string without maxLength, enum or pattern", at))
		}
	}
	return faults
}

func patternRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		if (s["pattern"] == nil) != (text(s, "x-pattern-description") == "") {
			faults = append(faults, fmt.Sprintf("%s: pattern and x-pattern-description come together", at))
		}
		if s["pattern"] == nil {
			continue
		}
		re, err := syntax.Parse(text(s, "pattern"), syntax.Perl)
		if err != nil {
			faults = append(faults, fmt.Sprintf("%s: %v", at, err))
			continue
		}
		if re.Op != syntax.OpConcat || re.Sub[0].Op != syntax.OpBeginText || re.Sub[len(re.Sub)-1].Op != syntax.OpEndText {
			faults = append(faults, fmt.Sprintf("%s: pattern %s is not anchored at both ends", at, s["pattern"]))
		}
	}
	return faults
}

func arrayRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		if text(s, "type") == "array" && (s["maxItems"] == nil || s["items"] == nil) {
			faults = append(faults, fmt.Sprintf("%s: an array without maxItems or items", at))
		}
	}
	return faults
}

func numberRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		if t := text(s, "type"); t != "integer" && t != "number" {
			continue
		}
		if s["minimum"] == nil || s["maximum"] == nil || s["format"] == nil {
			faults = append(faults, fmt.Sprintf("%s: a number without minimum, maximum or format", at))
		}
	}
	return faults
}

func idRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		if text(s, "format") == "uuid" {
			faults = append(faults, fmt.Sprintf("%s: format uuid", at))
		}
		for name, property := range sorted(child(s, "properties")) {
			p := resolve(doc, property)
			if strings.HasSuffix(name, "_ids") {
				p = resolve(doc, p["items"])
			} else if name != "id" && !strings.HasSuffix(name, "_id") {
				continue
			}
			if text(p, "pattern") == "" {
				faults = append(faults, fmt.Sprintf("%s/properties/%s: an id without a pattern", at, name))
			}
		}
	}
	return faults
}

func formatRule(doc object) (faults []string) {
	// What each of them demands is checked by kin-openapi; any other would be decoration.
	known := map[string][]string{"string": {"date-time"}, "integer": {"int32", "int64"}, "number": {"double"}}
	for at, s := range schemas(doc) {
		if format := text(s, "format"); format != "" && !slices.Contains(known[text(s, "type")], format) {
			faults = append(faults, fmt.Sprintf("%s: format %s of a %s is not known", at, format, text(s, "type")))
		}
	}
	return faults
}

func unionRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		variants := list(s, "oneOf")
		if len(variants) == 0 {
			if s["discriminator"] != nil {
				faults = append(faults, fmt.Sprintf("%s: a discriminator without oneOf", at))
			}
			continue
		}
		var refs, types []string
		for i, variant := range variants {
			ref := text(variant.(object), "$ref")
			if ref == "" {
				faults = append(faults, fmt.Sprintf("%s/oneOf/%d: not a $ref", at, i))
				continue
			}
			refs = append(refs, ref)
			types = append(types, text(resolve(doc, variant), "type"))
		}
		if s["discriminator"] == nil {
			slices.Sort(types)
			if text(s, "x-go-type") == "" || len(slices.Compact(types)) != len(variants) {
				faults = append(faults, fmt.Sprintf("%s: neither a discriminator nor an x-go-type over variants of different JSON types", at))
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
				faults = append(faults, fmt.Sprintf("%s: %s does not pin %s to %q", at, target, by, value))
			}
			if !slices.Contains(list(variant, "required"), any(by)) {
				faults = append(faults, fmt.Sprintf("%s: %s does not require %s", at, target, by))
			}
		}
		slices.Sort(refs)
		slices.Sort(mapped)
		if !slices.Equal(refs, mapped) {
			faults = append(faults, fmt.Sprintf("%s: the mapping does not cover each variant once", at))
		}
	}
	return faults
}

func descriptionRule(doc object) (faults []string) {
	for at, s := range schemas(doc) {
		bare := strings.HasSuffix(at, "/schema") || strings.HasSuffix(at, "/items") ||
			strings.HasSuffix(at, "/additionalProperties") || strings.HasSuffix(at, "/x-property-names")
		if !bare && strings.TrimSpace(text(s, "description")) == "" {
			faults = append(faults, fmt.Sprintf("%s: no description", at))
		}
	}
	for _, group := range []iter.Seq2[string, object]{parameters(doc), headers(doc)} {
		for at, o := range group {
			if strings.TrimSpace(text(o, "description")) == "" {
				faults = append(faults, fmt.Sprintf("%s: no description", at))
			}
		}
	}
	return faults
}

func exampleRule(doc object) (faults []string) {
	for name, s := range sorted(child(child(doc, "components"), "schemas")) {
		if _, ok := s.(object)["example"]; !ok {
			faults = append(faults, fmt.Sprintf("#/components/schemas/%s: no example", name))
		}
	}
	for _, group := range []iter.Seq2[string, object]{parameters(doc), headers(doc), contents(doc)} {
		for at, o := range group {
			if _, ok := o["example"]; !ok && len(child(o, "examples")) == 0 {
				faults = append(faults, fmt.Sprintf("%s: no example", at))
			}
		}
	}
	return faults
}

func pathRule(doc object) (faults []string) {
	parameter := regexp.MustCompile(`\{([^}]*)\}`)
	names := map[string]string{}
	for path := range sorted(child(doc, "paths")) {
		for _, at := range parameter.FindAllStringSubmatchIndex(path, -1) {
			shape := parameter.ReplaceAllString(path[:at[0]], "{}") + "{}"
			name := path[at[2]:at[3]]
			if other, ok := names[shape]; ok && other != name {
				faults = append(faults, fmt.Sprintf("%s: {%s} is {%s} in another path", path, name, other))
			}
			names[shape] = name
		}
	}
	return faults
}

func securityRule(doc object) (faults []string) {
	if len(list(doc, "security")) == 0 {
		faults = append(faults, "#/security: the document has none")
	}
	for at, op := range operations(doc) {
		if _, overridden := op["security"]; overridden && !slices.Contains(unsecured, text(op, "operationId")) {
			faults = append(faults, fmt.Sprintf("%s: overrides security", at))
		}
	}
	return faults
}

// keywords are the ones whose meaning something enforces or shows, by the kind of their object. A keyword
// that is missing here would be a promise nobody keeps.
var keywords = map[string]string{
	"document":  "openapi info servers tags security paths components x-request-limits",
	"operation": "operationId tags summary description parameters requestBody responses security x-go-handwritten",
	"parameter": "name in required description schema example examples style explode x-go-name",
	"header":    "required description schema example",
	"response":  "description headers content",
	"content":   "schema example examples",
	"schema": "type format description example default nullable enum " +
		"minLength maxLength pattern x-pattern-description minimum maximum " +
		"properties required additionalProperties maxProperties minProperties x-property-names " +
		"items minItems maxItems uniqueItems oneOf discriminator x-max-bytes " +
		"x-go-name x-oapi-codegen-only-honour-go-name x-go-type x-go-type-import x-go-type-name x-go-type-skip-optional-pointer x-omitzero x-omitempty x-go-error x-go-constants x-go-handwritten",
}

func keywordRule(doc object) (faults []string) {
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
					faults = append(faults, fmt.Sprintf("%s: unknown %s keyword %s", at, kind, key))
				}
			}
		}
	}
	var references func(at string, value any)
	references = func(at string, value any) {
		switch v := value.(type) {
		case object:
			if _, ok := v["$ref"].(string); ok && len(v) > 1 && text(v, "x-go-name") == "" { // the generator reads that one
				faults = append(faults, fmt.Sprintf("%s: keywords beside $ref are ignored", at))
			}
			for key, next := range sorted(v) {
				references(at+"/"+key, next)
			}
		case []any:
			for i, next := range v {
				references(fmt.Sprintf("%s/%d", at, i), next)
			}
		}
	}
	references("#", doc)
	return faults
}
