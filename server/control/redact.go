package control

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/url"
	"unicode/utf8"

	"github.com/cloud-sessions/sessions/api/redact"
)

// redacted stands for a secret.
const redacted = "[redacted]"

// recordedRequest is a Request as callers see it. One of body and body_base64 is there, unless the request had no body or it
// was cut and has secrets.
type recordedRequest struct {
	Operation  string      `json:"operation"`
	Method     string      `json:"method"`
	Path       string      `json:"path"`
	Query      url.Values  `json:"query"`
	Headers    http.Header `json:"headers"`
	Body       *string     `json:"body,omitempty"`
	BodyBase64 []byte      `json:"body_base64,omitempty"`
	Cut        bool        `json:"cut"`
	Status     int         `json:"status"`
}

// shown returns a request as callers see it, without the values of the properties of its body that are secrets.
func shown(r Request, secrets []string) recordedRequest {
	seen := recordedRequest{
		Operation: r.Operation, Method: r.Method, Path: r.Path, Query: r.Query, Headers: r.Header, Cut: r.Cut, Status: r.Status,
	}
	body := r.Body
	if len(secrets) > 0 && (r.Operation != "" || startsJSON(body)) {
		body = withoutSecrets(body, secrets)
	}
	switch {
	case len(body) == 0:
	case utf8.Valid(body):
		seen.Body = new(string(body))
	default:
		seen.BodyBase64 = body
	}
	return seen
}

// startsJSON reports whether a body begins like a JSON object or array.
func startsJSON(body []byte) bool {
	start := bytes.TrimLeft(body, " \t\r\n")
	return len(start) > 0 && (start[0] == '{' || start[0] == '[')
}

// withoutSecrets returns JSON without secrets; nothing of what is not JSON, where nobody knows what is a secret.
func withoutSecrets(body []byte, secrets []string) []byte {
	var v any
	dec := json.NewDecoder(bytes.NewReader(body))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil
	}
	data, _ := json.Marshal(hide(v, secrets)) // it was JSON
	return data
}

// withoutNamedSecrets returns the headers or the parameters of a request without those that are secrets by their names.
func withoutNamedSecrets(values map[string][]string) map[string][]string {
	shown := map[string][]string{}
	for name, list := range values {
		if !redact.IsName(name) {
			shown[name] = list
		}
	}
	return shown
}

func hide(v any, secrets []string) any {
	switch v := v.(type) {
	case map[string]any:
		for name, value := range v {
			v[name] = hide(value, secrets)
			if redact.IsProperty(name, secrets) {
				v[name] = redacted
			}
		}
	case []any:
		for i := range v {
			v[i] = hide(v[i], secrets)
		}
	}
	return v
}
