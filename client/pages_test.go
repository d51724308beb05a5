package client_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// page is a page of agents a to b; more is the raw value of has_more and next_page.
func page(a, b int, hasMore bool, next string) client.RoundTripFunc {
	data := ""
	for i := a; i <= b; i++ {
		data += fmt.Sprintf(`,{"id":"agent_%d"}`, i)
	}
	return answer(200, fmt.Sprintf(`{"data":[%s],"first_id":"agent_%d","last_id":"agent_%d","has_more":%v,"next_page":%s}`,
		data[1:], a, b, hasMore, next))
}

// collect ranges over agents and returns their ids and the errors.
func collect(ctx context.Context, c *client.Client, params *client.ListAgentsParams) (ids []string, errs []error) {
	for agent, err := range c.Agents.All(ctx, params) {
		if err != nil {
			errs = append(errs, err)
			continue
		}
		if ids = append(ids, agent.ID); len(ids) > 1000 {
			return ids, append(errs, errors.New("the list does not end"))
		}
	}
	return ids, errs
}

func queries(rec *recorder) (all []string) {
	for _, req := range rec.requests {
		all = append(all, req.URL.RawQuery)
	}
	return all
}

func TestAll(t *testing.T) {
	empty := answer(200, `{"data":[],"first_id":null,"last_id":null,"has_more":false,"next_page":null}`)
	cases := []struct {
		name    string
		steps   []client.RoundTripFunc
		params  *client.ListAgentsParams
		ids     []string
		queries []string
		err     string
	}{
		{"nothing", []client.RoundTripFunc{empty}, nil, nil, []string{""}, ""},
		{"three pages", []client.RoundTripFunc{page(1, 2, true, `"p2"`), page(3, 4, true, `"p3"`), page(5, 5, false, "null")},
			&client.ListAgentsParams{Limit: new(int32(2)), Order: new(client.ListOrderAsc), AfterID: new("agent_0")},
			[]string{"agent_1", "agent_2", "agent_3", "agent_4", "agent_5"},
			[]string{"limit=2&after_id=agent_0&order=asc", "limit=2&page=p2&order=asc", "limit=2&page=p3&order=asc"}, ""},
		{"a server without next_page", []client.RoundTripFunc{page(1, 2, true, "null"), page(3, 3, false, "null")}, nil,
			[]string{"agent_1", "agent_2", "agent_3"}, []string{"", "after_id=agent_2"}, ""},
		{"backward", []client.RoundTripFunc{page(5, 6, true, "null"), page(3, 4, false, "null")},
			&client.ListAgentsParams{BeforeID: new("agent_7")},
			[]string{"agent_5", "agent_6", "agent_3", "agent_4"}, []string{"before_id=agent_7", "before_id=agent_5"}, ""},
		{"an empty page in between", []client.RoundTripFunc{
			answer(200, `{"data":[],"first_id":null,"last_id":null,"has_more":true,"next_page":"p2"}`), page(1, 1, false, "null"),
		}, nil, []string{"agent_1"}, []string{"", "page=p2"}, ""},
		{"an error at once", []client.RoundTripFunc{answer(401, envelope("authentication_error", "no"))}, nil, nil, []string{""},
			"Agents.List: 401 authentication_error: no (request id req_body)"},
		{"an error later", []client.RoundTripFunc{page(1, 1, true, `"p2"`), answer(400, envelope("invalid_request_error", "no"))}, nil,
			[]string{"agent_1"}, []string{"", "page=p2"}, "Agents.List: 400 invalid_request_error: no (request id req_body)"},
		{"the same page again", []client.RoundTripFunc{page(1, 1, true, `"p2"`), page(2, 2, true, `"p2"`)}, nil,
			[]string{"agent_1", "agent_2"}, []string{"", "page=p2"}, "Agents.List: has_more is true but the response has no cursor for the next page"},
		{"the same ids again", []client.RoundTripFunc{page(1, 1, true, "null")}, nil,
			[]string{"agent_1", "agent_1"}, []string{"", "after_id=agent_1"}, "Agents.List: has_more is true but the response has no cursor for the next page"},
		{"more of nothing", []client.RoundTripFunc{answer(200, `{"data":[],"has_more":true}`)}, nil, nil, []string{""},
			"Agents.List: has_more is true but the response has no cursor for the next page"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := scripted(t, tc.steps)
			ids, errs := collect(t.Context(), c, tc.params)
			if diff := cmp.Diff(tc.ids, ids); diff != "" {
				t.Errorf("ids (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(tc.queries, queries(rec)); diff != "" {
				t.Errorf("queries (-want +got):\n%s", diff)
			}
			if tc.err == "" && len(errs) == 0 {
				return
			}
			if len(errs) != 1 {
				t.Fatalf("%d errors: %v", len(errs), errs)
			}
			wantText(t, errs[0], tc.err)
		})
	}
}

// A loop that ends early fetches nothing more; ranging again starts anew; params are copied.
func TestAllStops(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{page(1, 2, true, `"p2"`)})
	params := &client.ListAgentsParams{Limit: new(int32(2))}
	agents := c.Agents.All(t.Context(), params)
	params.Limit, params.Page = nil, new("elsewhere")
	for range 2 {
		for agent, err := range agents {
			if err != nil || agent.ID != "agent_1" {
				t.Errorf("%s, %v", agent.ID, err)
			}
			break
		}
	}
	if diff := cmp.Diff([]string{"limit=2", "limit=2"}, queries(rec)); diff != "" {
		t.Errorf("queries (-want +got):\n%s", diff)
	}
}

// TestListsWithoutEnd tests that a list ends on a server whose pages do not, after few of them.
func TestListsWithoutEnd(t *testing.T) {
	endless := func(next func(n int) string, records string) (requests int, err error) {
		c := bare(t, func(r *http.Request) (*http.Response, error) {
			if requests++; requests > 2000 {
				return answer(404, "the list does not end")(r)
			}
			return answer(200, fmt.Sprintf(`{"data":[%s],"has_more":true,"next_page":%q}`, records, next(requests)))(r)
		})
		for _, err = range c.Agents.All(t.Context(), nil) {
		}
		return requests, err
	}
	for _, length := range []int{2, 3, 7, 100} {
		for _, records := range []string{"", `{"id":"agent_1"}`} {
			n, err := endless(func(n int) string { return fmt.Sprint(n % length) }, records)
			if !errors.Is(err, client.ErrUnexpectedResponse) || n > 5*length {
				t.Errorf("a circle of %d pages, %q: %d requests, %v", length, records, n, err)
			}
		}
	}
	n, err := endless(func(n int) string { return fmt.Sprint(n) }, "")
	if !errors.Is(err, client.ErrUnexpectedResponse) || n != 1000 {
		t.Errorf("empty pages: %d requests, %v", n, err)
	}
}

func TestPages(t *testing.T) {
	c, rec := scripted(t, []client.RoundTripFunc{page(1, 2, true, `"p2"`), page(3, 3, false, "null")})
	first, err := c.Agents.List(t.Context(), nil, client.WithHeader("X-Trace", "7"))
	if err != nil {
		t.Fatal(err)
	}
	if first.FirstID != "agent_1" || first.LastID != "agent_2" || !first.HasMore || first.NextPage != "p2" || len(first.Data) != 2 {
		t.Errorf("first page %+v", first)
	}
	second, err := first.Next(t.Context())
	if err != nil || second.LastID != "agent_3" || second.HasMore {
		t.Fatalf("second page %+v, %v", second, err)
	}
	if got := rec.last().Header.Get("X-Trace"); got != "7" {
		t.Errorf("the options were lost: X-Trace %q", got)
	}
	if third, err := second.Next(t.Context()); third != nil || !errors.Is(err, io.EOF) {
		t.Errorf("after the last page: %v, %v", third, err)
	}
	if len(rec.requests) != 2 {
		t.Errorf("%d requests", len(rec.requests))
	}
	var zero client.Page[client.Agent]
	if _, err := zero.Next(t.Context()); !errors.Is(err, io.EOF) {
		t.Errorf("zero page: %v", err)
	}
}

// A context that ends between pages ends the loop with its error.
func TestAllCanceled(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c, _ := scripted(t, []client.RoundTripFunc{func(req *http.Request) (*http.Response, error) {
		defer cancel()
		return page(1, 1, true, `"p2"`)(req)
	}})
	ids, errs := collect(ctx, c, nil)
	if len(ids) != 1 || len(errs) != 1 || !errors.Is(errs[0], context.Canceled) {
		t.Errorf("ids %v, errors %v", ids, errs)
	}
}

// What List sends of the filters, and what All does with params that change later.
func TestSessionFilters(t *testing.T) {
	east := time.FixedZone("UTC+8", 8*60*60)
	cases := []struct {
		name   string
		params client.ListSessionsParams
		raw    string
		want   url.Values
	}{
		{"states", client.ListSessionsParams{Statuses: []client.SessionStatus{client.SessionStatusIdle, client.SessionStatusProcessing}},
			"statuses%5B%5D=idle&statuses%5B%5D=processing", url.Values{"statuses[]": {"idle", "processing"}}},
		{"no state", client.ListSessionsParams{Statuses: []client.SessionStatus{}}, "", url.Values{}},
		{"agent", client.ListSessionsParams{AgentID: new("agent_1"), IncludeArchived: new(true)},
			"include_archived=true&agent_id=agent_1", url.Values{"include_archived": {"true"}, "agent_id": {"agent_1"}}},
		{"after", client.ListSessionsParams{CreatedAfter: new(time.Date(2026, 5, 18, 15, 26, 15, 747298000, time.UTC))},
			"created_at%5Bgt%5D=2026-05-18T15%3A26%3A15.747298Z", url.Values{"created_at[gt]": {"2026-05-18T15:26:15.747298Z"}}},
		{"zone and nanoseconds", client.ListSessionsParams{
			CreatedFrom:   new(time.Date(2026, 5, 19, 7, 26, 15, 123456789, east)),
			CreatedBefore: new(time.Date(2026, 5, 19, 8, 0, 0, 0, east)),
			CreatedTo:     new(time.Date(2026, 5, 19, 8, 0, 0, 999, east)),
		},
			"created_at%5Bgte%5D=2026-05-18T23%3A26%3A15.123456Z&created_at%5Blt%5D=2026-05-19T00%3A00%3A00Z&created_at%5Blte%5D=2026-05-19T00%3A00%3A00Z",
			url.Values{
				"created_at[gte]": {"2026-05-18T23:26:15.123456Z"}, "created_at[lt]": {"2026-05-19T00:00:00Z"},
				"created_at[lte]": {"2026-05-19T00:00:00Z"},
			}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := scripted(t, []client.RoundTripFunc{answer(200, `{"data":[],"has_more":false}`)})
			if _, err := c.Sessions.List(t.Context(), &tc.params); err != nil {
				t.Fatal(err)
			}
			sessions := c.Sessions.All(t.Context(), &tc.params)
			for i := range tc.params.Statuses {
				tc.params.Statuses[i] = "changed"
			}
			for _, at := range []*time.Time{tc.params.CreatedAfter, tc.params.CreatedFrom, tc.params.CreatedBefore, tc.params.CreatedTo} {
				if at != nil {
					*at = time.Time{}
				}
			}
			for _, err := range sessions {
				t.Error(err)
			}
			if diff := cmp.Diff([]string{tc.raw, tc.raw}, queries(rec)); diff != "" {
				t.Errorf("queries (-want +got):\n%s", diff)
			}
			for _, req := range rec.requests {
				if diff := cmp.Diff(tc.want, req.URL.Query()); diff != "" {
					t.Errorf("decoded (-want +got):\n%s", diff)
				}
			}
		})
	}
}

// The lists below one record page like the others, each with its own kind of cursor.
func TestListsBelowARecord(t *testing.T) {
	steps := func(first, last string) []client.RoundTripFunc {
		body := `{"data":[{"id":"x"}],"first_id":%q,"last_id":%q,"has_more":%v,"next_page":%s}`
		return []client.RoundTripFunc{
			answer(200, fmt.Sprintf(body, first, first, true, `"`+first+`"`)), answer(200, fmt.Sprintf(body, last, last, false, "null")),
		}
	}
	cases := []struct {
		name  string
		steps []client.RoundTripFunc
		count func(*client.Client) (n int, err error)
		urls  []string
	}{
		{"versions", steps("3", "2"), func(c *client.Client) (n int, err error) {
			for _, err := range c.Agents.AllVersions(t.Context(), "agent_1", &client.ListAgentVersionsParams{AfterID: new("4"), Limit: new(int32(1))}) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}, []string{"/api/v1/cloud/agents/agent_1/versions?limit=1&after_id=4", "/api/v1/cloud/agents/agent_1/versions?limit=1&page=3"}},
		{"files", steps("sesr_3", "sesr_2"), func(c *client.Client) (n int, err error) {
			for _, err := range c.Sessions.Resources.All(t.Context(), "sess_1", nil) {
				if err != nil {
					return n, err
				}
				n++
			}
			return n, nil
		}, []string{"/api/v1/cloud/sessions/sess_1/resources", "/api/v1/cloud/sessions/sess_1/resources?page=sesr_3"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			c, rec := scripted(t, tc.steps)
			if n, err := tc.count(c); n != 2 || err != nil {
				t.Errorf("%d records, %v", n, err)
			}
			var urls []string
			for _, req := range rec.requests {
				urls = append(urls, req.URL.RequestURI())
			}
			if diff := cmp.Diff(tc.urls, urls); diff != "" {
				t.Errorf("URLs (-want +got):\n%s", diff)
			}
		})
	}
}
