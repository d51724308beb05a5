package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/api/freeport"
	"github.com/cloud-sessions/sessions/server"
)

// Each exit code, with the sentence that goes with it.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	api := demo(t)
	session := id(t, api, "create", "--agent", server.DemoAgent, "--environment", server.DemoEnvironment)
	archived := id(t, api, "environments", "create", "--name", "old", "--type", "cloud")
	ok(t, api, "environments", "archive", archived)
	busy := func(status int, kind string) string {
		return serve(t, answer(status, `{"type":"error","error":{"type":"`+kind+`","message":"Try later."},"request_id":"r1"}`))
	}
	nobody := unused(t)
	for _, tc := range []struct {
		name string
		api  string
		args string
		code int
		said string
	}{
		{"done", api, "get " + session, exitOK, ""},
		{"no server", nobody, "models list --retries 0", exitFailure,
			"no response: dial tcp " + strings.TrimPrefix(nobody, "http://") + ": connect: connection refused; check that the server is running and --base-url is right"},
		{"another server", serve(t, answer(200, "<html>")), "models list", exitFailure,
			"the response is not the contract's JSON: invalid character '<' looking for beginning of value (200 unexpected_response)"},
		{"a failing server", busy(500, "api_error"), "models list --retries 0", exitFailure, "Try later. (500 api_error, request id r1)"},
		{"feature off", api, "resources add " + session + " file_1", exitUnavailable,
			"Field 'resources' needs the feature 'm3', which the operator of the server switches on with 'sessionsd serve --features m3'. (501 feature_not_available, param resources, request id …)"},
		{"usage", api, "get", exitUsage, "missing argument SESSION; see 'sessions get --help'"},
		{"refused by the server", api, "get sess-1", exitUsage,
			"Parameter 'session_id' must be 'sess_' followed by 1 to 64 lower-case letters or digits; change the argument SESSION (400 invalid_request_error, request id …)"},
		{"base URL without its path", strings.TrimSuffix(api, "/v1"), "get " + session, exitUsage,
			"Unknown path; see /openapi.yaml for the paths of the API; the base URL lacks the path of the API; try --base-url " + api + " (404 not_found_error, request id …)"},
		{"a server without the API", serve(t, http.NotFound) + "/v1", "get " + session, exitUsage,
			`the response is text/plain, not JSON: "404 page not found"; check --base-url, which ends in /v1 or /api/v1/cloud (404 not_found_error)`},
		{"not found", api, "get sess_1", exitNotFound, "Session 'sess_1' was not found. (404 not_found_error, request id …)"},
		{"wrong token", api, "models list --token pt-wrong", exitDenied, "Invalid API key or token; check QODER_PAT, --token-file or the profile (401 authentication_error, request id …)"},
		{"not allowed", busy(403, "permission_error"), "models list", exitDenied, "Try later. (403 permission_error, request id r1)"},
		{"conflict", api, "environments archive " + archived, exitConflict, "Environment '" + archived + "' is archived already. (409 conflict_error, request id …)"},
		{"too many requests", busy(429, "rate_limit_error"), "models list --retries 0", exitBusy, "Try later. (429 rate_limit_error, request id r1)"},
		{"overloaded", busy(503, "overloaded_error"), "models list --retries 0", exitBusy, "Try later. (503 overloaded_error, request id r1)"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, tc.api, strings.Fields(tc.args)...)
			if code := p.end(t); code != tc.code {
				t.Errorf("exit code %d, want %d", code, tc.code)
			}
			want := tc.said
			if want != "" {
				want = "sessions: " + want + "\n"
			}
			if got := p.said(); got != want {
				t.Errorf("said\n%swant\n%s", got, want)
			}
			if tc.code != exitOK && p.out.Len() > 0 {
				t.Errorf("output %s", &p.out)
			}
		})
	}
}

// A wrong scheme and a certificate that is not trusted are answered with what to change.
func TestHTTPSMistakes(t *testing.T) {
	t.Parallel()
	web := httptest.NewUnstartedServer(http.NotFoundHandler())
	web.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that fail, as they must
	web.StartTLS()
	t.Cleanup(web.Close)
	for baseURL, want := range map[string]string{
		strings.Replace(web.URL, "https:", "http:", 1) + "/v1": "the server speaks HTTPS; use https:// in the base URL",
		web.URL + "/v1": "if you trust it, name a file with its certificate, or that of its authority, with --ca-file",
	} {
		p := prepare(t, baseURL, "models", "list", "--retries", "0")
		if code := p.end(t); code != exitFailure || !strings.Contains(p.said(), "; "+want) {
			t.Errorf("%s: exit code %d: %s", baseURL, code, &p.err)
		}
	}
}

// unused is an address of loopback where nobody listens.
func unused(t *testing.T) string { return "http://" + freeport.Address(t) }

// A mistake is answered with one sentence that names the flag, the argument or the field to change.
func TestMistakes(t *testing.T) {
	t.Parallel()
	api := demo(t)
	const see = "; see 'sessions create --help'"
	const rejected = " (400 invalid_request_error, request id …)"
	agent := "--agent " + server.DemoAgent
	both := agent + " --environment " + server.DemoEnvironment
	long := strings.Repeat("x", 513)
	for _, tc := range []struct{ args, file, said string }{
		{"lst", "", "unknown command \"lst\"; did you mean get or list; see 'sessions --help'"},
		{"agents lst", "", "unknown command \"lst\"; did you mean get or list; see 'sessions agents --help'"},
		{"create --agnt a", "", "unknown flag: --agnt; did you mean --agent" + see},
		{"list --colour", "", "unknown flag: --colour; see 'sessions list --help'"},
		{"list -x", "", "unknown shorthand flag: 'x' in -x; see 'sessions list --help'"},
		{"get sess_1 sess_2", "", `unexpected argument "sess_2"; see 'sessions get --help'`},
		{"resources add sess_1", "", "missing argument FILE; see 'sessions resources add --help'"},
		{"list --limit 1 --all", "", "--all and --limit exclude each other; see 'sessions list --help'"},
		{"list --limit 0", "", "--limit must be at least 1"},
		{"list --limit x", "", `--limit cannot be "x": it must be a whole number; see 'sessions list --help'`},
		{"list -o xml", "", `--output cannot be "xml": it must be one of table, json, jsonl, yaml, id; see 'sessions list --help'`},
		{"list --timeout 3", "", `--timeout cannot be "3": it must be a duration such as 30s; see 'sessions list --help'`},
		{"list --verbose=x", "", `--verbose cannot be "x": it must be true or false; see 'sessions list --help'`},
		{"list --order up", "", "Parameter 'order' must be one of 'desc', 'asc'; change --order" + rejected},
		{"list --status odd", "", "Parameter 'statuses[]' must be one of 'idle', 'processing', 'cancelled'; change --status" + rejected},
		{"list --after sess_1", "", "Parameter 'after_id' is not the cursor of a record in this list; change --after" + rejected},
		{"list --agent 1", "", "Parameter 'agent_id' must be 'agent_' followed by 1 to 64 lower-case letters or digits; change --agent" + rejected},
		{"list --created-after noon", "", `--created-after: "noon" is not a time; use a duration before now such as 24h, a day such as 2026-05-18, or 2026-05-18T15:26:15Z`},
		{"models list --base-url localhost:1", "", `base URL "localhost:1" is malformed: want http or https, a host and a path, such as https://openapi.qoder.sh/api/v1/cloud; change --base-url`},
		{"models list --token a --token-file b", "", "--token and --token-file exclude each other; see 'sessions models list --help'"},
		{"models list --token-file none", "", "--token-file: cannot read none: no such file or directory"},
		{"models list --timeout -1s", "", "--timeout and --retries must not be negative"},

		{"create", "", "agent and environment_id are missing; give --agent and --environment, or --file"},
		{"create " + agent, "", "environment_id is missing; give --environment, or --file"},
		{"create -f FILE " + agent, `{"title":"t"}`, "environment_id is missing; give --environment, or --file"},
		{"environments create --name own", "", "config is missing; give --type, or --file"},
		{"chat sess_1 --agent a", "", "--environment must be given as well; see 'sessions chat --help'"},
		{"create " + both + "@x", "", "Field 'environment_id' must be 'env_' followed by 1 to 64 lower-case letters or digits; change --environment" + rejected},
		{"create " + agent + "@x", "", `"x" is not a version of an agent; versions are numbers from 1; change --agent`},
		{"create " + both + " --metadata a", "", `"a" is not KEY=VALUE; change --metadata`},
		{"create " + both + " --metadata purpose=" + long, "", "Field 'metadata.purpose' must be a string of at most 512 characters; change --metadata" + rejected},
		{"create " + both + " --delta-flush-interval-ms 49", "", "Field 'delta_flush_interval_ms' must be an integer between 50 and 5000; change --delta-flush-interval-ms" + rejected},
		{"create " + both + " --delta-flush-interval-ms 5000000000", "", "delta_flush_interval_ms must be a whole number within its bounds, not 5000000000; change --delta-flush-interval-ms"},
		{"create " + both + " --env 1=2", "", "The name of field 'environment_variables.1' must be a letter or '_' followed by letters, digits or '_'; change --env" + rejected},
		{"update sess_1", "", "nothing to change: set a flag or --file; see 'sessions update --help'"},

		{"create " + both + " -f FILE", `{"metadata":{"a":"` + long + `"}}`, "Field 'metadata.a' must be a string of at most 512 characters; change metadata.a in --file FILE" + rejected},
		{"create " + both + " -f FILE", `{"metadata":{"a":1}}`, "metadata.a must be a string, not a number; change metadata.a in --file FILE"},
		{"create " + both + " -f FILE --metadata a=1", `{"metadata":[]}`, "metadata is not an object; change --metadata"},
		{"create " + both + " -f FILE", `{"titel":"t"}`, `--file: unknown field "titel"; did you mean title` + see},
		{"create " + both + " -f FILE", `[]`, `--file: FILE must contain one object, such as {"name": "notes"}`},
		{"create " + both + " -f FILE", `{} {}`, `--file: FILE: the file must be only one document`},
		{"create " + both + " -f FILE", "title: a\n---\ntitle: b", `--file: FILE:2:1: the file must be only one document; a second one begins here`},
		{"create " + both + " -f FILE", "a: b\n c: d", `--file: FILE:2: not valid YAML: mapping values are not allowed in this context`},
		{"create " + both + " -f FILE", "", `--file: FILE: the file is empty`},
		{"create " + both + " -f FILE", "# nothing", `--file: FILE: the file is empty`},
		{"create " + both + " -f FILE", "title: a\ntitle: b", `--file: FILE:2: not valid YAML: mapping key "title" already defined at line 1`},
		{"create " + both + " -f FILE", "titel: 1.10", `--file: unknown field "titel"; did you mean title` + see},
		{"create " + both + " -f FILE", "title: [a]", "title must be a string, not a list; change title in --file FILE"},
		{"create " + both + " -f FILE", "? [a]\n: b", "--file: FILE:1:3: a key must be a text, not a list"},
		{"create " + both + " -f FILE", "title: {x: -.inf}", "--file: FILE:1:12: JSON has no number -.inf"},
		{"create " + both + " -f FILE", bomb(), "--file: FILE: not valid YAML: document contains excessive aliasing"},
		{"create " + both + " -f bad.json", "", `--file: bad.json: the file is empty`},
		{"create " + both + " -f bad.json", "{} {}", `--file: bad.json:1: the file must be only one document; a second one begins here`},
		{"create " + both + " -f bad.json", "{}\n\n]", `--file: bad.json:3: the file must be only one document; a second one begins here`},
		{"create " + both + " -f none.json", "", `--file: cannot read none.json: no such file or directory`},
		{"create " + both + " -f bad.json", "{\n\"a\": b}", `--file: bad.json:2: not valid JSON: invalid character 'b' looking for beginning of value`},
		{"create " + both + " -f - --token-file -", "", "--file and --token-file cannot both read standard input"},
		{"agents update " + server.DemoAgent + " --version 1 --name x", "", "Version conflict. Expected version 2, got 1; change --version (409 conflict_error, request id …)"},
	} {
		t.Run(tc.args[:min(len(tc.args), 60)], func(t *testing.T) {
			t.Parallel()
			p := prepare(t, api, strings.Fields(tc.args)...)
			for _, name := range []string{"FILE", "bad.json"} {
				if err := os.WriteFile(filepath.Join(p.Dir, name), []byte(tc.file), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			code := p.end(t)
			if want := exitUsage; code != want && !strings.Contains(tc.said, "409") {
				t.Errorf("exit code %d, want %d", code, want)
			}
			if got, want := p.said(), "sessions: "+tc.said+"\n"; got != want {
				t.Errorf("said\n%swant\n%s", got, want)
			}
		})
	}
}

func TestNoToken(t *testing.T) {
	t.Parallel()
	p := prepare(t, unused(t), "models", "list")
	p.Env = append(p.Env, "QODER_PAT=")
	if code := p.end(t); code != exitDenied || p.said() != "sessions: no token: run 'sessions login', or set QODER_PAT or --token-file\n" {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

func TestTokenFiles(t *testing.T) {
	t.Parallel()
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") != "Bearer pt-file" {
			w.WriteHeader(http.StatusUnauthorized)
		}
		answer(200, `{"data":[]}`)(w, r)
	})
	p := prepare(t, api, "models", "list", "--token-file", "token")
	if err := os.WriteFile(filepath.Join(p.Dir, "token"), []byte(" pt-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	okWith(t, p)
	p = prepare(t, api, "models", "list", "--token-file", "-")
	p.Stdin = strings.NewReader("pt-file")
	okWith(t, p)
	p = prepare(t, api, "models", "list", "--token-file", "-")
	p.Stdin = strings.NewReader("\n")
	if code := p.end(t); code != exitUsage || p.said() != "sessions: --token-file: - is empty\n" {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

// --verbose tells of every attempt, and not of the token.
func TestVerbose(t *testing.T) {
	t.Parallel()
	api := demo(t)
	p := prepare(t, api, "models", "list", "--verbose")
	if code := p.end(t); code != exitOK || !strings.HasPrefix(p.err.String(), "GET "+api+"/models: 200 OK after ") || !requestID.MatchString(p.err.String()) {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
	p = prepare(t, unused(t), "models", "list", "-v", "--retries", "1")
	if p.end(t); strings.Count(p.err.String(), ": no response after ") != 2 {
		t.Errorf("%s", &p.err)
	}
}

// bomb is a small document that means 10^9 texts.
func bomb() string {
	text := "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
	for i := range 8 {
		text += fmt.Sprintf("a%d: &a%d [%s]\n", i+1, i+1, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i), 10), ", "))
	}
	return text
}

// A byte order mark is skipped in files and pipes.
func TestByteOrderMarks(t *testing.T) {
	t.Parallel()
	api := demo(t, scripted(t))
	session := newSession(t, api)
	for _, tc := range []struct{ args, in, want string }{
		{"send " + session + " -", "\ufeffhello", "I have no answer to: hello\n"},
		{"chat " + session, "\ufeffhello\n\ufeffhello", "I have no answer to: hello\nI have no answer to: \ufeffhello\n"},
		{"models list --token-file - -o id --token-file -", "\ufeff" + token + "\r\n", ok(t, api, "models", "list", "-o", "id")},
	} {
		p := prepare(t, api, strings.Fields(tc.args)...)
		p.Stdin = strings.NewReader(tc.in)
		// In a pipe, text for people shows what a terminal could not.
		if got := strings.ReplaceAll(okWith(t, p), `\ufeff`, "\ufeff"); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.args, got, tc.want)
		}
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	for _, arg := range []string{"version", "--version"} {
		if got := ok(t, unused(t), arg); !strings.HasPrefix(got, "sessions ") || !strings.HasSuffix(got, " "+runtime.Version()+"\n") {
			t.Errorf("%s: %s", arg, got)
		}
	}
}
