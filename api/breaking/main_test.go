package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// base is a document that each case changes in one place.
const base = `openapi: 3.0.3
info: {title: t, version: 1.0.0}
x-request-limits: {max-body-bytes: 1000, max-json-depth: 64}
paths:
  /things/{id}:
    parameters:
      - {name: id, in: path, required: true, schema: {type: string}}
    post:
      operationId: updateThing
      parameters:
        - {name: limit, in: query, schema: {type: integer, default: 20}}
      requestBody:
        content:
          application/json:
            schema:
              type: object
              additionalProperties: false
              properties:
                open: {type: object}
                free: {type: object, additionalProperties: true}
                map: {type: object, additionalProperties: {type: string}, x-max-bytes: 100, x-property-names: {minLength: 1, maxLength: 9, pattern: '^a$'}}
                plain: {type: array, items: {type: object, additionalProperties: {type: string}}}
                flag: {type: boolean, default: true}
                size: {type: integer}
                union: {$ref: '#/components/schemas/Union'}
      responses:
        '200':
          description: d
          headers:
            X-Given: {required: true, schema: {type: string}}
            X-Maybe: {schema: {type: string}}
            X-Common: {$ref: '#/components/headers/Common'}
          content:
            application/json: {schema: {$ref: '#/components/schemas/Thing'}}
        '404':
          description: d
          headers: {X-Common: {$ref: '#/components/headers/Common'}}
components:
  headers:
    Common: {schema: {type: string}}
  schemas:
    Thing:
      type: object
      required: [name]
      properties:
        name: {type: string}
        note: {type: string}
        size: {type: integer, default: 1}
        again: {$ref: '#/components/schemas/Thing'}
        union: {$ref: '#/components/schemas/Union'}
    Union:
      oneOf: [{$ref: '#/components/schemas/A'}, {$ref: '#/components/schemas/B'}]
      discriminator: {propertyName: type, mapping: {a: '#/components/schemas/A', b: '#/components/schemas/B'}}
    A: {type: object, additionalProperties: false, properties: {type: {type: string, enum: [a]}, x: {type: string, default: x}}}
    B: {type: object, additionalProperties: false, properties: {type: {type: string, enum: [b]}}}
`

const body = "POST /things/{id}: request body"

func TestCompare(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		old, new string // what is replaced in base
		want     []string
	}{
		"nothing": {"", "", nil},

		"a request object is closed":                {"open: {type: object}", "open: {type: object, additionalProperties: false}", []string{body + ".open: the object is closed now: fields that callers may send are refused"}},
		"an object that was written as open":        {"additionalProperties: true", "additionalProperties: false", []string{body + ".free: the object is closed now: fields that callers may send are refused"}},
		"a map in an array is closed":               {"{type: object, additionalProperties: {type: string}}}", "{type: object, additionalProperties: false}}", []string{body + ".plain[]: the object is closed now: fields that callers may send are refused"}},
		"a request object is opened":                {"additionalProperties: false, properties: {type: {type: string, enum: [b]}}", "properties: {type: {type: string, enum: [b]}}", nil},
		"an object of responses is closed":          {"required: [name]", "additionalProperties: false", nil},
		"a default of a parameter is changed":       {"default: 20", "default: 50", []string{"POST /things/{id}: parameter query limit: the default was 20 and is 50: a request without the value means something else"}},
		"a default of a parameter is removed":       {", default: 20", "", []string{"POST /things/{id}: parameter query limit: the default was 20 and is none: a request without the value means something else"}},
		"a default of a body is changed":            {"default: true", "default: false", []string{body + ".flag: the default was true and is false: a request without the value means something else"}},
		"a default of a body is added":              {"                size: {type: integer}", "                size: {type: integer, default: 0}", []string{body + ".size: the default was none and is 0: a request without the value means something else"}},
		"a default in a union is changed":           {"default: x", "default: y", []string{"schema A.x: the default was x and is y: a request without the value means something else"}},
		"a default of a response is changed":        {"default: 1", "default: 2", nil},
		"a header becomes required":                 {"X-Maybe: {schema", "X-Maybe: {required: true, schema", []string{"POST /things/{id}: response 200: the header X-Maybe is required now: responses of existing servers lack it"}},
		"a header of many responses is required":    {"Common: {schema", "Common: {required: true, schema", []string{"header Common: the header X-Common is required now: responses of existing servers lack it"}},
		"a required header is added":                {"            X-Maybe", "            X-New: {required: true, schema: {type: string}}\n            X-Maybe", []string{"POST /things/{id}: response 200: the header X-New is required now: responses of existing servers lack it"}},
		"an optional header is added":               {"            X-Maybe", "            X-New: {schema: {type: string}}\n            X-Maybe", nil},
		"an optional field of responses is removed": {"        note: {type: string}\n", "", []string{"schema Thing.note: responses no longer have the field"}},
		"a required field of responses is removed":  {"        name: {type: string}\n", "", []string{"schema Thing.name: responses no longer have the field"}},
		"a field of a variant is removed":           {", x: {type: string, default: x}", "", []string{"schema A.x: responses no longer have the field"}},
		"a field of requests is removed":            {"                size: {type: integer}\n", "", nil},
		"a field of responses is added":             {"        note:", "        more: {type: string}\n        note:", nil},
		"the bytes of a value are fewer":            {"x-max-bytes: 100", "x-max-bytes: 99", []string{body + ".map: x-max-bytes was 100 and is 99"}},
		"the bytes of a value are more":             {"x-max-bytes: 100", "x-max-bytes: 101", nil},
		"the bytes of a value are bounded":          {"size: {type: integer}\n                union", "size: {type: integer, x-max-bytes: 5}\n                union", []string{body + ".size: x-max-bytes was none and is 5"}},
		"names are shorter":                         {"maxLength: 9", "maxLength: 8", []string{body + ".map: the maxLength of names was 9 and is 8"}},
		"names are longer":                          {"minLength: 1", "minLength: 2", []string{body + ".map: the minLength of names was 1 and is 2"}},
		"names have another pattern":                {"^a$", "^b$", []string{body + ".map: the pattern of names was ^a$ and is ^b$"}},
		"names may be any":                          {", pattern: '^a$'", "", nil},
		"bodies are smaller":                        {"max-body-bytes: 1000", "max-body-bytes: 999", []string{"the document: max-body-bytes was 1000 and is 999"}},
		"JSON is flatter":                           {"max-json-depth: 64", "max-json-depth: 63", []string{"the document: max-json-depth was 64 and is 63"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(base, c.old) {
				t.Fatalf("the document has no %q", c.old)
			}
			folder := t.TempDir()
			got, err := compareFiles(write(t, folder, "old.yaml", base), write(t, folder, "new.yaml", strings.Replace(base, c.old, c.new, 1)))
			if err != nil || !slices.Equal(got, c.want) {
				t.Errorf("%q %v, want %q", got, err, c.want)
			}
		})
	}
}

// The contract has not changed since itself, and its own keywords are found.
func TestTheContract(t *testing.T) {
	t.Parallel()
	const contract = "../openapi.yaml"
	if got, err := compareFiles(contract, contract); err != nil || len(got) > 0 {
		t.Errorf("%q %v", got, err)
	}
	text, err := os.ReadFile(contract)
	if err != nil {
		t.Fatal(err)
	}
	changed := string(text)
	for _, keyword := range []string{"max-body-bytes: ", "max-json-depth: ", "x-max-bytes: "} {
		if !strings.Contains(changed, keyword) {
			t.Fatalf("the contract has no %s", keyword)
		}
		changed = strings.ReplaceAll(changed, keyword, keyword+"1 #")
	}
	got, err := compareFiles(contract, write(t, t.TempDir(), "new.yaml", changed))
	if err != nil || len(got) < 3 {
		t.Errorf("%q %v", got, err)
	}
}

func TestUnreadable(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	good, bad := write(t, folder, "good.yaml", base), write(t, folder, "bad.yaml", "openapi: [")
	for _, files := range [][2]string{{good, bad}, {bad, good}, {good, filepath.Join(folder, "none.yaml")}} {
		if _, err := compareFiles(files[0], files[1]); err == nil {
			t.Errorf("%v were compared", files)
		}
	}
}

func write(t *testing.T, folder, name, text string) string {
	t.Helper()
	file := filepath.Join(folder, name)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}
