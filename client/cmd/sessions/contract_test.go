package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server"
)

var scoreLine = regexp.MustCompile(`^\d+ of \d+ checks passed \(100 %\), \d+ were not tried\.\n$`)

func TestContractCheck(t *testing.T) {
	t.Parallel()
	api := demo(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	checked := func(args ...string) string {
		p := prepare(t, api, append([]string{"contract", "check"}, args...)...)
		if code := p.end(t); code != exitOK || !scoreLine.MatchString(p.said()) {
			t.Errorf("%s: exit code %d, %s", args, code, &p.err)
		}
		return p.out.String()
	}
	file := filepath.Join(t.TempDir(), "contract.xml")
	table := checked("-o", "table", "--only", "createAgent,getAgent", "--skip", "invalid-bodies", "--junit", file)
	if !strings.Contains(table, "\ncreateAgent ") || !strings.Contains(table, "\ngetAgent ") || strings.Count(table, "\n") != 3 {
		t.Errorf("table: %s", table)
	}
	if junit, err := os.ReadFile(file); err != nil || !strings.Contains(string(junit), `<testcase classname="contract.createAgent" name="idempotency"></testcase>`) {
		t.Errorf("%s %v", junit, err)
	}
	var report contractcheck.Conformance
	if err := json.Unmarshal([]byte(checked("--read-only", "--skip", "paging")), &report); err != nil || len(report.Operations) == 0 {
		t.Fatal(err)
	}
	for _, r := range report.Operations {
		if read := strings.HasPrefix(r.Operation, "get") || strings.HasPrefix(r.Operation, "list") || r.Operation == "streamEvents"; read != (r.Verdict == contractcheck.Conforms) {
			t.Errorf("read-only: %+v", r)
		}
	}
}

// What a run would do is shown without a server, and without a token.
func TestContractCheckWithoutAServer(t *testing.T) {
	t.Parallel()
	for want, args := range map[string][]string{
		"\nidempotency ":                    {"--list", "-o", "table"},
		`"operation": "createMemoryStore",`: {"--dry-run", "-o", "json"},
		"createSession\n":                   {"--dry-run", "-o", "id", "--only", "getSession"},
	} {
		p := prepare(t, "http://127.0.0.1:1/v1", append([]string{"contract", "check"}, args...)...)
		if code := p.end(t); code != exitOK || !strings.Contains(p.out.String(), want) {
			t.Errorf("%s: exit code %d: %s%s", args, code, &p.out, &p.err)
		}
	}
}

// A server with another authentication is tried with a header in the place of the token.
func TestContractCheckWithAHeader(t *testing.T) {
	t.Parallel()
	api := demo(t)
	target, err := url.Parse(strings.TrimSuffix(api, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	other := httptest.NewServer(&httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		r.Out.Header.Del("Authorization")
		if r.In.Header.Get("X-Own-Key") == "key" && r.In.Header.Get("Authorization") == "Bearer other" {
			r.Out.Header.Set("Authorization", "Bearer "+token)
		}
	}})
	t.Cleanup(other.Close)
	p := prepare(t, other.URL+"/v1", "contract", "check", "--header", "X-Own-Key: key", "--header", "Authorization: Bearer other", "--only", "listModels", "-o", "table")
	if code := p.end(t); code != exitOK || !scoreLine.MatchString(p.said()) {
		t.Errorf("exit code %d: %s%s", code, &p.out, &p.err)
	}
}

// A server that drifts is told how, and the program exits with 1.
func TestContractCheckFindsDrift(t *testing.T) {
	t.Parallel()
	api := demo(t)
	target, err := url.Parse(strings.TrimSuffix(api, "/v1"))
	if err != nil {
		t.Fatal(err)
	}
	proxy := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) },
		ModifyResponse: func(r *http.Response) error {
			if r.Request.URL.Path == "/v1/models" {
				r.Header.Set("Content-Type", "text/plain")
			}
			return nil
		},
	})
	t.Cleanup(proxy.Close)
	said := regexp.MustCompile(`^sessions: 1 of 1 operations drift from the contract; \d+ of \d+ checks passed \(\d+ %\), 0 were not tried\n$`)
	for form, want := range map[string]string{
		"table": "\nGET /models: listModels: the response (200) violates the contract: content: the content type is not declared (request id ",
		"json":  `"rule": "content",`,
		"yaml":  " rule: content\n",
	} {
		p := prepare(t, proxy.URL+"/v1", "contract", "check", "--only", "listModels", "-o", form)
		if code := p.end(t); code != exitFailure || !said.MatchString(p.said()) {
			t.Errorf("%s: got exit code %d and %q, want %d", form, code, p.said(), exitFailure)
		}
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("no %q in %s", want, &p.out)
		}
		if rule := "\ncheck responses: Every response has a declared status"; form == "table" && !strings.Contains(p.out.String(), rule) {
			t.Errorf("no %q in %s", rule, &p.out)
		}
	}
}

func TestContractCheckMistakes(t *testing.T) {
	t.Parallel()
	p := prepare(t, demo(t), "contract", "check", "--token", "pt-wrong")
	if code := p.end(t); code != exitDenied || p.out.Len() > 0 || !strings.Contains(p.said(), "check QODER_PAT, --token-file or the profile") {
		t.Errorf("exit code %d: %s%s", code, &p.out, &p.err)
	}
	p = prepare(t, "http://127.0.0.1:1/v1", "contract", "check", "--skip", "page")
	if code := p.end(t); code != exitUsage || !strings.Contains(p.said(), `"page" is neither an operation of the contract nor a check`) {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	p = prepare(t, "http://127.0.0.1:1/v1", "contract", "check", "--header", "X-Own-Key")
	if code := p.end(t); code != exitUsage || !strings.Contains(p.said(), "use 'NAME: VALUE'") {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
	p = prepare(t, "http://127.0.0.1:1/v1", "contract", "check", "--retries", "0")
	if code := p.end(t); code != exitFailure || !strings.Contains(p.said(), "check that the server is running and --base-url is right") {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
}
