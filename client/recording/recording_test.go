package recording_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client/recording"
)

func redactor(t testing.TB) *recording.Redactor {
	t.Helper()
	r, err := recording.NewRedactor()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// create creates a recording in a folder of its own.
func create(t testing.TB, redact *recording.Redactor) (*recording.Recorder, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "recording.txt")
	r, err := recording.Create(path, redact)
	if err != nil {
		t.Fatal(err)
	}
	return r, path
}

// closed closes a recording and returns its text and what it says.
func closed(t testing.TB, r *recording.Recorder, path string) (string, *recording.Recording) {
	t.Helper()
	if err := r.Close(); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	rec, err := recording.Load(path)
	if err != nil {
		t.Fatalf("%v:\n%s", err, text)
	}
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
	return string(text), rec
}

// request makes a request; headers are "Name: value".
func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	r.Header = header(headers...)
	return r
}

func header(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h.Add(name, value)
	}
	return h
}

// chunked passes a text on, so many bytes at a time.
func chunked(text string, size int, pass func([]byte)) {
	for piece := range slices.Chunk([]byte(text), size) {
		pass(piece)
	}
}

// TestBodies tests that each kind of body comes back from the file, however it arrived.
func TestBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("0123456789 ", 10_000)
	for name, tc := range map[string]struct {
		media, body string
		want        string // body if it is ""
		kind        string // the line before the body
	}{
		"an object":          {"application/json", `{"a":[1,2,{}],"b":{"c":null},"d":[],"e":"x: {\"y\"}","f":-1.5e3,"g":true}`, "", "json"},
		"spaces":             {"application/json; charset=utf-8", "\n { \"a\" : [ 1 , 2 ] }\r\n", `{"a":[1,2]}`, "json"},
		"a scalar":           {"application/json", `"text"`, "", "json"},
		"a long string":      {"application/json", `{"a":"` + long + `","b":1}`, "", "json"},
		"deep":               {"application/json", strings.Repeat("[", 200) + strings.Repeat("]", 200), "", "json"},
		"cut off":            {"application/json", `{"a":["b","c`, "", "json"},
		"cut off in a key":   {"application/json", `{"a`, "", "json"},
		"a page of HTML":     {"application/json", "<html>\n\n <b>502</b>\n</html>\n", "", "text"},
		"text":               {"text/plain", "one\n\n  two\n", "", "text"},
		"text without end":   {"text/plain", "one", "", "text"},
		"line feeds":         {"text/plain", "\n\n", "", "text"},
		"a long text":        {"text/plain", long, "", "base64"},
		"control characters": {"text/plain", "a\r\nb", "", "base64"},
		"bytes":              {"application/octet-stream", string([]byte{0, 1, 255, 254}), "", "base64"},
		"an encoded body":    {"application/json", "\x1f\x8b", "", "base64"},
		"other JSON":         {"application/problem+json", `{"a":1}`, "", "json"},
	} {
		for _, size := range []int{1, 7, 100_000} {
			r, path := create(t, redactor(t))
			tape := r.Begin("listModels", request("GET", "/v1/models", "Content-Type: "+tc.media))
			chunked(tc.body, size, tape.RequestBody)
			h := header("Content-Type: "+tc.media, "Content-Length: 17")
			tape.Response(200, h)
			chunked(tc.body, size, tape.Body)
			tape.End(recording.Complete)
			text, rec := closed(t, r, path)
			want := tc.want
			if want == "" {
				want = tc.body
			}
			e := rec.Exchanges[0]
			if string(e.Body) != want || string(e.RequestBody) != want {
				t.Errorf("%s, %d at a time: got %.200q and %.200q, want %.200q\n%.2000s", name, size, e.Body, e.RequestBody, want, text)
			}
			if strings.Count(text, "\n"+tc.kind+"\n") != 2 || strings.Contains(text, "Content-Length") {
				t.Errorf("%s: no %s in\n%.2000s", name, tc.kind, text)
			}
		}
	}
}

// TestStreams tests that a stream comes back from the file as it was sent, however it arrived.
func TestStreams(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		text          string
		frames, parts int
	}{
		"events":    {"id: 1\nevent: a\ndata: {\"x\":1}\n\n: heartbeat\n\ndata: 2\n\n", 3, 0},
		"cut off":   {"data: 1\n\nid: 2\nda", 1, 1},
		"CRLF":      {"data: 1\r\n\r\ndata: 2\r\n\r\n", 0, 3},
		"a blank":   {"\ndata: 1\n\n", 1, 1},
		"too large": {"data: " + strings.Repeat("x", 3<<20) + "\n\ndata: 2\n\n", 2, 2},
		"not text":  {"data: \xff\n\n", 0, 1},
	} {
		for _, size := range []int{1, 100, 64 << 10} {
			if size == 1 && len(tc.text) > 1<<20 {
				continue
			}
			r, path := create(t, redactor(t))
			tape := r.Begin("streamEvents", request("GET", "/v1/sessions/sess_1/events/stream"))
			tape.Response(200, header("Content-Type: text/event-stream; charset=utf-8"))
			chunked(tc.text, size, tape.Body)
			tape.End(recording.Cut)
			text, rec := closed(t, r, path)
			got := ""
			for _, f := range rec.Exchanges[0].Frames {
				got += string(f.Text)
			}
			frames, parts := strings.Count(text, "\nframe after "), strings.Count(text, "\npart ")
			if got != tc.text || size < 200 && (frames != tc.frames || parts != tc.parts) || rec.Exchanges[0].End != recording.Cut {
				t.Errorf("%s, %d at a time: %d frames, %d parts, got %.200q, want %.200q:\n%.500s", name, size, frames, parts, got, tc.text, text)
			}
		}
	}
}

// TestFile tests the text of a file.
func TestFile(t *testing.T) {
	t.Parallel()
	r, path := create(t, redactor(t))
	first := r.Begin("createSession", request("POST", "/v1/sessions?x=1", "Content-Type: application/json", "Accept: a/b", "Accept: c/d"))
	first.RequestBody([]byte(`{"agent":"agent_1"}`))
	second := r.Begin("", request("GET", "/healthz"))
	first.Response(201, header("Content-Type: application/json", "X-Request-Id: 1"))
	first.Body([]byte(`{"id":"sess_1","tools":[]}`))
	second.End(recording.Left)
	first.End(recording.Complete)
	first.Body([]byte("late"))
	head := r.Begin("getSession", request("HEAD", "/v1/sessions/sess_1"))
	head.Response(200, header("Content-Length: 17"))
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	text, rec := closed(t, r, path) // which ends what is open
	want := `sessions recording 1

exchange 2 at TIME
request GET /healthz
left after TIME

exchange 1 at TIME createSession
request POST /v1/sessions?x=1
  Accept: a/b
  Accept: c/d
  Content-Type: application/json
json
  {
    "agent": "agent_1"
  }
response 201 after TIME
  Content-Type: application/json
  X-Request-Id: 1
json
  {
    "id": "sess_1",
    "tools": []
  }
end after TIME

exchange 3 at TIME getSession
request HEAD /v1/sessions/sess_1
response 200 after TIME
  Content-Length: 17
left after TIME
`
	if diff := cmp.Diff(want, withoutTimes(text)); diff != "" {
		t.Error(diff)
	}
	if n := len(rec.Exchanges); n != 3 || rec.Exchanges[0].Operation != "createSession" || rec.Exchanges[1].Operation != "" || rec.Exchanges[1].Line != 3 {
		t.Errorf("%+v", rec.Exchanges)
	}
	if _, err := recording.Create(path, nil); !os.IsExist(err) {
		t.Errorf("a file is overwritten: %v", err)
	}
}

// withoutTimes returns a text with TIME for each time.
func withoutTimes(text string) string {
	words := strings.SplitAfter(text, " ")
	for i := range words {
		if i > 0 && (words[i-1] == "after " || words[i-1] == "at ") {
			end := strings.IndexAny(words[i], " \n")
			words[i] = "TIME" + words[i][end:]
		}
	}
	return strings.Join(words, "")
}

// TestSecrets tests that no secret is in a file, wherever it is sent, and that nothing else is missing.
func TestSecrets(t *testing.T) {
	t.Parallel()
	const secret = "5ecre7"
	for _, size := range []int{1, 10, 100_000} {
		for _, keep := range []bool{false, true} {
			redact := redactor(t)
			if keep {
				redact = nil
			}
			r, path := create(t, redact)
			tape := r.Begin("createVaultCredential", request("POST", "/v1/vaults/vault_1/credentials?limit=5&X-Amz-Signature="+secret+"&sig="+secret,
				"Authorization: Bearer "+secret, "X-Api-Key: "+secret, "Cookie: a="+secret, "Proxy-Authorization: Basic "+secret,
				"Content-Type: application/json", "Idempotency-Key: key-1"))
			padding := strings.Repeat("long ", 3000)
			chunked(`{"auth":{"type":"mcp_oauth","access_token":"`+secret+`","refresh":{"refresh_token" : "\"`+secret+`","client_\u0073ecret":"`+padding+secret+`"}},`+
				`"url":"https://files.example/a?X-Amz-Signature=`+secret+`\u0026token=`+secret+`&page=7","text":"`+padding+`https://files.example/b?token=`+secret+` end"}`, size, tape.RequestBody)
			tape.Response(201, header("Content-Type: application/json", "Set-Cookie: session="+secret+"; Path=/", "Location: /x?api_key="+secret+"&api_key_id=tok_1"))
			chunked(`{"token":"`+secret, size, tape.Body) // is cut off
			tape.End(recording.Cut)

			tape = r.Begin("createEnvironmentKey", request("POST", "/v1/environments/env_1/keys"))
			tape.Response(201, header("Content-Type: application/json"))
			chunked(`{"key":"`+secret+`"}`, size, tape.Body)
			tape.End(recording.Complete)

			tape = r.Begin("", request("GET", "/v2/other"))
			tape.Response(200, header("Content-Type: text/event-stream"))
			chunked("event: a\ndata: {\"secret\":\""+secret+"\",\"more\":1}\n\n", size, tape.Body)
			chunked("data: see https://files.example/?token="+secret+"\n\n", size, tape.Body)
			tape.End(recording.Complete)

			tape = r.Begin("", request("GET", "/v2/text"))
			tape.Response(200, header("Content-Type: text/plain"))
			chunked("https://files.example/?signature="+secret+"\n", size, tape.Body)
			tape.End(recording.Complete)

			tape = r.Begin("createSession", request("POST", "/v1/sessions", "Content-Type: application/json"))
			tape.RequestBody([]byte(`{"metadata":{"key":"kept","secret":"kept","token":"kept"}}`)) // names that callers choose
			tape.End(recording.Cut)

			text, rec := closed(t, r, path)
			if keep != strings.Contains(text, secret) {
				t.Fatalf("%d at a time, kept is %v:\n%s", size, keep, text)
			}
			if keep {
				continue
			}
			for _, want := range []string{
				"  Authorization: Bearer redacted\n", "  Cookie: redacted\n", "  Idempotency-Key: key-1\n", "  Proxy-Authorization: Basic redacted\n",
				"  X-Api-Key: redacted\n", "  Set-Cookie: redacted\n", "?limit=5&X-Amz-Signature=redacted&sig=redacted\n", "api_key=redacted&api_key_id=tok_1\n",
				`"access_token": "redacted"`, `"refresh_token": "redacted"`, `"client_\u0073ecret": "redacted"`,
				`"https://files.example/a?X-Amz-Signature=redacted\u0026token=redacted&page=7"`, `?token=redacted end"`, `"more":1`,
			} {
				if !strings.Contains(text, want) {
					t.Errorf("no %s in\n%s", want, text)
				}
			}
			if got := string(rec.Exchanges[4].RequestBody); strings.Count(got, "kept") != 3 {
				t.Error(got)
			}
		}
	}
}

// TestSecretsInOtherShapes tests that no secret is in a file when it is not sent as the contract says.
func TestSecretsInOtherShapes(t *testing.T) {
	t.Parallel()
	const secret = "5ecre7"
	value := `{"auth":{"type":"static_bearer","token":"` + secret + `","note":"kept"}}`
	var zipped bytes.Buffer
	zip := gzip.NewWriter(&zipped)
	_, _ = zip.Write([]byte(value))
	_ = zip.Close()
	long := `{"url":"https://h/?` + strings.Repeat("a=b&", 2044) + "token=" + secret + "&" + strings.Repeat("a=b&", 5000) + `"}`
	for name, tc := range map[string]struct {
		operation, header, body string
		kept                    string
	}{
		"another type":         {"createVaultCredential", "Content-Type: application/x-www-form-urlencoded", value, `"note": "kept"`},
		"no type":              {"createVaultCredential", "X: y", value, `"note": "kept"`},
		"a form":               {"createVaultCredential", "Content-Type: application/x-www-form-urlencoded", "token=" + secret, "text\n  redacted\n"},
		"with a mark":          {"createVaultCredential", "Content-Type: application/json", "\ufeff" + value, "text\n  redacted\n"},
		"encoded":              {"createVaultCredential", "Content-Encoding: gzip", zipped.String(), "text\n  redacted\n"},
		"in capitals":          {"createVaultCredential", "Content-Type: application/json", `{"Token":"` + secret + `","note":"kept"}`, `"note": "kept"`},
		"in an object":         {"createVaultCredential", "Content-Type: application/json", `{"token":{"a":["` + secret + `",{"b":"` + secret + `"}]},"note":"kept"}`, `"note": "kept"`},
		"a form to elsewhere":  {"", "Content-Type: application/x-www-form-urlencoded", "token=" + secret + "&note=kept", "note=kept"},
		"a long URL":           {"createSession", "Content-Type: application/json", long, "&token=redacted&a=b"},
		"an escaped parameter": {"createSession", "Content-Type: application/json", `{"url":"https://h/?a\u003db\u0026token\u003d` + secret + `","note":"kept"}`, `"note": "kept"`},
	} {
		for _, size := range []int{1, 7, 100_000} {
			r, path := create(t, redactor(t))
			tape := r.Begin(tc.operation, request("POST", "/v1/x", tc.header))
			chunked(tc.body, size, tape.RequestBody)
			tape.End(recording.Cut)
			text, rec := closed(t, r, path)
			if got := text + string(rec.Exchanges[0].RequestBody); strings.Contains(got, secret) || !strings.Contains(text, tc.kept) {
				t.Errorf("%s, %d at a time:\n%.3000s", name, size, got)
			}
		}
	}
	r, path := create(t, redactor(t))
	tape := r.Begin("", request("GET", "/v2/other"))
	tape.Response(200, header("Content-Type: text/event-stream"))
	tape.Body([]byte("data:{\"secret\":\"" + secret + "\"}\n\n"))
	tape.Body([]byte("data: {\"secret\":\"" + secret + "\"}\r\ndata: https://h/?token=" + secret + "\r\n\r\n"))
	tape.End(recording.Complete)
	_, rec := closed(t, r, path)
	var got string
	for _, f := range rec.Exchanges[0].Frames {
		got += string(f.Text)
	}
	const want = "data:{\"secret\":\"redacted\"}\n\ndata: {\"secret\":\"redacted\"}\r\ndata: https://h/?token=redacted\r\n\r\n"
	if got != want {
		t.Errorf("%q", got)
	}
}

// TestMemory tests that what a recorder holds does not grow with a body, and that the file is written while the exchange continues.
func TestMemory(t *testing.T) {
	r, path := create(t, redactor(t))
	values, text := strings.Repeat(`{"a":[1,"text"]},`, 1000), strings.Repeat("x", 17_000)
	for _, tc := range [][3]string{
		{"application/json", "[", values}, {"application/json", `"`, text}, {"application/json", `{"secret":"`, text},
		{"application/octet-stream", "", text}, {"text/event-stream", "", "data: " + text + "\n\n"}, {"text/event-stream", "data: ", text},
	} {
		media, piece := tc[0]+" "+tc[1], []byte(tc[2])
		tape := r.Begin("pollWork", request("GET", "/v1/x"))
		tape.Response(200, header("Content-Type: "+tc[0]))
		tape.Body([]byte(tc[1]))
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		held := before.HeapAlloc
		for range 600 { // 10 MB
			tape.Body(piece)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		if grown := int64(after.HeapAlloc) - int64(held); grown > 3<<20 { // a frame of at most 1 MiB is held, in a buffer that has grown to it
			t.Errorf("%s: %d bytes are held of 10 MB", media, grown)
		}
		if strings.Contains(tc[1], "secret") {
			tape.End(recording.Complete)
			continue // nothing is written of it
		}
		parts, err := filepath.Glob(path + ".*.part")
		if err != nil || len(parts) != 1 {
			t.Fatal(parts, err)
		}
		if info, err := os.Stat(parts[0]); err != nil || info.Size() < 9<<20 || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v bytes are written, %v", media, info.Size(), err)
		}
		tape.End(recording.Complete)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

// TestWildFiles tests that a malformed file is refused with the line.
func TestWildFiles(t *testing.T) {
	t.Parallel()
	const good = "sessions recording 1\n\nexchange 1 at 0s getModel\nrequest GET /v1/models\n  Accept: a/b\nresponse 200 after 1ms\n  Content-Type: application/json\njson\n  {}\nend after 2ms\n"
	if _, err := recording.Read("f", strings.NewReader(good)); err != nil {
		t.Fatal(err)
	}
	if rec, err := recording.Read("f", strings.NewReader(strings.ReplaceAll(good, "\n", "\r\n"))); err != nil || string(rec.Exchanges[0].Body) != "{}" {
		t.Errorf("line ends of Windows: %v", err)
	}
	change := func(from, to string) string { return strings.Replace(good, from, to, 1) }
	for text, want := range map[string]string{
		"":                                       `f:1: the first line must be "sessions recording 1", not the end of the file`,
		"{}":                                     `f:1: the first line must be "sessions recording 1", not "{}"`,
		change("recording 1", "recording 2"):     `f:1: the first line must be "sessions recording 1", not "sessions recording 2"`,
		good + "more":                            `f:11: a line "exchange NUMBER at TIME OPERATION" must come here, not "more"`,
		good + good[22:]:                         `f:11: exchange 1 is in line 3 as well; number the exchanges in the order in which they began`,
		change("exchange 1 at", "exchange 0 at"): `f:3: the number of an exchange must be a number from 1 to 1073741824, not "0"`,
		change("exchange 1 at", "exchange 1 after"):                             `f:3: the line must be "exchange NUMBER at TIME OPERATION", not "exchange 1 after 0s getModel"`,
		change("at 0s", "at -1s"):                                               `f:3: a time must be a duration such as 12.5ms, up to 1000h0m0s, not "-1s"`,
		change("at 0s", "at 2000h"):                                             `f:3: a time must be a duration such as 12.5ms, up to 1000h0m0s, not "2000h"`,
		change("request GET /v1/models", "request GET"):                         `f:4: the line must be "request METHOD TARGET", not "request GET"`,
		change("GET /v1", "G(T /v1"):                                            `f:4: a request needs a method and a target that begins with a slash, not "request G(T /v1/models"`,
		change("/v1/models", "/%zz"):                                            `f:4: a request needs a method and a target that begins with a slash, not "request GET /%zz"`,
		change("/v1/models", "@evil/"):                                          `f:4: a request needs a method and a target that begins with a slash, not "request GET @evil/"`,
		change("  Accept: a/b", "  Accept"):                                     `f:5: a header must be "Name: value", not "  Accept"`,
		change("  Accept: a/b", "  Accept: a\x00b"):                             `f:5: the value of header Accept must not contain control characters`,
		change("  Accept", "Accept"):                                            `f:5: an exchange ends with a line "end after TIME", "cut after TIME" or "left after TIME"; "Accept: a/b" cannot come here`,
		change("200", "20"):                                                     `f:6: a status must be a number from 200 to 999, not "20"`,
		change("200", "1e9"):                                                    `f:6: a status must be a number from 200 to 999, not "1e9"`,
		change("json\n  {}", "base64\n  AA==\n  %"):                             `f:10: the line is not base64`,
		change("json\n  {}", "frame\n  data: 1"):                                `f:8: an exchange ends with a line "end after TIME", "cut after TIME" or "left after TIME"; "frame" cannot come here`,
		change("json\n  {}", "frame at 1s\n  data: 1"):                          `f:8: a line "frame after TIME", "part after TIME" or "part base64 after TIME" must come here, not "frame at 1s"`,
		change("end after 2ms\n", ""):                                           `f:10: an exchange ends with a line "end after TIME", "cut after TIME" or "left after TIME"; the end of the file cannot come here`,
		change("end after 2ms", "end"):                                          `f:10: the line must be "end after TIME", not "end"`,
		"sessions recording 1\nexchange 1 at 0s\nrequest GET /\nend after 1s\n": `f:4: an exchange without a response ends with "cut" or "left"`,
	} {
		if _, err := recording.Read("f", strings.NewReader(text)); err == nil || err.Error() != want {
			t.Errorf("%q:\ngot  %v\nwant %s", text, err, want)
		}
	}
}

// TestManyLines tests that a file of short lines takes about as much memory as one of long lines.
func TestManyLines(t *testing.T) { // not parallel: it counts what is allocated
	const lines = 1_000_000
	for _, line := range []string{"  \n", "  AAAA\n"} {
		kind := map[bool]string{true: "text", false: "base64"}[line == "  \n"]
		text := "sessions recording 1\nexchange 1 at 0s\nrequest GET /\nresponse 200 after 1ms\n" + kind + "\n" + strings.Repeat(line, lines) + "end after 1ms\n"
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		rec, err := recording.Read("f", strings.NewReader(text))
		runtime.ReadMemStats(&after)
		if err != nil || len(rec.Exchanges[0].Body) < lines-1 {
			t.Fatal(err)
		}
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 15*uint64(len(text)) {
			t.Errorf("%s: %d bytes were allocated for %d", kind, grown, len(text))
		}
	}
}

// FuzzRead tests that any file is read or refused with a line that it has, and that what is read does not panic or take more
// than its size.
func FuzzRead(f *testing.F) {
	f.Add([]byte("sessions recording 1\n\nexchange 1 at 0s getModel\nrequest GET /v1/models\n  Accept: a/b\njson\n  {}\nresponse 200 after 1ms\n  Content-Type: application/json\nbase64\n  AAAA\nend after 2ms\n"))
	f.Add([]byte("sessions recording 1\nexchange 2 at 1s\nrequest GET /\nresponse 200 after 1ms\nframe after 1ms\n  data: 1\npart after 1ms\n  x\npart base64 after 2ms\n  AA==\ncut after 2ms\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		rec, err := recording.Read("f", bytes.NewReader(data))
		if err != nil {
			wrong, ok := err.(*recording.FileError)
			if !ok || wrong.Line < 1 || wrong.Line > bytes.Count(data, []byte("\n"))+2 {
				t.Fatalf("%v", err)
			}
			return
		}
		for _, e := range rec.Exchanges {
			if len(e.Body)+len(e.RequestBody) > len(data) {
				t.Errorf("bodies of %d bytes", len(e.Body)+len(e.RequestBody))
			}
			if e.Number < 1 || e.Line < 2 || e.Method == "" || fmt.Sprint(e.End) == "" {
				t.Errorf("%+v", e)
			}
		}
	})
}

// FuzzJSON tests that JSON comes back from a file without the white space between its tokens and otherwise unchanged, however
// it arrived, and that anything else leaves a file that can be read.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{`{"a":[1,{"b":"x\"\\"},[]],"c":null}`, `"\\"`, `[[],{},""]`, ` -1.5e3 `, `{"a`, `]]}:,"`, "{\"a\": \"\x01\n\"}"} {
		f.Add([]byte(text), uint8(3))
	}
	f.Fuzz(func(t *testing.T, data []byte, size uint8) {
		r, path := create(t, redactor(t))
		tape := r.Begin("listModels", request("GET", "/v1/models"))
		tape.Response(200, header("Content-Type: application/json"))
		chunked(string(data), int(size)+1, tape.Body)
		tape.End(recording.Complete)
		_, rec := closed(t, r, path)
		var want bytes.Buffer
		if json.Compact(&want, data) == nil && !bytes.Contains(data, []byte("=")) && string(rec.Exchanges[0].Body) != want.String() {
			t.Errorf("%q became %q, want %q", data, rec.Exchanges[0].Body, want.String())
		}
	})
}
