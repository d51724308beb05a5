package server_test

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/seal"
	"github.com/cloud-sessions/sessions/server/store/pgtest"
	"github.com/cloud-sessions/sessions/server/turn/openai"
)

// writeOnly are the schemas of secrets.
var writeOnly = []string{"BearerToken", "OAuthSecret", "SecretValue"}

// secretPaths lists the paths of the properties that hold secrets, below a schema.
func secretPaths(at string, ref *openapi3.SchemaRef, depth int) (paths []string) {
	if ref == nil || ref.Value == nil || depth > 12 {
		return nil
	}
	if slices.Contains(writeOnly, path.Base(ref.Ref)) {
		return []string{at}
	}
	s := ref.Value
	for _, variant := range s.OneOf {
		paths = append(paths, secretPaths(at, variant, depth+1)...)
	}
	for name, p := range s.Properties {
		paths = append(paths, secretPaths(at+"."+name, p, depth+1)...)
	}
	return append(paths, secretPaths(at+"[]", s.Items, depth+1)...)
}

// sentPaths lists the paths of the properties that are the canary.
func sentPaths(at string, value any, canary string) (paths []string) {
	switch v := value.(type) {
	case string:
		if v == canary {
			return []string{at}
		}
	case map[string]any:
		for name, inner := range v {
			paths = append(paths, sentPaths(at+"."+name, inner, canary)...)
		}
	case []any:
		for _, inner := range v {
			paths = append(paths, sentPaths(at+"[]", inner, canary)...)
		}
	}
	return paths
}

// variants are the forms of a body with secrets: one for each type of credential, and the flat form.
const variants = 4

// filled returns a value of a schema with every property, whose secrets are the canary. Of a union it takes one variant.
func filled(t *testing.T, ref *openapi3.SchemaRef, variant int, canary string) any {
	t.Helper()
	s := ref.Value
	switch name := path.Base(ref.Ref); {
	case slices.Contains(writeOnly, name):
		return canary
	case len(s.OneOf) > 0 && s.Discriminator != nil:
		return filled(t, s.OneOf[variant%len(s.OneOf)], variant, canary)
	case s.Type.Is("object") && len(s.Properties) > 0:
		object := map[string]any{}
		for name, p := range s.Properties {
			object[name] = filled(t, p, variant, canary)
		}
		if object["auth"] != nil && object["access_token"] != nil { // either form of a credential
			for _, name := range []string{"auth", "type", "mcp_server_url", "protocol", "access_token"} {
				if flat := name != "auth"; flat != (variant == variants-1) {
					delete(object, name)
				}
			}
		}
		return object
	case s.Type.Is("array"):
		return []any{filled(t, s.Items, variant, canary)}
	case s.Type.Is("boolean"):
		return true
	case len(s.Enum) > 0:
		return s.Enum[len(s.Enum)-1]
	}
	return s.Example
}

// canaryHolder is a place that must not have the canary.
type canaryHolder struct {
	what string
	data []byte
}

// TestNoSecretIsRevealed sends a canary as every secret that the contract has, in requests that succeed and in requests that
// fail in many ways, and looks for it in everything that the server writes and says. A new field with a secret is sent as
// well: a schema of its own has to be named in writeOnly.
func TestNoSecretIsRevealed(t *testing.T) {
	t.Parallel()
	t.Run("SQLite", func(t *testing.T) {
		t.Parallel()
		revealsNoSecret(t, "sqlite:"+filepath.Join(t.TempDir(), "sessions.db"), filesOf)
	})
	t.Run("PostgreSQL", func(t *testing.T) {
		t.Parallel()
		revealsNoSecret(t, pgtest.Database(t), tablesOf)
	})
}

// revealsNoSecret is the test on one database, of which contents returns everything.
func revealsNoSecret(t *testing.T, dsn string, contents func(*testing.T, *harness) []canaryHolder) {
	t.Helper()
	const canary = "canary-6b1f0c9e52"
	var modelRequests strings.Builder
	model := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(&modelRequests, "%v %s\n", r.Header, body)
		w.Header().Set("Content-Type", "text/event-stream")
		fmt.Fprint(w, "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"hi\"},\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n")
	}))
	defer model.Close()
	runner, err := openai.New(openai.Options{BaseURL: model.URL})
	if err != nil {
		t.Fatal(err)
	}
	ring, err := seal.New()
	if err != nil {
		t.Fatal(err)
	}
	key, err := ring.Text()
	if err != nil {
		t.Fatal(err)
	}
	h := startOn(t, dsn, openGate, func(c *server.Config) { c.Runner, c.VaultKey = runner, string(key) })
	held := []canaryHolder{}
	send := func(r request) answer {
		t.Helper()
		got := h.do(r)
		held = append(held, canaryHolder{r.method + " " + r.path, fmt.Append(got.body, got.header)})
		return got
	}

	// Every body with secrets, and every way to break it.
	newVault := func() string { return h.mustCreate("/vaults", `{"display_name":"v"}`) }
	sent := 0
	for _, o := range operations(t) {
		if o.body == nil {
			continue
		}
		ref := bodyOf(t, o)
		secrets := secretPaths("", ref, 0)
		if len(secrets) == 0 {
			continue
		}
		var succeeded []string
		for variant := range variants {
			vault := newVault()
			ids := map[string]string{"vault_id": vault}
			if o.id == "updateVaultCredential" {
				if variant == variants-1 {
					continue // there is no flat form
				}
				ids["credential_id"] = h.mustCreate("/vaults/"+vault+"/credentials", credentialOf(variant, canary))
			}
			value := filled(t, ref, variant, canary)
			good := o.at(ids)
			good.body = brokenBodies(t, value, canary)[0]
			if got := send(good); got.status >= 300 {
				t.Errorf("%s %s: %d %s", o.id, good.body, got.status, got.body)
			}
			succeeded = append(succeeded, sentPaths("", value, canary)...)
			for _, body := range brokenBodies(t, value, canary) {
				for _, change := range []map[string]string{nil, keyed(fmt.Sprint(o.id, variant, len(body))), {"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}} {
					r := o.at(ids)
					r.body, r.header = body, change
					send(r)
					if change != nil {
						send(r) // again, with the same key
					}
					sent++
				}
			}
			if id := ids["credential_id"]; id != "" {
				send(request{method: "GET", path: "/vaults/" + vault})
				for _, one := range []request{
					{method: "GET", path: "/vaults/" + vault + "/credentials/" + id}, {method: "GET", path: "/vaults/" + vault + "/credentials"},
					{method: "POST", path: "/vaults/" + vault + "/credentials/" + id + "/mcp_oauth_validate"},
				} {
					send(one)
				}
				if variant == 0 { // the others stay, sealed
					send(request{method: "POST", path: "/vaults/" + vault + "/credentials/" + id + "/archive"})
					send(request{method: "DELETE", path: "/vaults/" + vault + "/credentials/" + id})
				} else {
					h.send(t, "DELETE", "/vaults/"+vault+"/credentials/"+id, "", 200)
				}
			}
		}
		for _, want := range secrets {
			if !slices.Contains(succeeded, want) {
				t.Errorf("%s: no request that succeeded has a secret at %s", o.id, want)
			}
		}
	}
	if sent < 100 {
		t.Fatalf("only %d requests with secrets", sent)
	}
	vault := newVault()
	for variant := range variants - 1 { // what is in the database at the end
		if variant > 0 {
			vault = newVault()
		}
		h.mustCreate("/vaults/"+vault+"/credentials", credentialOf(variant, canary))
	}
	sealed, err := h.db.ListSealed(t.Context(), "", 100)
	if err != nil || len(sealed) < 3 {
		t.Fatalf("%d secrets are stored, %v", len(sealed), err)
	}

	// A turn of a session with the vault.
	session := h.mustCreate("/sessions", h.createBody(map[string]any{"vault_ids": []string{vault}}))
	send(request{method: "POST", path: "/sessions/" + session + "/events", body: `{"events":[{"type":"user.message","content":"hello"}]}`})
	eventually(t, "the turn ends", func() bool {
		got := h.do(request{method: "GET", path: "/sessions/" + session})
		return got.field("status") == "idle" && modelRequests.Len() > 0
	})
	send(request{method: "GET", path: "/sessions/" + session + "/events"})
	send(request{method: "GET", path: "//metrics"})

	for _, o := range operations(t) { // no response may have a field for a secret
		for status, response := range responsesOf(t, o) {
			for media, content := range response.Value.Content {
				if found := secretPaths("", content.Schema, 0); len(found) > 0 {
					t.Errorf("%s %s %s: the response can hold secrets: %v", o.id, status, media, found)
				}
			}
		}
	}
	held = append(held, canaryHolder{"the log", []byte(h.log.String())}, canaryHolder{"requests to the model", []byte(modelRequests.String())})
	held = append(held, contents(t, h)...)
	for _, holder := range held {
		for _, form := range forms(canary) {
			if strings.Contains(string(holder.data), form) {
				t.Errorf("%s reveals the secret (as %q)", holder.what, form)
			}
		}
	}
	proves(t, held, canary)
}

// proves fails the test unless the search would find the canary: in the place of a secret that is not kept as one.
func proves(t *testing.T, held []canaryHolder, canary string) {
	t.Helper()
	if len(held) < 200 || !slices.ContainsFunc(held, func(c canaryHolder) bool { return strings.HasPrefix(c.what, "stored in ") && len(c.data) > 1000 }) {
		t.Errorf("only %d places were searched", len(held))
	}
	if !strings.Contains(string(fmt.Append([]byte(canary), http.Header{})), forms(canary)[0]) {
		t.Error("the search finds nothing")
	}
}

// forms are the ways in which the canary may be written.
func forms(canary string) []string {
	quoted, _ := json.Marshal(canary)
	return []string{
		canary, hex.EncodeToString([]byte(canary)), url.QueryEscape(canary), strings.Trim(string(quoted), `"`), strings.ToUpper(canary),
		base64.StdEncoding.EncodeToString([]byte(canary))[:16], base64.StdEncoding.EncodeToString([]byte("x" + canary))[4:16], base64.StdEncoding.EncodeToString([]byte("xx" + canary))[4:16],
	}
}

// credentialOf is the body of a credential of each type.
func credentialOf(variant int, canary string) string {
	return []string{
		`{"auth":{"type":"static_bearer","mcp_server_url":"https://mcp.tracker.example/sse","token":"` + canary + `"}}`,
		`{"auth":{"type":"mcp_oauth","mcp_server_url":"https://mcp.tracker.example/sse","access_token":"` + canary + `","refresh":{"client_id":"sessions","resource":"https://mcp.tracker.example/mcp","refresh_token":"` + canary +
			`","token_endpoint":"https://mcp.tracker.example/sse","token_endpoint_auth":{"type":"client_secret_post","client_secret":"` + canary + `"}}}}`,
		`{"auth":{"type":"environment_variable","secret_name":"TRACKER_TOKEN","secret_value":"` + canary + `"}}`,
	}[variant]
}

// brokenBodies returns a body, and forms of it that are invalid in ways in which an error might repeat it.
func brokenBodies(t *testing.T, value any, canary string) []string {
	t.Helper()
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	object := strings.TrimSuffix(good, "}")
	quoted := `"` + canary + `"`
	return []string{
		good,
		strings.ReplaceAll(good, quoted, `"`+canary+`\n"`),
		strings.ReplaceAll(good, quoted, `"`+canary+`\u0000"`),
		strings.ReplaceAll(good, quoted, `["`+canary+`"]`),
		strings.ReplaceAll(good, quoted, `{"`+canary+`":1}`),
		strings.ReplaceAll(good, quoted, `"`+strings.Repeat(canary, 3000)+`"`),
		strings.ReplaceAll(good, quoted, quoted+`,`+quoted),
		object[:len(object)/2] + quoted,
		object,
		object + `,"zzz":` + quoted + `}`,
		quoted,
		"[" + good + "]",
		good + quoted,
	}
}

func bodyOf(t *testing.T, o operation) *openapi3.SchemaRef {
	t.Helper()
	return operationAt(t, o.request.method, "/v1"+o.request.path).Operation.RequestBody.Value.Content["application/json"].Schema
}

func responsesOf(t *testing.T, o operation) map[string]*openapi3.ResponseRef {
	t.Helper()
	return operationAt(t, o.request.method, "/v1"+o.request.path).Operation.Responses.Map()
}

// tablesOf returns the tables of a database of PostgreSQL.
func tablesOf(t *testing.T, h *harness) (holders []canaryHolder) {
	t.Helper()
	for table, text := range pgtest.Contents(t, h.dsn) {
		holders = append(holders, canaryHolder{"stored in " + table, []byte(text)})
	}
	if len(holders) < 10 || !slices.ContainsFunc(holders, func(c canaryHolder) bool { return strings.Contains(string(c.data), "https://mcp.tracker.example/sse") }) {
		t.Errorf("the %d tables lack what is not secret of a credential", len(holders))
	}
	return holders
}

// filesOf returns the files of a database of SQLite: also its blobs, which have no secrets of callers either.
func filesOf(t *testing.T, h *harness) (holders []canaryHolder) {
	t.Helper()
	err := filepath.WalkDir(filepath.Dir(strings.TrimPrefix(h.dsn, "sqlite:")), func(name string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		data, err := os.ReadFile(name)
		holders = append(holders, canaryHolder{"stored in " + filepath.Base(name), data})
		return err
	})
	if err != nil || len(holders) < 3 {
		t.Fatalf("%d files, %v", len(holders), err)
	}
	return holders
}
