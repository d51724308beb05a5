package contract

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
)

// sent validates a body by a schema and returns the body that the handler reads.
func sent(t *testing.T, schema, body string) (string, error) {
	t.Helper()
	c := compiledTiny(t, "", schema, "{type: object}")
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json; charset=utf-8")
	if err := c.Operation("post").CheckRequest(r, nil); err != nil {
		return "", err
	}
	data, err := io.ReadAll(r.Body)
	if err != nil || r.ContentLength != int64(len(data)) {
		t.Fatalf("%v, length %d of %q", err, r.ContentLength, data)
	}
	if err := r.Body.Close(); err != nil {
		t.Fatal(err)
	}
	return string(data), nil
}

func TestTheBodyHandedOn(t *testing.T) {
	const schema = `{type: object, properties: {n: {type: integer, default: 7}, "a\"b": {type: string, default: "é\n"}, b: {type: boolean, default: false}, f: {type: number},
in: {type: object, properties: {n: {type: integer, default: 1}}}, any: {type: object}, list: {type: array, items: {type: integer}}}}`
	const all = `"n":1,"a\"b":"","b":true`
	for body, want := range map[string]string{
		`{}`:                     `{"a\"b":"é\n","b":false,"n":7}`,
		` { }`:                   ` { "a\"b":"é\n","b":false,"n":7}`,
		`{"n" : 1, "a\"b":"x"} `: `{"n" : 1, "a\"b":"x","b":false} `,
		`{` + all + `}`:          `{` + all + `}`,
		`{` + all + `,"in":{}}`:  `{` + all + `,"in":{"n":1}}`,
		`{"n":1.0e2,"in":{"n":-0.0},"b":true,"list":[1e0,2,30E-1],"a\"b":""}`:                               `{"n":100,"in":{"n":0},"b":true,"list":[1,2,3],"a\"b":""}`,
		`{` + all + `,"f":1e2,"any":{"n":1e2,"big":123456789012345678901234567890,"huge":1e999,"a":[1.0]}}`: `{` + all + `,"f":1e2,"any":{"n":1e2,"big":123456789012345678901234567890,"huge":1e999,"a":[1.0]}}`,
	} {
		got, err := sent(t, schema, body)
		if err != nil || got != want {
			t.Errorf("%s\ngot  %s %v\nwant %s", body, got, err, want)
		}
		if err == nil && Digest([]byte(got)) != Digest([]byte(want)) {
			t.Errorf("%s: two digests", got)
		}
	}
}

// Schemas, texts and the first mistake of each; the differential tests compare many more with the oracle.
func TestFirstMistake(t *testing.T) {
	const whole, zone = "{type: object, additionalProperties: false, required: [c, a], properties: {z: {type: string, maxLength: 2}, a: {type: integer, format: int32}, c: {type: boolean}}}", "{type: string, format: date-time}"
	for _, c := range []struct{ schema, text, param, message string }{
		{whole, `{"zz":1,"z":"话话话","c":1,"a":""}`, "a", "Field 'a' must be an integer."}, // by name: made by hand, without places
		{whole, `{"zz":1,"yy":2,"c":true,"a":1}`, "yy", "Unknown field 'yy'."},
		{whole, `{"A":1,"c":true,"a":1}`, "A", "Unknown field 'A'; did you mean 'a'?"},
		{whole, `{"z":"话话话"}`, "a", "Missing required field: a"},
		{whole, `{"z":null,"a":2147483648,"c":null}`, "a", "Field 'a' must be an integer."},
		{whole, `{"z":"😀😀","a":2147483647,"c":false}`, "", ""},
		{whole, `{"z":"\ud83d\ude00\u0061","a":-2147483648,"c":false}`, "", ""},
		{zone, `"2026-02-29T00:00:00Z"`, "body", "The request body must be an RFC 3339 time such as 2026-05-18T15:26:15Z."},
		{"{type: integer}", "9223372036854775807", "", ""},
		{"{type: integer}", "9223372036854775808", "body", "The request body must be an integer."},
		{"{type: integer}", "9007199254740992.0", "", ""},
		{"{type: integer}", "9007199254740994.0", "body", "The request body must be an integer."}, // its neighbour is the same float64
		{"{type: object, x-max-bytes: 9}", `{"a":"b"}`, "", ""},
		{"{type: object, x-max-bytes: 8}", `{"a":"b"}`, "body", "The request body must be at most 8 bytes of JSON."},
		{"{type: integer, minimum: 1, exclusiveMinimum: true}", "1", "body", "The request body must be an integer of at least 1."},
		{"{type: integer, minimum: 1.5, maximum: 2.5}", "2", "", ""},
		{"{type: integer, minimum: 1e19}", "9223372036854775807", "body", "The request body must be an integer of at least 10000000000000000000."},
		{"{type: integer, maximum: -1e19}", "-9223372036854775808", "body", "The request body must be an integer of at most -10000000000000000000."},
		{"{type: number, maximum: 1, exclusiveMaximum: true}", "1.0", "body", "The request body must be a number of at most 1."},
		{"{type: number}", "1e999", "body", "The request body must be a number."},
		{"{type: array, maxItems: 2, minItems: 1, items: {type: string}}", `["a",1,2]`, "body", "The request body must be an array of 1 to 2 items."},
		{"{type: array, items: {type: array, items: {type: string}}}", `[[],["a",1]]`, "[1][1]", "Field '[1][1]' must be a string."},
		{"{type: array, uniqueItems: true, items: {type: string}}", `["a","\u0061"]`, "body", "The request body must not contain the same item twice."},
		{"{type: array, uniqueItems: true, items: {type: integer}}", `[1,2,10e-1]`, "body", "The request body must not contain the same item twice."},
		{"{type: object, maxProperties: 1, minProperties: 1}", `{"a":1,"b":2}`, "body", "The request body must have at most 1 entries."},
		{"{type: object, minProperties: 1}", `{}`, "body", "The request body must have at least 1 entries."},
		{"{oneOf: [{type: string}, {type: object}]}", `[]`, "body", "The request body must be a string or an object."},
		{"{nullable: true, oneOf: [{type: string}, {type: integer, minimum: 5}]}", `null`, "", ""},
		{"{nullable: true, oneOf: [{type: string}, {type: integer, minimum: 5}]}", `4`, "body", "The request body must be an integer of at least 5."},
		{"{type: object, additionalProperties: {type: string, nullable: true}}", `{"b":null,"c":1,"a":"x"}`, "c", "Field 'c' must be a string."},
	} {
		_, err := sent(t, c.schema, c.text)
		var want error
		if c.message != "" {
			want = &RequestError{Param: c.param, Message: c.message}
		}
		if diff := cmp.Diff(want, err, cmp.Transformer("", func(e error) string {
			var f *RequestError
			if errors.As(e, &f) {
				return f.Param + "|" + f.Message
			}
			return ""
		})); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", c.schema, c.text, diff)
		}
	}
}

func TestReadingTheBody(t *testing.T) {
	c := compiledTiny(t, "", "{type: object}", "{type: object}")
	full := "{" + strings.Repeat(" ", 998) + "}"
	for name, r := range map[string]struct {
		body   io.Reader
		length int64
		want   string
	}{
		"at the limit":            {strings.NewReader(full), 1000, ""},
		"no length":               {iotest.OneByteReader(strings.NewReader(full)), -1, ""},
		"too long":                {strings.NewReader(full + " "), 1001, "The request body must be at most 1000 bytes long."},
		"too long, no length":     {strings.NewReader(full + " "), -1, "The request body must be at most 1000 bytes long."},
		"shorter than its length": {strings.NewReader("{}"), 900, ""},
		"broken":                  {iotest.ErrReader(errors.New("gone")), 5, "The request body could not be read to its end; send it again."},
		"empty":                   {strings.NewReader(""), 0, "The request body is missing; send a JSON object."},
	} {
		request := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a", r.body)
		request.ContentLength = r.length
		request.Header.Set("Content-Type", jsonType)
		err := c.Operation("post").CheckRequest(request, nil)
		if (err == nil) != (r.want == "") || err != nil && err.Error() != r.want {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Values that kin-openapi, with which the differential tests compare, accepts and the contract does not.
func TestParametersAreStrict(t *testing.T) {
	const parameters = "{name: on, in: query, schema: {type: boolean}}, {name: n, in: query, schema: {type: integer}}, {name: f, in: query, schema: {type: number}}"
	c := compiledTiny(t, parameters, "{type: object}", "{type: object}")
	for query, want := range map[string]string{
		"on=true&n=-1&f=1e2": "", "on=false&n=0&f=-0.5": "",
		"on=1": "on", "on=t": "on", "on=TRUE": "on", "on=": "on", "n=1.0": "n", "n=": "n", "n=0x1": "n", "f=.5": "f", "f=%2B1": "f", "f=01": "f", "f=NaN": "f",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a?"+query, strings.NewReader("{}"))
		r.Header.Set("Content-Type", jsonType)
		var got string
		var invalid *RequestError
		if err := c.Operation("post").CheckRequest(r, nil); errors.As(err, &invalid) {
			got = invalid.Param
		} else if err != nil {
			t.Fatal(err)
		}
		if got != want {
			t.Errorf("%s: got an error for %q, want one for %q", query, got, want)
		}
	}
}

func TestParameterDefaults(t *testing.T) {
	const parameters = `{name: "a[gte]", in: query, schema: {type: integer, default: 20}}, {name: b, in: query, schema: {type: string, default: "x y&"}}, {name: on, in: query, schema: {type: boolean, default: false}},
{name: X-Mode, in: header, schema: {type: string, default: fast}}`
	c := compiledTiny(t, parameters, "{type: object}", "{type: object}")
	for query, want := range map[string]string{
		"": "a%5Bgte%5D=20&b=x+y%26&on=false", "other=%20&b=": "other=%20&b=&a%5Bgte%5D=20&on=false", "a%5Bgte%5D=1&b=2&on=true": "a%5Bgte%5D=1&b=2&on=true",
	} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/a?"+query, strings.NewReader("{}"))
		r.Header.Set("Content-Type", jsonType)
		if err := c.Operation("post").CheckRequest(r, nil); err != nil || r.URL.RawQuery != want || r.Header.Get("X-Mode") != "fast" {
			t.Errorf("%q: %v, %q, %v", query, err, r.URL.RawQuery, r.Header)
		}
	}
}

func TestCheckResponse(t *testing.T) {
	doc, c := document(t)
	good := exampleJSON(t, doc.Components.Examples["Session"].Value.Value)
	header := func(pairs ...string) http.Header {
		h := http.Header{"X-Request-Id": {"r"}, "Content-Type": {"application/json; charset=UTF-8"}}
		for i := 0; i < len(pairs); i += 2 {
			h[pairs[i]] = strings.Fields(pairs[i+1])
		}
		return h
	}
	for _, r := range []struct {
		status int
		header http.Header
		body   string
		want   Violation
	}{
		{201, header(), good, Violation{}},
		{201, header("Idempotent-Replayed", "true"), good, Violation{}},
		{418, header(), good, Violation{Rule: "status", Reason: "the status is not declared"}},
		{201, header("X-Request-Id", ""), good, Violation{Rule: "header", Reason: "X-Request-Id is missing"}},
		{201, header("X-Request-Id", "a b"), good, Violation{Rule: "header", Reason: "X-Request-Id occurs twice"}},
		{201, header("X-Request-Id", "é"), good, Violation{Rule: "header", Reason: "X-Request-Id violates pattern"}},
		{201, header("Content-Type", "text/plain"), good, Violation{Rule: "content", Reason: "the content type is not declared"}},
		{201, header(), good + "x", Violation{Rule: "json", Reason: "bytes after the JSON value"}},
		{201, header(), "{", Violation{Rule: "json", Reason: "invalid JSON near byte 1"}},
		{201, header(), strings.Repeat("[", 70) + strings.Repeat("]", 70), Violation{Rule: "json", Reason: "nested deeper than 64 levels"}},
		{201, header(), `{"a/~b":"` + "\xff" + `"}`, Violation{Rule: "json", Pointer: "/a~1~0b", Reason: "must be valid UTF-8"}},
		{201, header(), `{"a":1,"a":1}`, Violation{Rule: "json", Pointer: "/a", Reason: "occurs twice"}},
		{201, header(), "{}", Violation{Rule: "required", Pointer: "/id", Reason: "is missing"}},
		{201, header(), strings.Replace(good, `"我的会话"`, "null", 1), Violation{Rule: "nullable", Pointer: "/title", Reason: "must not be null"}},
		{201, header(), strings.Replace(good, `"title"`, `"secret":1,"title"`, 1), Violation{Rule: "additionalProperties", Pointer: "/secret", Reason: "unknown property"}},
		{201, header(), strings.Replace(good, `{"purpose"`, `{"":"","purpose"`, 1), Violation{Rule: "x-property-names/minLength", Pointer: "/metadata/", Reason: "property name is not allowed"}},
		{201, header(), strings.Replace(good, `"vault_ids":[]`, `"vault_ids":["v"]`, 1), Violation{Rule: "pattern", Pointer: "/vault_ids/0", Reason: "must be 'vault_' followed by 1 to 64 lower-case letters or digits"}},
	} {
		var got Violation
		if err := c.Operation("createSession").CheckResponse(r.status, r.header, []byte(r.body)); err != nil {
			got = *err.(*Violation)
			r.want.Operation, r.want.Status = "createSession", r.status
		}
		if got != r.want {
			t.Errorf("%d %.60s\ngot  %+v\nwant %+v", r.status, r.body, got, r.want)
		}
	}
	tinyContract := compiledTiny(t, "", "{type: object}", "{type: object}")
	op := tinyContract.Operation("post")
	if err := op.CheckResponse(204, http.Header{}, nil); err != nil {
		t.Error(err)
	}
	if err := op.CheckResponse(204, http.Header{}, []byte("{}")); err == nil {
		t.Error("204 with a body passed")
	}
}

func TestSchemaCheck(t *testing.T) {
	_, c := document(t)
	if c.Schema("Nothing") != nil || c.Accepts("Nothing", "") || c.Accepts("Session", "{}") {
		t.Error("there is a schema Nothing, or Session accepts a string")
	}
	if !c.Accepts("RequestID", "r-1") || c.Accepts("RequestID", "") {
		t.Error("RequestID")
	}
	if err := c.CheckJSON("Metadata", []byte(`{"a":"b"}`)); err != nil {
		t.Error(err)
	}
	var invalid *RequestError
	if err := c.CheckJSON("Metadata", []byte(`{"a":1}`)); !errors.As(err, &invalid) || invalid.Param != "a" {
		t.Error(err)
	}
	if err := c.CheckJSON("Nothing", nil); err == nil || errors.As(err, &invalid) {
		t.Error(err)
	}
	if b := c.Schema("AgentID").Check([]byte(`"agent_1"`)); b != nil {
		t.Error(b)
	}
	if b := c.Schema("Error").Check([]byte(`{"type":"oops"}`)); b == nil || *b != (Violation{Pointer: "/type", Rule: "enum", Reason: "must be 'error'"}) {
		t.Errorf("%+v", b)
	}
}

func TestDigest(t *testing.T) {
	same := [][]string{
		{`{"a":1,"b":[true,null,"x"]}`, ` { "b" : [true,null,"\u0078"], "\u0061":1e0 } `, `{"b":[true,null,"x"],"a":10E-1}`},
		{`{"a":{"d":1,"c":2},"b":{}}`, `{"b":{},"a":{"c":2,"d":1}}`},
		{``}, {`{}`}, {`[]`}, {`""`}, {`0`}, {`[1,2]`}, {`[2,1]`}, {`["1"]`}, {`{"a":"1"}`}, {`{"a":1.5}`}, {`"a,b"`}, {`["a","b"]`}, {`123456789012345678901`}, {`123456789012345678902`},
	}
	seen := map[[32]byte]string{}
	for _, group := range same {
		digest := Digest([]byte(group[0]))
		if other, ok := seen[digest]; ok {
			t.Errorf("%s and %s have one digest", group[0], other)
		}
		seen[digest] = group[0]
		for _, text := range group {
			if Digest([]byte(text)) != digest {
				t.Errorf("%s and %s have two digests", group[0], text)
			}
		}
	}
	Digest(bytes.Repeat([]byte("[{\"a\":"), 1<<20)) // ends
}

// A valid response costs few allocations, however many members it has.
func TestAllocations(t *testing.T) {
	doc, c := document(t)
	reply := []byte(exampleJSON(t, doc.Components.Examples["Session"].Value.Value))
	session := c.Schema("Session")
	if n := testing.AllocsPerRun(100, func() { session.Check(reply) }); n > 2 {
		t.Errorf("%.0f allocations for a Session", n)
	}
}
