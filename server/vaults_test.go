package server_test

import (
	"database/sql"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/seal"
)

// send sends a request as alice and fails the test unless the response has that status.
func (h *harness) send(t *testing.T, method, path, body string, status int) answer {
	t.Helper()
	got := h.in(t).do(request{method: method, path: path, body: body})
	if got.status != status {
		t.Fatalf("%s %s %s: %d %s, want %d", method, path, body, got.status, got.body, status)
	}
	return got
}

func notFound(message string) refusal { return refusal{404, "not_found_error", "", message} }

const bearerBody = `{"auth":{"type":"static_bearer","mcp_server_url":"https://mcp.example/mcp","token":"tok-1"},"display_name":"d","metadata":{"a":"b"}}`

func TestVaultsLife(t *testing.T) {
	h := start(t)
	made := h.send(t, "POST", "/vaults", `{"display_name":"搜索","metadata":{"team":"docs","x":"y"},"credentials":[
		{"type":"static_bearer","mcp_server_url":"https://MCP.example:443/mcp","protocol":"sse","access_token":"tok-1"},
		{"auth":{"type":"environment_variable","secret_name":"A","secret_value":"line 1\nline 2"}}]}`, 201)
	id := made.field("id").(string)
	path := "/vaults/" + id
	want := map[string]any{
		"id": id, "type": "vault", "display_name": "搜索", "status": "active", "metadata": map[string]any{"team": "docs", "x": "y"},
		"archived_at": nil, "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00Z",
	}
	created := made.field().(map[string]any)
	flat := created["credentials"].([]any)[0].(map[string]any)
	delete(created, "credentials")
	if diff := cmp.Diff(want, created); diff != "" {
		t.Errorf("created (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]any{
		"id": flat["id"], "type": "vault_credential", "vault_id": id, "auth": map[string]any{"type": "static_bearer", "mcp_server_url": "https://MCP.example:443/mcp"},
		"mcp_server_url": "https://MCP.example:443/mcp", "protocol": "sse", "status": "active", "display_name": nil, "metadata": map[string]any{},
		"archived_at": nil, "created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00Z",
	}, flat); diff != "" {
		t.Errorf("credential (-want +got):\n%s", diff)
	}
	h.expectRefusal(t, request{method: "POST", path: path + "/credentials", body: bearerBody}, // the same server
		conflict(fmt.Sprintf("Vault '%s' has an active credential for that already, '%s'; update or archive it.", id, flat["id"]), ""))
	h.clock.advance(time.Hour)
	want["display_name"], want["metadata"], want["updated_at"] = "b", map[string]any{"team": "docs", "z": "1"}, "2026-11-24T11:00:00Z"
	updated := h.send(t, "POST", path, `{"display_name":"b","metadata":{"x":null,"z":"1"}}`, 200)
	listed := h.send(t, "GET", "/vaults", "", 200).field("data").([]any)
	for _, got := range []any{updated.field(), h.send(t, "GET", path, "", 200).field(), listed[0]} {
		if diff := cmp.Diff(want, got.(map[string]any)); diff != "" {
			t.Errorf("updated (-want +got):\n%s", diff)
		}
	}
	want["status"], want["archived_at"] = "archived", "2026-11-24T11:00:00Z"
	for range 2 {
		if diff := cmp.Diff(want, h.send(t, "POST", path+"/archive", "", 200).field().(map[string]any)); diff != "" {
			t.Errorf("archived (-want +got):\n%s", diff)
		}
	}
	takesNone := conflict("Vault '"+id+"' is archived and takes no changes.", "")
	h.expectRefusal(t, request{method: "POST", path: path, body: `{}`}, takesNone)
	h.expectRefusal(t, request{method: "POST", path: path + "/credentials", body: bearerBody}, takesNone)
	h.expectRefusal(t, request{method: "POST", path: path + "/credentials/" + flat["id"].(string), body: `{}`}, takesNone)
	if n := len(h.send(t, "GET", "/vaults", "", 200).field("data").([]any)); n != 0 {
		t.Errorf("%d vaults in the default list", n)
	}
	if n := len(h.send(t, "GET", "/vaults?include_archived=true", "", 200).field("data").([]any)); n != 1 {
		t.Errorf("%d vaults with the archived ones", n)
	}
	if diff := cmp.Diff(map[string]any{"id": id, "type": "vault_deleted"}, h.send(t, "DELETE", path, "", 200).field()); diff != "" {
		t.Error(diff)
	}
	for _, gone := range []string{"", "/credentials", "/credentials/" + flat["id"].(string)} {
		h.expectRefusal(t, request{method: "GET", path: path + gone}, notFound("Vault '"+id+"' was not found."))
	}
}

func TestCredentialsLife(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	for name, tc := range map[string]struct{ create, auth, update, updated string }{
		"bearer": {
			`{"type":"static_bearer","mcp_server_url":"https://b.example/","token":"tok-1"}`, `{"type":"static_bearer","mcp_server_url":"https://b.example/"}`,
			`{"type":"static_bearer","mcp_server_url":"https://b.example/","token":"tok-2"}`, `{"type":"static_bearer","mcp_server_url":"https://b.example/"}`,
		},
		"oauth alone": {
			`{"type":"mcp_oauth","mcp_server_url":"https://o.example","access_token":"t","expires_at":"2026-12-01T02:00:00.1234567+02:00"}`,
			`{"type":"mcp_oauth","mcp_server_url":"https://o.example","expires_at":"2026-12-01T00:00:00.123456Z"}`,
			`{"type":"mcp_oauth","access_token":"u","expires_at":null}`, `{"type":"mcp_oauth","mcp_server_url":"https://o.example"}`,
		},
		"oauth": {
			`{"type":"mcp_oauth","mcp_server_url":"https://p.example","access_token":"t","refresh":{"client_id":"c","refresh_token":"r",
				"token_endpoint":"https://l.example/t","token_endpoint_auth":{"type":"client_secret_post","client_secret":"s"},"scope":"a b","resource":"https://p.example"}}`,
			`{"type":"mcp_oauth","mcp_server_url":"https://p.example","refresh":{"client_id":"c","token_endpoint":"https://l.example/t",
				"token_endpoint_auth":{"type":"client_secret_post"},"scope":"a b","resource":"https://p.example"}}`,
			`{"type":"mcp_oauth","expires_at":"2027-01-01T00:00:00Z","refresh":{"refresh_token":"r2","scope":null,"client_id":"c","token_endpoint_auth":{"type":"client_secret_basic"}}}`,
			`{"type":"mcp_oauth","mcp_server_url":"https://p.example","expires_at":"2027-01-01T00:00:00Z","refresh":{"client_id":"c","token_endpoint":"https://l.example/t",
				"token_endpoint_auth":{"type":"client_secret_basic"},"resource":"https://p.example"}}`,
		},
		"variable": {
			`{"type":"environment_variable","secret_name":"V","secret_value":""}`,
			`{"type":"environment_variable","secret_name":"V","networking":{"type":"unrestricted"},"injection_location":{"header":true,"body":true}}`,
			`{"type":"environment_variable","secret_value":"x","networking":{"type":"limited","allowed_hosts":["*.a.example"]},"injection_location":{"body":false}}`,
			`{"type":"environment_variable","secret_name":"V","networking":{"type":"limited","allowed_hosts":["*.a.example"]},"injection_location":{"header":true,"body":false}}`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			made := h.send(t, "POST", path, `{"auth":`+tc.create+`}`, 201)
			one := path + "/" + made.field("id").(string)
			if diff := cmp.Diff(parsed(t, tc.auth), made.field("auth")); diff != "" {
				t.Errorf("created (-want +got):\n%s", diff)
			}
			updated := h.send(t, "POST", one, `{"auth":`+tc.update+`,"metadata":{"a":"b"}}`, 200)
			got := h.send(t, "GET", one, "", 200)
			if diff := cmp.Diff(parsed(t, tc.updated), got.field("auth")); diff != "" || string(got.body) != string(updated.body) {
				t.Errorf("updated (-want +got):\n%s\n%s\n%s", diff, updated.body, got.body)
			}
			for range 2 {
				if status := h.send(t, "POST", one+"/archive", "", 200).field("status"); status != "archived" {
					t.Error(status)
				}
			}
			h.expectRefusal(t, request{method: "POST", path: one, body: `{"metadata":{"a":null}}`},
				conflict("Credential '"+filepath.Base(one)+"' is archived and takes no changes.", ""))
			h.send(t, "POST", path, `{"auth":`+tc.create+`}`, 201) // its place is free
			h.send(t, "DELETE", one, "", 200)
			h.expectRefusal(t, request{method: "GET", path: one}, notFound("Credential '"+filepath.Base(one)+"' was not found."))
		})
	}
	if n := len(h.send(t, "GET", path, "", 200).field("data").([]any)); n != 4 {
		t.Errorf("%d credentials", n)
	}
}

// TestListsOfVaultsAndCredentials filters the lists, and uses the other names of their cursors.
func TestListsOfVaultsAndCredentials(t *testing.T) {
	h := start(t)
	made := h.send(t, "POST", "/vaults", `{"display_name":"v","credentials":[{"auth":{"type":"environment_variable","secret_name":"A","secret_value":"x"}}]}`, 201)
	id := made.field("id").(string)
	variable := made.field("credentials").([]any)[0].(map[string]any)["id"].(string)
	h.clock.advance(time.Second)
	bearer := h.send(t, "POST", "/vaults/"+id+"/credentials", bearerBody, 201).field("id").(string)
	archived := h.send(t, "POST", "/vaults", `{"display_name":"old"}`, 201).field("id").(string)
	h.send(t, "POST", "/vaults/"+archived+"/archive", "", 200)
	for path, want := range map[string][]string{
		"/vaults?status=active":                                                   {id},
		"/vaults?status=archived":                                                 {archived},
		"/vaults?status=active&include_archived=true":                             {id},
		"/vaults?include_archived=true&after=" + archived:                         {id},
		"/vaults?include_archived=true&before=" + id:                              {archived},
		"/vaults/" + id + "/credentials?name=A":                                   {variable},
		"/vaults/" + id + "/credentials?name=https://MCP.example:443/mcp":         {bearer},
		"/vaults/" + id + "/credentials?name=B":                                   {},
		"/vaults/" + id + "/credentials?created_at[gte]=2026-11-24T10:00:01Z":     {bearer},
		"/vaults/" + id + "/credentials?created_at[lte]=2026-11-24T10:00:00.999Z": {variable},
		"/vaults/" + id + "/credentials?after=" + bearer:                          {variable},
		"/vaults/" + id + "/credentials?before=" + variable:                       {bearer},
	} {
		var got struct{ Data []struct{ ID string } }
		answer := h.send(t, "GET", path, "", 200)
		if err := json.Unmarshal(answer.body, &got); err != nil {
			t.Fatal(err)
		}
		ids := []string{}
		for _, record := range got.Data {
			ids = append(ids, record.ID)
		}
		if !slices.Equal(ids, want) {
			t.Errorf("%s: %v, want %v", path, ids, want)
		}
	}
	for path, cursor := range map[string]string{"/vaults": id, "/vaults/" + id + "/credentials": variable} {
		h.expectRefusal(t, request{method: "GET", path: path + "?before=" + cursor + "&before_id=" + cursor},
			badRequest("before", "Parameters 'before_id' and 'before' are two names of one; send one of them."))
	}
}

func TestAVaultTakesSoManyCredentials(t *testing.T) {
	h := start(t)
	id := h.mustCreate("/vaults", `{"display_name":"v"}`)
	add := func(i int) request {
		return request{method: "POST", path: "/vaults/" + id + "/credentials", body: fmt.Sprintf(`{"auth":{"type":"environment_variable","secret_name":"V%d","secret_value":""}}`, i)}
	}
	for i := range 20 {
		if got := h.do(add(i)); got.status != 201 {
			t.Fatalf("%d: %s", i, got.body)
		}
	}
	h.expectRefusal(t, add(20), badRequest("", "Vault '"+id+"' has 20 credentials, which is the maximum; delete one of them first."))
}

// TestBadCredentials are refused with the name of the field, and without what it holds.
func TestBadCredentials(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	oauth := func(refresh string) string {
		return `{"auth":{"type":"mcp_oauth","mcp_server_url":"https://x.example","access_token":"t","refresh":` + refresh + `}}`
	}
	refresh := func(more string) string {
		return oauth(`{"client_id":"c","refresh_token":"r","token_endpoint":"https://l.example","token_endpoint_auth":` + more + `}`)
	}
	static := func(fields string) string { return `{"auth":{"type":"static_bearer",` + fields + `}}` }
	for name, tc := range map[string]struct{ body, param string }{
		"nothing":               {`{}`, "auth"},
		"both forms":            {`{"auth":{"type":"static_bearer","mcp_server_url":"https://x.example","token":"canary"},"access_token":"canary"}`, "auth"},
		"flat without a type":   {`{"access_token":"canary"}`, "type"},
		"flat without a token":  {`{"type":"static_bearer","mcp_server_url":"https://x.example","protocol":"sse"}`, "access_token"},
		"flat without protocol": {`{"type":"static_bearer","mcp_server_url":"https://x.example","access_token":"canary"}`, "protocol"},
		"flat without a URL":    {`{"type":"static_bearer","protocol":"sse","access_token":"canary"}`, "mcp_server_url"},
		"flat of another type":  {`{"type":"mcp_oauth","mcp_server_url":"https://x.example","protocol":"sse","access_token":"canary"}`, "type"},
		"unknown type":          {`{"auth":{"type":"canary"}}`, "auth"},
		"a line break":          {static(`"mcp_server_url":"https://x.example","token":"canary\nInjected: x"`), "auth.token"},
		"a control character":   {static(`"mcp_server_url":"https://x.example","token":"canary\u0007"`), "auth.token"},
		"a space":               {static(`"mcp_server_url":"https://x.example","token":"canary canary"`), "auth.token"},
		"not ASCII":             {static(`"mcp_server_url":"https://x.example","token":"canary密"`), "auth.token"},
		"an empty token":        {static(`"mcp_server_url":"https://x.example","token":""`), "auth.token"},
		"a long token":          {static(`"mcp_server_url":"https://x.example","token":"` + strings.Repeat("canary", 1400) + `"`), "auth.token"},
		"a number":              {static(`"mcp_server_url":"https://x.example","token":1234567`), "auth.token"},
		"a user in the URL":     {static(`"mcp_server_url":"https://user:canary@x.example","token":"t"`), "auth.mcp_server_url"},
		"no host":               {static(`"mcp_server_url":"https:///canary","token":"t"`), "auth.mcp_server_url"},
		"another scheme":        {static(`"mcp_server_url":"ftp://canary","token":"t"`), "auth.mcp_server_url"},
		"a bad port":            {static(`"mcp_server_url":"https://x.example:canary/","token":"t"`), "auth.mcp_server_url"},
		"unknown field":         {static(`"mcp_server_url":"https://x.example","token":"t","canary":"canary"`), "auth.canary"},
		"expiry without form":   {`{"auth":{"type":"mcp_oauth","mcp_server_url":"https://x.example","access_token":"t","expires_at":"canary"}}`, "auth.expires_at"},
		"expiry after 9999":     {`{"auth":{"type":"mcp_oauth","mcp_server_url":"https://x.example","access_token":"t","expires_at":"9999-12-31T23:59:59-12:00"}}`, "auth.expires_at"},
		"expiry long ago":       {`{"auth":{"type":"mcp_oauth","mcp_server_url":"https://x.example","access_token":"t","expires_at":"0000-01-01T00:00:00+12:00"}}`, "auth.expires_at"},
		"refresh without parts": {oauth(`{}`), "auth.refresh.client_id"},
		"no client secret":      {refresh(`{"type":"client_secret_basic"}`), "auth.refresh.token_endpoint_auth.client_secret"},
		"secret without use":    {refresh(`{"type":"none","client_secret":"canary"}`), "auth.refresh.token_endpoint_auth.client_secret"},
		"bad endpoint":          {oauth(`{"client_id":"c","refresh_token":"r","token_endpoint":"https://a:canary@l.example","token_endpoint_auth":{"type":"none"}}`), "auth.refresh.token_endpoint"},
		"NUL in a value":        {`{"auth":{"type":"environment_variable","secret_name":"A","secret_value":"canary\u0000"}}`, "auth.secret_value"},
		"bad name":              {`{"auth":{"type":"environment_variable","secret_name":"1A","secret_value":"canary"}}`, "auth.secret_name"},
		"many hosts":            {`{"auth":{"type":"environment_variable","secret_name":"A","secret_value":"canary","networking":{"type":"limited","allowed_hosts":["` + strings.Join(strings.Split(strings.Repeat("a", 17), ""), `","`) + `"]}}}`, "auth.networking.allowed_hosts"},
	} {
		for _, in := range []struct{ path, before, after, at string }{{path, "", "", ""}, {"/vaults", `{"display_name":"v","credentials":[`, `]}`, "credentials[0]."}} {
			got := h.do(request{method: "POST", path: in.path, body: in.before + tc.body + in.after})
			r := refusalOf(got)
			if r.Status != 400 || r.Param != in.at+tc.param || r.Message == "" {
				t.Errorf("%s: %+v, want param %s", name, r, in.at+tc.param)
			}
			if strings.Contains(strings.ReplaceAll(string(got.body), "auth.canary", ""), "canary") && name != "unknown field" {
				t.Errorf("%s: the response repeats the secret: %s", name, got.body)
			}
		}
	}
	if n := len(h.send(t, "GET", path, "", 200).field("data").([]any)) + len(h.send(t, "GET", "/vaults", "", 200).field("data").([]any)); n != 1 {
		t.Errorf("%d vaults and credentials were stored", n)
	}
}

// TestFixedFields of a credential cannot change.
func TestFixedFields(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	add := func(auth string) string { return path + "/" + h.mustCreate(path, `{"auth":`+auth+`}`) }
	bearer := add(`{"type":"static_bearer","mcp_server_url":"https://a.example/","token":"t"}`)
	plain := add(`{"type":"mcp_oauth","mcp_server_url":"https://b.example","access_token":"t"}`)
	oauth := add(`{"type":"mcp_oauth","mcp_server_url":"https://c.example","access_token":"t",
		"refresh":{"client_id":"c","refresh_token":"r","token_endpoint":"https://l.example","token_endpoint_auth":{"type":"none"}}}`)
	variable := add(`{"type":"environment_variable","secret_name":"A","secret_value":"x"}`)
	for _, tc := range []struct{ path, auth, param string }{
		{bearer, `{"type":"mcp_oauth"}`, "auth.type"},
		{bearer, `{"token":"t"}`, "auth"},
		{bearer, `{"type":"static_bearer","mcp_server_url":"https://A.example/"}`, "auth.mcp_server_url"},
		{plain, `{"type":"static_bearer","token":"x"}`, "auth.type"},
		{plain, `{"type":"mcp_oauth","mcp_server_url":"https://z.example","access_token":"x"}`, "auth.mcp_server_url"},
		{plain, `{"type":"mcp_oauth","refresh":{"refresh_token":"x"}}`, "auth.refresh"},
		{plain, `{"type":"mcp_oauth","expires_at":"9999-12-31T23:59:59-12:00"}`, "auth.expires_at"},
		{oauth, `{"type":"mcp_oauth","refresh":{"client_id":"z"}}`, "auth.refresh.client_id"},
		{oauth, `{"type":"mcp_oauth","refresh":{"token_endpoint":"https://z.example"}}`, "auth.refresh.token_endpoint"},
		{oauth, `{"type":"mcp_oauth","refresh":{"resource":"https://z.example"}}`, "auth.refresh.resource"},
		{oauth, `{"type":"mcp_oauth","refresh":{"token_endpoint_auth":{"type":"client_secret_post"}}}`, "auth.refresh.token_endpoint_auth.client_secret"},
		{variable, `{"type":"environment_variable","secret_name":"B"}`, "auth.secret_name"},
		{variable, `{"type":"static_bearer"}`, "auth.type"},
	} {
		before := h.do(request{method: "GET", path: tc.path})
		got := refusalOf(h.do(request{method: "POST", path: tc.path, body: `{"auth":` + tc.auth + `}`}))
		if got.Status != 400 || got.Type != "invalid_request_error" || got.Param != tc.param {
			t.Errorf("%s: %+v, want param %s", tc.auth, got, tc.param)
		}
		if after := h.do(request{method: "GET", path: tc.path}); string(after.body) != string(before.body) {
			t.Errorf("%s changed the credential: %s", tc.auth, after.body)
		}
	}
}

func TestValidateCredential(t *testing.T) {
	h := start(t)
	vault := h.mustCreate("/vaults", `{"display_name":"v"}`)
	path := "/vaults/" + vault + "/credentials"
	oauth := h.mustCreate(path, `{"auth":{"type":"mcp_oauth","mcp_server_url":"https://a.example","access_token":"t"}}`)
	bearer := h.mustCreate(path, bearerBody)
	got := h.send(t, "POST", path+"/"+oauth+"/mcp_oauth_validate", "", 200)
	if diff := cmp.Diff(map[string]any{
		"type": "vault_credential_validation", "credential_id": oauth, "vault_id": vault, "status": "unknown", "validated_at": "2026-11-24T10:00:00Z",
		"has_refresh_token": false, "refresh": nil, "mcp_probe": nil,
	}, got.field()); diff != "" {
		t.Error(diff)
	}
	want := badRequest("", "Only a credential of the type 'mcp_oauth' that is not archived, in a vault that is not archived, can be validated.")
	validate := func(id string) request { return request{method: "POST", path: path + "/" + id + "/mcp_oauth_validate"} }
	h.expectRefusal(t, validate(bearer), want)
	h.send(t, "POST", path+"/"+oauth+"/archive", "", 200)
	h.expectRefusal(t, validate(oauth), want)
	h.expectRefusal(t, validate("vcred_x"), notFound("Credential 'vcred_x' was not found."))
	other := h.mustCreate(path, `{"auth":{"type":"mcp_oauth","mcp_server_url":"https://a.example","access_token":"t"}}`)
	h.send(t, "POST", "/vaults/"+vault+"/archive", "", 200)
	h.expectRefusal(t, validate(other), want)
}

// TestValidationAsksTheServer has a server that the operator allows. It is asked outside of every transaction, and a repeat
// with the same idempotency key gets the first result.
func TestValidationAsksTheServer(t *testing.T) {
	var asked atomic.Int32
	var h *harness
	mcp := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		if got := h.do(request{method: "POST", path: "/vaults", body: `{"display_name":"a write that must not wait"}`}); got.status != 201 {
			t.Errorf("another write: %d %s", got.status, got.body)
		}
		http.Error(w, "no "+r.Header.Get("Authorization"), http.StatusUnauthorized)
	}))
	defer mcp.Close()
	h = start(t, func(c *server.Config) { c.MCPAllow = []string{"127.0.0.1"} })
	vault := h.mustCreate("/vaults", `{"display_name":"v"}`)
	oauth := h.mustCreate("/vaults/"+vault+"/credentials", `{"auth":{"type":"mcp_oauth","mcp_server_url":"`+mcp.URL+`","access_token":"canary-1"}}`)
	validate := request{method: "POST", path: "/vaults/" + vault + "/credentials/" + oauth + "/mcp_oauth_validate", header: keyed("once")}
	for repeat, times := range []int32{1, 1, 2} {
		if repeat == 2 {
			validate.header = nil
		}
		got := h.do(validate)
		want := map[string]any{"method": "initialize", "http_response": map[string]any{"status_code": 401.0, "content_type": "text/plain", "body": "no Bearer [secret]\n", "body_truncated": false}}
		if diff := cmp.Diff(want, got.field("mcp_probe")); diff != "" || got.status != 200 || got.field("status") != "invalid" || asked.Load() != times {
			t.Errorf("%d %s, asked %d times: %s", got.status, got.body, asked.Load(), diff)
		}
	}
}

// TestSessionsNameVaults creates sessions with vaults that exist, that do not, and that are archived.
func TestSessionsNameVaults(t *testing.T) {
	h := start(t, openGate)
	vault, archived := h.mustCreate("/vaults", `{"display_name":"v"}`), h.mustCreate("/vaults", `{"display_name":"v"}`)
	h.send(t, "POST", "/vaults/"+archived+"/archive", "", 200)
	create := func(fields map[string]any) request {
		return request{method: "POST", path: "/sessions", body: h.createBody(fields)}
	}
	with := func(ids ...string) request { return create(map[string]any{"vault_ids": ids}) }
	h.expectRefusal(t, with(vault, "vault_x"), notFound("Vault 'vault_x' was not found."))
	h.expectRefusal(t, with(vault, archived), badRequest("vault_ids", "Vault '"+archived+"' is archived and cannot be used for new sessions."))
	h.expectRefusal(t, create(map[string]any{"agent": "agent_x", "vault_ids": []string{"vault_x"}}), notFound("Agent 'agent_x' was not found."))
	bobs := with(vault)
	bobs.token = bobToken
	if got := refusalOf(h.do(bobs)); got.Status != 404 {
		t.Errorf("%+v", got)
	}
	if n := h.sessions(); n != 0 {
		t.Errorf("%d sessions were stored", n)
	}
	got := h.do(with(vault))
	if got.status != 201 || fmt.Sprint(got.field("vault_ids")) != "["+vault+"]" {
		t.Fatalf("%d %s", got.status, got.body)
	}
	h.send(t, "DELETE", "/vaults/"+vault, "", 200) // a session may outlive it
	if again := h.do(request{method: "GET", path: "/sessions/" + got.field("id").(string)}); string(again.body) != string(got.body) {
		t.Errorf("%s", again.body)
	}
}

// TestNoVaultKey has a server without a key: it refuses secrets, and serves everything else.
func TestNoVaultKey(t *testing.T) {
	h := start(t, func(c *server.Config) { c.VaultKeyFile = server.NoVaultKey })
	if !strings.Contains(h.log.String(), "secrets of vaults are not available: --vault-key-file is none") {
		t.Errorf("the log does not say that there is no key: %s", h.log)
	}
	vault := h.mustCreate("/vaults", `{"display_name":"v"}`)
	for _, r := range []request{
		{method: "POST", path: "/vaults", body: `{"display_name":"v","credentials":[` + bearerBody + `]}`},
		{method: "POST", path: "/vaults/" + vault + "/credentials", body: bearerBody},
		{method: "POST", path: "/vaults/" + vault + "/credentials/vcred_x", body: `{"auth":{"type":"static_bearer","token":"t"}}`},
	} {
		got := h.do(r)
		if got.status != 501 || got.field("error", "type") != "feature_not_available" || got.field("error", "feature") != "vaults" {
			t.Errorf("%s: %d %s", r.path, got.status, got.body)
		}
	}
	if n := len(h.send(t, "GET", "/vaults", "", 200).field("data").([]any)); n != 1 {
		t.Errorf("%d vaults", n)
	}
}

// TestALostVaultKey has a database with secrets whose key file is gone: the server starts, and fails what needs them.
func TestALostVaultKey(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	one := path + "/" + h.mustCreate(path, bearerBody)
	file := server.DefaultVaultKeyFile(h.dsn)
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	h.stop()
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	away := startOn(t, h.dsn)
	if log := away.log.String(); !strings.Contains(log, "restore it from a backup, or name its place with --vault-key-file") || !strings.Contains(log, "file="+file) {
		t.Errorf("the log names neither the file nor the flag: %s", log)
	}
	want := refusal{501, "feature_not_available", "", "This server does not have the key that the vaults' secrets are encrypted with; its operator has to restore the key file, and restart the server with 'sessionsd serve --vault-key-file FILE'."}
	rotate := request{method: "POST", path: one, body: `{"auth":{"type":"static_bearer","token":"new"}}`}
	away.expectRefusal(t, rotate, want)
	away.expectRefusal(t, request{method: "POST", path: path, body: `{"auth":{"type":"environment_variable","secret_name":"A","secret_value":"x"}}`}, want)
	if got := away.do(rotate); got.header.Get("X-Should-Retry") != "false" || got.header.Get("Retry-After") != "" || got.field("error", "feature") != "vaults" {
		t.Errorf("%s %v", got.body, got.header)
	}
	away.send(t, "GET", one, "", 200)
	away.send(t, "POST", one, `{"metadata":{"a":"c"}}`, 200)
	if _, err := os.Stat(file); err == nil {
		t.Error("a new key was made, although secrets are sealed under the old one")
	}
	away.stop()
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	back := startOn(t, h.dsn)
	if got := back.do(rotate); got.status != 200 {
		t.Errorf("with the key: %d %s", got.status, got.body)
	}
}

// TestABadVaultKeyIsRefused at the start, with a sentence, and nothing is damaged.
func TestABadVaultKeyIsRefused(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	one := path + "/" + h.mustCreate(path, bearerBody)
	h.stop()
	folder := t.TempDir()
	another, err := seal.New()
	if err != nil {
		t.Fatal(err)
	}
	wrong, open, cut := filepath.Join(folder, "wrong"), filepath.Join(folder, "open"), filepath.Join(folder, "cut")
	text, err := another.Text()
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range map[string][]byte{wrong: text, open: text, cut: text[:20]} {
		if err := os.WriteFile(file, text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		config server.Config
		want   string
	}{
		"another key":         {server.Config{VaultKeyFile: wrong}, "is not the one that this database's secrets are encrypted with"},
		"another key in text": {server.Config{VaultKey: string(text)}, "$SESSIONSD_VAULT_KEY is not the one"},
		"not a key":           {server.Config{VaultKey: "canary"}, "the vault key: $SESSIONSD_VAULT_KEY: it is damaged: it is not a keyset of Tink in JSON; restore it from a backup"},
		"cut":                 {server.Config{VaultKeyFile: cut}, "the vault key: the key file " + cut + ": it is damaged: it is not a keyset of Tink in JSON; restore it from a backup"},
		"cut, what to do":     {server.Config{VaultKeyFile: cut}, "create a new one with 'sessionsd vault new-key'"},
		"open to others":      {server.Config{VaultKeyFile: open}, "run chmod 600"},
		"missing":             {server.Config{VaultKeyFile: filepath.Join(folder, "none")}, "the key file " + filepath.Join(folder, "none") + " does not exist, and this database has secrets"},
		"both":                {server.Config{VaultKeyFile: wrong, VaultKey: string(text)}, "use one of them"},
	} {
		tc.config.DB = h.dsn
		s, err := server.New(t.Context(), tc.config)
		if err == nil {
			_ = s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
	again := startOn(t, h.dsn)
	if got := again.do(request{method: "POST", path: one, body: `{"auth":{"type":"static_bearer","token":"new"}}`}); got.status != 200 {
		t.Errorf("with the right key: %d %s", got.status, got.body)
	}
}

// TestADamagedSecret was cut, or copied from another credential, in the database.
func TestADamagedSecret(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	add := func(name string) string {
		return h.mustCreate(path, `{"auth":{"type":"environment_variable","secret_name":"`+name+`","secret_value":"x"}}`)
	}
	cut, copied, source := add("A"), add("B"), add("C")
	db, err := sql.Open("sqlite", strings.TrimPrefix(h.dsn, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for statement, id := range map[string]string{
		`UPDATE vault_credentials SET sealed = substr(sealed, 1, 20) WHERE id = ?`:                                              cut,
		`UPDATE vault_credentials SET sealed = (SELECT sealed FROM vault_credentials WHERE id = '` + source + `') WHERE id = ?`: copied,
	} {
		if _, err := db.ExecContext(t.Context(), statement, id); err != nil {
			t.Fatal(err)
		}
	}
	for _, id := range []string{cut, copied} {
		h.expectRefusal(t, request{method: "POST", path: path + "/" + id, body: `{"auth":{"type":"environment_variable","secret_value":"y"}}`},
			conflict("The stored secret of credential '"+id+"' is damaged; delete the credential and add it again.", ""))
		h.send(t, "DELETE", path+"/"+id, "", 200)
	}
}

// TestSecretsAreReplayedForKeys: a repeat of a request with secrets returns the first response; another secret is another body.
func TestSecretsAreReplayedForKeys(t *testing.T) {
	h := start(t)
	path := "/vaults/" + h.mustCreate("/vaults", `{"display_name":"v"}`) + "/credentials"
	add := request{method: "POST", path: path, body: bearerBody, header: keyed("k")}
	first := h.do(add)
	if again := h.do(add); again.header.Get("Idempotent-Replayed") != "true" || string(again.body) != string(first.body) {
		t.Errorf("%d %s", again.status, again.body)
	}
	other := add
	other.body = strings.Replace(bearerBody, "tok-1", "tok-2", 1)
	h.expectRefusal(t, other, conflict("Idempotency key reused with a different request body.", "Idempotency-Key"))
	erased := conflict("The request with this idempotency key succeeded; what it returned has been deleted since.", "Idempotency-Key")
	h.send(t, "DELETE", path+"/"+first.field("id").(string), "", 200)
	h.expectRefusal(t, add, erased)
	add.header = keyed("k2")
	h.do(add)
	h.send(t, "DELETE", strings.TrimSuffix(path, "/credentials"), "", 200)
	h.expectRefusal(t, add, erased)
}

// parsed parses JSON.
func parsed(t *testing.T, text string) any {
	t.Helper()
	return answer{body: []byte(text)}.field()
}
