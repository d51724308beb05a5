package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// pages serves a list of n agents, agent_1 to agent_n, in pages as the contract has them; asked is called
// with each request's query.
func pages(t *testing.T, n int, asked func(*http.Request)) string {
	return serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked(r)
		limit, _ := strconv.Atoi(r.FormValue("limit"))
		first := 1
		if page := r.FormValue("page"); page != "" {
			first, _ = strconv.Atoi(page)
		}
		last := min(first+limit-1, n)
		var data []string
		for i := first; i <= last; i++ {
			data = append(data, fmt.Sprintf(`{"id":"agent_%d","name":"n","version":1}`, i))
		}
		next := "null"
		if last < n {
			next = strconv.Quote(strconv.Itoa(last + 1))
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"data":[%s],"has_more":%v,"next_page":%s}`, strings.Join(data, ","), last < n, next)
	})
}

// A limit goes over as many pages as it takes, and no record more is printed.
func TestLimits(t *testing.T) {
	t.Parallel()
	for _, tc := range []struct {
		args    string
		asked   []string
		records int
	}{
		{"", []string{"20"}, 20},
		{"--limit 7", []string{"7"}, 7},
		{"--limit 100", []string{"100"}, 100},
		{"--limit 150", []string{"100", "100"}, 150},
		{"--limit 1000", []string{"100", "100", "100"}, 250},
		{"--all", []string{"100", "100", "100"}, 250},
	} {
		t.Run(tc.args, func(t *testing.T) {
			t.Parallel()
			var asked []string
			api := pages(t, 250, func(r *http.Request) { asked = append(asked, r.FormValue("limit")) })
			var records []struct{ ID string }
			p := prepare(t, api, append([]string{"agents", "list"}, strings.Fields(tc.args)...)...)
			if code := p.end(t); code != exitOK {
				t.Fatalf("exit code %d", code)
			}
			if err := json.Unmarshal(p.out.Bytes(), &records); err != nil {
				t.Fatalf("%v: %s", err, &p.out)
			}
			said := ""
			if tc.args == "" { // nobody has asked for so few
				said = "More records exist: use --all, --limit or --after.\n"
			}
			if p.said() != said {
				t.Errorf("said %q", p.said())
			}
			if last := fmt.Sprintf("agent_%d", tc.records); len(records) != tc.records || records[len(records)-1].ID != last {
				t.Errorf("%d records", len(records))
			}
			if diff := cmp.Diff(tc.asked, asked); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// Records are written as they come: the first page is out before the second one is answered.
func TestListsAreStreamed(t *testing.T) {
	t.Parallel()
	first := map[string]string{"json": "[", "jsonl": `{"id":"agent_1"`, "yaml": "- id: agent_1", "table": "ID ", "id": "agent_1"}
	for form, begin := range first {
		t.Run(form, func(t *testing.T) {
			t.Parallel()
			read := make(chan struct{})
			api := pages(t, 200, func(r *http.Request) {
				if r.FormValue("page") != "" {
					select {
					case <-read:
					case <-r.Context().Done():
					}
				}
			})
			p := prepare(t, api, "agents", "list", "--all", "-o", form)
			p.Stdout = nil
			out := p.start(t, p.StdoutPipe)
			reader := bufio.NewReader(out)
			line, err := reader.ReadString('\n')
			if err != nil || !strings.HasPrefix(line, begin) {
				t.Errorf("%v: %s", err, line)
			}
			for !strings.Contains(line, "agent_100") { // the last record of the first page
				if line, err = reader.ReadString('\n'); err != nil {
					t.Fatal(err)
				}
			}
			close(read)
			rest, _ := io.ReadAll(reader)
			if code := p.end(t); code != exitOK || strings.Count(string(rest), "agent_200") != 1 {
				t.Errorf("exit code %d, %s", code, &p.err)
			}
		})
	}
}

// A list that breaks off is no whole JSON.
func TestABrokenListIsNoticed(t *testing.T) {
	t.Parallel()
	api := pages(t, 200, func(r *http.Request) {
		if r.FormValue("page") != "" {
			panic(http.ErrAbortHandler)
		}
	})
	p := prepare(t, api, "agents", "list", "--all", "--retries", "0")
	if code := p.end(t); code != exitFailure || json.Valid(p.out.Bytes()) || !strings.HasPrefix(p.said(), "sessions: no response: EOF") {
		t.Errorf("exit code %d, %s", code, &p.err)
	}
}

// The filters arrive as the contract names them.
func TestFilters(t *testing.T) {
	t.Parallel()
	var query string
	api := pages(t, 1, func(r *http.Request) { query = r.URL.RawQuery })
	ok(t, api, "list", "--agent", "agent_1", "--status", "idle,cancelled", "--status", "processing", "--order", "asc", "--after", "sess_1",
		"--include-archived", "--created-after", "2026-05-18", "--created-before", "2026-05-18T17:26:15+02:00")
	want := "limit=20&after_id=sess_1&order=asc&include_archived=true&agent_id=agent_1&statuses%5B%5D=idle&statuses%5B%5D=cancelled&statuses%5B%5D=processing" +
		"&created_at%5Bgte%5D=2026-05-18T00%3A00%3A00Z&created_at%5Blt%5D=2026-05-18T15%3A26%3A15Z"
	if query != want {
		t.Errorf("got  %s\nwant %s", query, want)
	}
}
