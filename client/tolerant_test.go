package client_test

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/client"
)

// An object with an id is read where the contract has a string, at every depth, and nowhere else.
func TestObjectsForIDs(t *testing.T) {
	const model = `{"id":"ultimate","speed":"fast"}`
	agent := `{"id":"agent_1","name":"a","metadata":{"owner":{"id":"o"}},"model":` + model +
		`,"tools":[{"type":"custom","name":"n","input_schema":{"properties":{"model":` + model + `}}}]}`
	session := `{"id":"sess_1","environment_id":{"id":"env_1"},"vault_ids":["vlt_1",{"id":"vlt_2"}],"agent":` + agent + `}`
	page := `{"data":[` + session + `],"has_more":false}`
	event := `{"id":"evt_1","type":"span.model_request_start","model":` + model + `}`

	checkAgent := func(t *testing.T, a client.Agent) {
		t.Helper()
		if a.ID != "agent_1" || a.Name != "a" || a.Model != "ultimate" || a.Metadata["owner"] != "o" || len(a.Tools) != 1 {
			t.Errorf("%+v", a)
		}
		if got := toJSON(t, a.Tools); !strings.Contains(got, model) {
			t.Errorf("the schema of a tool was changed: %s", got)
		}
	}
	checkSession := func(t *testing.T, s client.Session) {
		t.Helper()
		checkAgent(t, s.Agent)
		if diff := cmp.Diff([]string{"vlt_1", "vlt_2"}, []string(s.VaultIDs)); diff != "" || s.EnvironmentID != "env_1" {
			t.Errorf("environment %q, vaults (-want +got):\n%s", s.EnvironmentID, diff)
		}
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(200, agent), answer(201, session), answer(200, page), answer(200, session)})
	got, err := c.Agents.Get(t.Context(), "agent_1", nil)
	if err != nil {
		t.Fatal(err)
	}
	checkAgent(t, *got)
	created, err := c.Sessions.Create(t.Context(), &client.CreateSessionRequest{Agent: client.AgentRef{ID: "agent_1"}, EnvironmentID: "env_1"})
	if err != nil {
		t.Fatal(err)
	}
	checkSession(t, *created)
	list, err := c.Sessions.List(t.Context(), nil)
	if err != nil || len(list.Data) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	checkSession(t, list.Data[0])
	var done client.Session
	if err := c.Do(t.Context(), http.MethodGet, "/sessions/sess_1", nil, &done); err != nil {
		t.Fatal(err)
	}
	checkSession(t, done)

	c, _ = scripted(t, []client.RoundTripFunc{answer(200, `{"data":[`+event+`],"has_more":false}`)})
	for e, err := range c.Sessions.Events.All(t.Context(), "sess_1", nil) {
		if err != nil {
			t.Fatal(err)
		}
		if start, ok := e.Value.(client.SpanModelRequestStartEvent); !ok || start.Model != "ultimate" || string(e.Raw()) != event {
			t.Errorf("%+v, %s", e.Value, e.Raw())
		}
	}
}

// What is not an object with an id remains an error.
func TestOtherFormsAreErrors(t *testing.T) {
	for _, body := range []string{
		`{"id":"agent_1","model":{"name":"ultimate"}}`, `{"id":"agent_1","model":7}`, `{"id":"agent_1","model":["ultimate"]}`,
		`{"id":"agent_1","model":{"id":7}}`, `{"id":"agent_1","model":{"id":"ultimate"},"version":"two"}`, `["agent_1"]`,
	} {
		c, _ := scripted(t, []client.RoundTripFunc{answer(200, body)})
		if got, err := c.Agents.Get(t.Context(), "agent_1", nil); !errors.Is(err, client.ErrUnexpectedResponse) {
			t.Errorf("%s: %+v, %v", body, got, err)
		}
	}
}

// A create whose response cannot be read may have created something: the error has its id and the body.
func TestUnreadableCreates(t *testing.T) {
	broken := func(body string) client.RoundTripFunc {
		return func(req *http.Request) (*http.Response, error) {
			resp, err := answer(201, "")(req)
			resp.Body, resp.ContentLength = io.NopCloser(io.MultiReader(strings.NewReader(body), failing{io.ErrUnexpectedEOF})), -1
			return resp, err
		}
	}
	for name, tc := range map[string]struct {
		step client.RoundTripFunc
		id   string
		raw  string
	}{
		"another form":          {answer(201, `{"agent":{"id":"agent_1","version":"two"},"id":"sesn_1"}`), "sesn_1", `{"agent":{"id":"agent_1","version":"two"},"id":"sesn_1"}`},
		"half of it":            {answer(201, `{"id":"sesn_1","title":"a`), "sesn_1", `{"id":"sesn_1","title":"a`},
		"cut off":               {broken(`{"id":"sesn_1","title":"a`), "sesn_1", `{"id":"sesn_1","title":"a`},
		"half of the id":        {answer(201, `{"title":"a","id":"sesn`), "", `{"title":"a","id":"sesn`},
		"an id of another kind": {answer(201, `{"id":7,"agent":1}`), "", `{"id":7,"agent":1}`},
		"no id":                 {answer(201, `{"session":{"id":"sesn_1"},"title":1}`), "", `{"session":{"id":"sesn_1"},"title":1}`},
		"a list":                {answer(201, `["sesn_1"]`), "", `["sesn_1"]`},
		"HTML":                  {answer(201, `<p>done`, "Content-Type: text/html"), "", `<p>done`},
		"the token":             {answer(201, `{"id":"sesn_`+token+`","title":"`+token), "sesn_[redacted]", `{"id":"sesn_[redacted]","title":"[redacted]`},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(t, []client.RoundTripFunc{tc.step}, client.WithMaxRetries(0))
			e := asError(t, create(t.Context(), c))
			if e.ResourceID != tc.id || string(e.Raw) != tc.raw {
				t.Errorf("id %q, raw %q", e.ResourceID, e.Raw)
			}
			if has := strings.Contains(e.Error(), "(id "+tc.id); has != (tc.id != "") {
				t.Errorf("the text is %s", e)
			}
		})
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(201, `{"id":"sesn_1","title":"`+strings.Repeat("a", 1<<20))})
	if e := asError(t, create(t.Context(), c)); len(e.Raw) != 64<<10 || e.ResourceID != "sesn_1" {
		t.Errorf("%d bytes of Raw, id %q", len(e.Raw), e.ResourceID)
	}
}

// An error has the type of its status, whatever its body is.
func TestTypesOfStatuses(t *testing.T) {
	for status, want := range map[int]client.ErrorType{
		400: client.ErrInvalidRequest, 401: client.ErrAuthentication, 403: client.ErrPermission, 404: client.ErrNotFound,
		405: client.ErrInvalidRequest, 409: client.ErrConflict, 410: client.ErrNotFound, 412: client.ErrPreconditionFailed,
		413: client.ErrInvalidRequest, 415: client.ErrInvalidRequest, 416: client.ErrInvalidRequest, 418: client.ErrUnexpectedResponse,
		422: client.ErrInvalidRequest, 429: client.ErrRateLimit, 500: client.ErrAPI, 501: client.ErrFeatureNotAvailable,
		502: client.ErrAPI, 503: client.ErrOverloaded, 504: client.ErrAPI, 599: client.ErrAPI,
	} {
		for _, body := range []string{``, `{"error":"no"}`, `{"error":{"message":"no"}}`, `no`, `null`} {
			c, _ := scripted(t, []client.RoundTripFunc{answer(status, body)}, client.WithMaxRetries(0))
			err := get(t.Context(), c)
			if !errors.Is(err, want) || !errors.Is(err, client.ErrUnexpectedResponse) || errors.Is(err, client.ErrorType("")) {
				t.Errorf("%d %s: %v", status, body, err)
			}
		}
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(404, envelope("not_found_error", "no"))})
	if err := get(t.Context(), c); errors.Is(err, client.ErrUnexpectedResponse) {
		t.Errorf("%v is the contract's", err)
	}
}

// A short token does not change the words of the client, however many of them contain it.
func TestOwnWordsAreNotRedacted(t *testing.T) {
	cases := map[string]struct {
		step client.RoundTripFunc
		call func(c *client.Client) error
	}{
		"a foreign 404":    {answer(404, `{}`), nil},
		"another form":     {answer(200, `{"id":1}`), nil},
		"an empty success": {answer(200, ``), nil},
		"a redirect":       {answer(302, ``), nil},
		"no connection":    {refuse(errors.New("?")), nil},
		"an invalid id": {nil, func(c *client.Client) error {
			_, err := c.Sessions.Get(t.Context(), "..")
			return err
		}},
		"an invalid option": {nil, func(c *client.Client) error { return get(t.Context(), c, client.WithMaxRetries(-1)) }},
		"no events": {nil, func(c *client.Client) error {
			_, err := c.Sessions.Events.Send(t.Context(), "1", nil)
			return err
		}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			call := tc.call
			if call == nil {
				call = func(c *client.Client) error { return get(t.Context(), c) }
			}
			fails := func(token string) *client.Error {
				c, _ := scripted(t, []client.RoundTripFunc{tc.step}, client.WithMaxRetries(0), client.WithToken(token))
				return asError(t, call(c))
			}
			want := fails("pt-long-token")
			for _, letter := range "aeinorstux" {
				got := fails(string(letter))
				want.Raw, got.Raw = nil, nil
				if got.Message != want.Message && name != "another form" || got.Type != want.Type || got.Param != want.Param {
					t.Errorf("with the token %c: %s, want %s", letter, got, want)
				}
			}
		})
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(404, `an x-ray`, "Content-Type: text/plain")}, client.WithToken("x"))
	wantText(t, get(t.Context(), c), `Sessions.Get: 404 not_found_error: the response is te[redacted]t/plain, not JSON: "an [redacted]-ray" (request id req_1)`)
}

// A secret at the end of what a message has of a body is not cut in two.
func TestNoHalfOfASecret(t *testing.T) {
	for before := 185; before <= 205; before++ {
		c, _ := scripted(t, []client.RoundTripFunc{answer(404, strings.Repeat("a", before)+token)})
		if text := get(t.Context(), c).Error(); strings.Contains(text, token[:3]) {
			t.Errorf("%d bytes before the token: %s", before, text)
		}
	}
}

// Whether a page is the last one if a server leaves has_more out.
func TestPagesWithoutHasMore(t *testing.T) {
	const open = "Agents.List: the response has neither has_more nor next_page, so that more records may follow; set Limit to more than there can be"
	rows := func(from, to int, rest string) client.RoundTripFunc {
		var data []string
		for i := from; i <= to; i++ {
			data = append(data, fmt.Sprintf(`{"id":"agent_%d"}`, i))
		}
		return answer(200, `{"data":[`+strings.Join(data, ",")+`]`+rest+`}`)
	}
	two := &client.ListAgentsParams{Limit: new(int32(2))}
	for name, tc := range map[string]struct {
		steps  []client.RoundTripFunc
		params *client.ListAgentsParams
		n      int
		err    string
	}{
		"next_page to the end":         {[]client.RoundTripFunc{rows(1, 2, `,"next_page":"p2"`), rows(3, 4, `,"next_page":null`)}, two, 4, ""},
		"an empty next_page":           {[]client.RoundTripFunc{rows(1, 2, `,"next_page":"p2"`), rows(3, 4, `,"next_page":""`)}, nil, 4, ""},
		"no next_page on the last one": {[]client.RoundTripFunc{rows(1, 2, `,"next_page":"p2"`), rows(3, 4, ``)}, nil, 4, ""},
		"the caller's page":            {[]client.RoundTripFunc{rows(3, 4, ``)}, &client.ListAgentsParams{Page: new("p2")}, 2, ""},
		"neither, fewer than asked":    {[]client.RoundTripFunc{rows(1, 1, ``)}, two, 1, ""},
		"neither, as many as asked":    {[]client.RoundTripFunc{rows(1, 2, ``)}, two, 2, open},
		"neither, nothing":             {[]client.RoundTripFunc{rows(1, 0, ``)}, nil, 0, ""},
		"neither, no limit":            {[]client.RoundTripFunc{rows(1, 1, ``)}, nil, 1, open},
		"null and neither":             {[]client.RoundTripFunc{rows(1, 2, `,"has_more":null`)}, two, 2, open},
		"the same page again":          {[]client.RoundTripFunc{rows(1, 2, `,"next_page":"p2"`), rows(1, 2, `,"next_page":"p2"`)}, nil, 4, "Agents.List: has_more is true but the response has no cursor for the next page"},
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := scripted(t, tc.steps)
			ids, errs := collect(t.Context(), c, tc.params)
			if len(ids) != tc.n || len(errs) > 1 {
				t.Errorf("%v, %v", ids, errs)
			}
			switch {
			case tc.err == "" && len(errs) > 0:
				t.Error(errs[0])
			case tc.err != "" && len(errs) == 0:
				t.Error("the list ends silently")
			case tc.err != "":
				wantText(t, errs[0], tc.err)
			}
		})
	}
}

// A server may accept events without a word.
func TestAcceptedEvents(t *testing.T) {
	stored := func(id, at, text string) string {
		return fmt.Sprintf(`{"id":%q,"type":"user.message","created_at":"2026-08-04T10:00:%sZ","content":[{"type":"text","text":%q}]}`, id, at, text)
	}
	list := func(events ...string) client.RoundTripFunc {
		return answer(200, `{"data":[`+strings.Join(events, ",")+`],"has_more":false}`)
	}
	c, _ := scripted(t, []client.RoundTripFunc{answer(202, "")})
	message, err := c.Sessions.Events.SendMessage(t.Context(), "sess_1", "hi")
	if err != nil || message.ID != "" || message.Text() != "hi" || message.Type != client.EventTypeUserMessage {
		t.Errorf("%+v, %v", message, err)
	}

	// The message appears in the log after a while; an older one and one of other words are not it.
	idle := text(frame{"evt_9", "session.status_idle", `{"id":"evt_9","type":"session.status_idle","stop_reason":{"type":"end_turn"}}`})
	c, rec := scripted(t, []client.RoundTripFunc{
		answer(202, ""), list(), list(stored("evt_3", "03", "hi"), stored("evt_4", "04", "ho"), stored("evt_1", "01", "hi")), streamBody(idle, nil),
	})
	for _, err := range c.Sessions.Run(t.Context(), "sess_1", "hi", nil) {
		if err != nil {
			t.Fatal(err)
		}
	}
	if got := rec.last().URL.Query().Get("after_id"); got != "evt_3" {
		t.Errorf("the stream begins after %q", got)
	}

	c, _ = scripted(t, []client.RoundTripFunc{answer(202, ""), list(stored("evt_4", "04", "ho"))})
	for _, err := range c.Sessions.Run(t.Context(), "sess_1", "hi", nil) {
		wantText(t, err, "Sessions.Run: 202 unexpected_response: the server has accepted the event without saying its id, and the log of the session does not have it (3 attempts)")
	}
	c, _ = scripted(t, []client.RoundTripFunc{answer(200, "")})
	for _, err := range c.Sessions.Run(t.Context(), "sess_1", "hi", nil) {
		wantText(t, err, "Sessions.Run: 200 unexpected_response: the response is empty (request id req_1)")
	}
}
