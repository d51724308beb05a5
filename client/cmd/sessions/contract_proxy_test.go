//go:build unix

package main

import (
	"bufio"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// proxied starts the proxy and returns its address, and a function that interrupts it and returns its exit code.
func proxied(t *testing.T, p *program) (address string, stop func() int) {
	t.Helper()
	p.Stderr = nil
	said := bufio.NewReader(p.start(t, p.StderrPipe))
	line, err := said.ReadString('\n')
	address, rest, found := strings.Cut(strings.TrimPrefix(line, "sessions: listening on "), " for ")
	if !found || err != nil || !strings.HasSuffix(rest, "; press Ctrl-C to stop\n") {
		t.Fatalf("%q %v", line, err)
	}
	return address, func() int {
		if err := p.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		_, _ = said.WriteTo(&p.err)
		return p.end(t)
	}
}

// TestContractProxy records what passes, replays it, and compares the two recordings.
func TestContractProxy(t *testing.T) {
	t.Parallel()
	api := demo(t)
	first := prepare(t, api, "contract", "proxy", "--upstream", strings.TrimSuffix(api, "/v1"), "--record", "first.txt")
	address, stop := proxied(t, first)
	session := newSession(t, address+"/v1")
	if out := ok(t, address+"/v1", "send", session, "Hello"); !strings.Contains(out, "You said: Hello") {
		t.Errorf("%s", out)
	}
	if code := stop(); code != exitOK || first.out.Len() > 0 || first.err.String() != "3 exchanges, no violation of the contract\n" {
		t.Errorf("exit code %d, %s%s", code, &first.out, &first.err)
	}
	path := filepath.Join(first.Dir, "first.txt")
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), token) || !strings.Contains(string(text), "You said: Hello") {
		t.Errorf("%v %s", err, text)
	}

	second := prepare(t, api, "contract", "proxy", "--replay", path)
	address, stop = proxied(t, second)
	if again := newSession(t, address+"/v1"); again != session {
		t.Errorf("session %s, want %s", again, session)
	}
	if out := ok(t, address+"/v1", "send", session, "Hello"); !strings.Contains(out, "You said: Hello") {
		t.Errorf("%s", out)
	}
	other := prepare(t, address+"/v1", "send", session, "Bye")
	if code := other.end(t); code != exitUnavailable || !strings.Contains(other.said(), "Every exchange of the recording for this POST /sessions/"+session+"/events was served; the last is 2") {
		t.Errorf("exit code %d, %s", code, other.said())
	}
	want := "POST /v1/sessions/" + session + "/events sendEvents request: Every exchange of the recording"
	if code := stop(); code != exitOK || !strings.HasPrefix(second.out.String(), want) {
		t.Errorf("exit code %d, %s%s", code, &second.out, &second.err)
	}
	drift := prepare(t, api, "contract", "drift", path, path, "-o", "json")
	if code := drift.end(t); code != exitOK || drift.out.String() != "[]\n" || drift.said() != "no difference\n" {
		t.Errorf("exit code %d, %s%s", code, &drift.out, drift.said())
	}
}

// TestContractProxyReports finds violations, and counts them at the end.
func TestContractProxyReports(t *testing.T) {
	t.Parallel()
	upstream := serve(t, answer(200, `{"data":[]}`))
	p := prepare(t, upstream, "contract", "proxy", "--upstream", upstream, "--mode", "enforce", "--record", "r.txt")
	address, stop := proxied(t, p)
	for path, want := range map[string]int{"/v1/models": 502, "/v1/sessions?limit=0": 400, "/nothing": 404} {
		resp, err := http.Get(address + path)
		if err != nil || resp.StatusCode != want {
			t.Fatalf("%s: %v %v", path, resp, err)
		}
		_ = resp.Body.Close()
	}
	code := stop()
	if code != exitFailure || p.err.String() != "sessions: 3 exchanges, 3 violations of the contract: outside of the contract 1, listModels 1, listSessions 1\n" {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
	for _, want := range []string{
		"GET /v1/models listModels 200: header: X-Request-Id is missing\n",
		"GET /v1/sessions listSessions request: Parameter 'limit' must be an integer between 1 and 100. (limit)\n", "GET /nothing request: The contract has no such operation.\n",
	} {
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("no %q in %s", want, &p.out)
		}
	}
	records := prepare(t, upstream, "contract", "proxy", "--upstream", upstream, "-o", "jsonl")
	address, stop = proxied(t, records)
	if resp, err := http.Get(address + "/nothing"); err != nil || resp.Body.Close() != nil {
		t.Fatal(resp, err)
	}
	if code := stop(); code != exitFailure || !strings.HasPrefix(records.out.String(), `{"kind":"violation","method":"GET","path":"/nothing","message":"The contract has no such operation."}`+"\n") {
		t.Errorf("exit code %d, %s", code, &records.out)
	}
	drift := prepare(t, upstream, "contract", "drift", filepath.Join(p.Dir, "r.txt"), "-o", "table")
	if code := drift.end(t); code != exitFailure || !strings.Contains(drift.out.String(), "listModels  200     header: X-Request-Id is missing") || drift.said() != "sessions: 1 difference\n" {
		t.Errorf("exit code %d, %s%s", code, &drift.out, drift.said())
	}
}

// TestContractProxyTrusts checks that --ca-file, and its variable, are for the upstream.
func TestContractProxyTrusts(t *testing.T) {
	t.Parallel()
	api, file := privately(t, "../../../server/turn/testdata/worker.yaml")
	for _, tc := range []struct {
		name           string
		flag, variable string
		want           int
	}{
		{"flag", file, "", http.StatusOK},
		{"variable", "", file, http.StatusOK},
		{"neither", "", "", http.StatusBadGateway},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			p := prepare(t, api, "contract", "proxy", "--upstream", strings.TrimSuffix(api, "/v1"), "--ca-file", tc.flag)
			p.Env = append(p.Env, caFileVariable+"="+tc.variable)
			address, stop := proxied(t, p)
			req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"/v1/models", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			if err != nil || resp.Body.Close() != nil || resp.StatusCode != tc.want {
				t.Errorf("%v %v, want %d", resp, err, tc.want)
			}
			if code := stop(); code != exitOK {
				t.Errorf("exit code %d, %s%s", code, &p.out, &p.err)
			}
		})
	}
}

func TestContractProxyMistakes(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	wild := filepath.Join(folder, "wild.txt")
	if err := os.WriteFile(wild, []byte("sessions recording 1\n\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for want, args := range map[string][]string{
		"at least one of the flags in the group [upstream replay] is required; see 'sessions contract proxy --help'": {"proxy"},
		"--replay and --upstream exclude each other; see 'sessions contract proxy --help'":                           {"proxy", "--upstream", "http://a", "--replay", "b"},
		"--record and --replay exclude each other; see 'sessions contract proxy --help'":                             {"proxy", "--record", "a", "--replay", "b"},
		"--upstream must be a URL such as http://127.0.0.1:8080, without a user and a query":                         {"proxy", "--upstream", "127.0.0.1:8080"},
		"--mode cannot be \"strict\": it must be one of report, enforce; see 'sessions contract proxy --help'":       {"proxy", "--upstream", "http://a", "--mode", "strict"},
		"--record: " + wild + " exists; remove it or name another file":                                              {"proxy", "--upstream", "http://127.0.0.1:1", "--record", wild},
		"--replay: wild.txt:3: a line \"exchange NUMBER at TIME OPERATION\" must come here, not \"more\"":            {"proxy", "--replay", wild},
		"--replay: cannot read " + filepath.Join(folder, "none") + ": no such file or directory":                     {"proxy", "--replay", filepath.Join(folder, "none")},
		"wild.txt:3: a line \"exchange NUMBER at TIME OPERATION\" must come here, not \"more\"":                      {"drift", wild},
		"--timing needs --replay":                                                {"proxy", "--upstream", "http://a", "--timing", "real"},
		"--keep-secrets needs --record":                                          {"proxy", "--upstream", "http://a", "--keep-secrets"},
		"missing argument BEFORE; see 'sessions contract drift --help'":          {"drift"},
		"--ca-file: " + wild + " has no certificate in PEM":                      {"proxy", "--upstream", "https://a", "--ca-file", wild},
		"--listen nowhere: listen tcp: address nowhere: missing port in address": {"proxy", "--upstream", "http://a", "--listen", "nowhere"},
	} {
		p := prepare(t, "http://127.0.0.1:1/v1", append([]string{"contract"}, args...)...)
		if code := p.end(t); code != exitUsage || p.said() != "sessions: "+want+"\n" {
			t.Errorf("%v: exit code %d, %q, want %q", args, code, p.said(), want)
		}
	}
}
