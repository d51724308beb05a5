package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/client/contractcheck"
	"github.com/cloud-sessions/sessions/server"
)

func TestContractCheck(t *testing.T) {
	t.Parallel()
	api := demo(t, func(c *server.Config) { c.Features = []string{server.FeatureM3} })
	checked := func(args ...string) string {
		p := prepare(t, api, append([]string{"contract", "check"}, args...)...)
		if code := p.end(t); code != exitOK || !regexp.MustCompile(`^\d+ of \d+ operations conform to the contract, none drifts, \d+ were not checked\.\n$`).MatchString(p.said()) {
			t.Errorf("%s: exit code %d, %s", args, code, &p.err)
		}
		return p.out.String()
	}
	table := checked("-o", "table")
	if !strings.Contains(table, "\ncreateSession ") || strings.Contains(table, "drifts") || strings.Contains(table, "unchecked") {
		t.Errorf("table: %s", table)
	}
	var results []contractcheck.Result
	if err := json.Unmarshal([]byte(checked("--read-only")), &results); err != nil || len(results) == 0 {
		t.Fatal(err)
	}
	for _, r := range results {
		if read := strings.HasPrefix(r.Operation, "get") || strings.HasPrefix(r.Operation, "list") || r.Operation == "streamEvents"; read != (r.Verdict == contractcheck.Conforms) {
			t.Errorf("read-only: %+v", r)
		}
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
	said := fmt.Sprintf("sessions: 1 of %d operations drift from the contract\n", len(contract(t)))
	for form, want := range map[string]string{
		"table": "\n\nlistModels: the response (200) violates the contract: content: the content type is not declared (request id ",
		"json":  `"rule": "content",`,
		"yaml":  "\n      rule: content\n",
	} {
		p := prepare(t, proxy.URL+"/v1", "contract", "check", "--read-only", "-o", form)
		if code := p.end(t); code != exitFailure || p.said() != said {
			t.Errorf("%s: got exit code %d and %q, want %d and %q", form, code, p.said(), exitFailure, said)
		}
		if !strings.Contains(p.out.String(), want) {
			t.Errorf("no %q in %s", want, &p.out)
		}
	}
}

func TestContractCheckMistakes(t *testing.T) {
	t.Parallel()
	p := prepare(t, demo(t), "contract", "check", "--token", "pt-wrong")
	if code := p.end(t); code != exitDenied || p.out.Len() > 0 || !strings.Contains(p.said(), "check QODER_PAT, --token-file or the profile") {
		t.Errorf("exit code %d: %s%s", code, &p.out, &p.err)
	}
	p = prepare(t, "http://127.0.0.1:1/v1", "contract", "check", "--retries", "0")
	if code := p.end(t); code != exitFailure || !strings.Contains(p.said(), "check that the server is running and --base-url is right") {
		t.Errorf("exit code %d: %s", code, &p.err)
	}
}
