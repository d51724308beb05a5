package contract

import (
	"errors"
	"net/http"
	"testing"
)

// TestForm validates the head and the parts of a form.
func TestForm(t *testing.T) {
	t.Parallel()
	c, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	op := c.Operation("uploadFile")
	if !op.TakesForm() || op.TakesBody() || c.Operation("createSession").TakesForm() {
		t.Fatal("uploadFile takes a form, createSession takes JSON")
	}
	for media, param := range map[string]string{
		"multipart/form-data; boundary=b": "", "Multipart/Form-Data; boundary=b": "", "multipart/form-data": "Content-Type",
		"application/json": "Content-Type", "multipart/mixed; boundary=b": "Content-Type", "": "Content-Type",
	} {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, "/v1/files", http.NoBody)
		r.Header.Set("Content-Type", media)
		if got := paramOf(t, op.CheckRequest(r, nil)); got != param {
			t.Errorf("%q: param %q, want %q", media, got, param)
		}
	}
	for name, param := range map[string]string{"file": "", "name": "", "File": "File", "x": "x", "": "body", "\x00": "body"} {
		binary, err := op.CheckPart(name)
		if got := paramOf(t, err); got != param || binary != (name == "file") {
			t.Errorf("part %q: binary %v, param %q", name, binary, got)
		}
	}
	for _, f := range []struct {
		parts       map[string]string
		want, param string
	}{
		{map[string]string{"file": ""}, `{"file":"","purpose":"user_upload"}`, ""},
		{map[string]string{"file": "", "metadata": `{"a":"b"}`, "expires_in_seconds": "3600"},
			`{"file":"","metadata":{"a":"b"},"expires_in_seconds":3600,"purpose":"user_upload"}`, ""},
		{map[string]string{"name": "a"}, "", "file"},
		{map[string]string{"file": "", "name": "a/b"}, "", "name"},
		{map[string]string{"file": "", "name": "a\x01"}, "", "name"},
		{map[string]string{"file": "", "name": "\xff"}, "", "name"},
		{map[string]string{"file": "", "purpose": "x"}, "", "purpose"},
		{map[string]string{"file": "", "metadata": `{`}, "", "metadata"},
		{map[string]string{"file": "", "metadata": `{"a":1}`}, "", "metadata.a"},
		{map[string]string{"file": "", "metadata": `{}, "purpose": "x"`}, "", "metadata"},
		{map[string]string{"file": "", "expires_in_seconds": "1"}, "", "expires_in_seconds"},
	} {
		got, err := op.CheckForm(f.parts)
		if param := paramOf(t, err); string(got) != f.want || param != f.param {
			t.Errorf("%v: %s, param %q", f.parts, got, param)
		}
	}
}

// paramOf returns the param of a *RequestError; "" for nil.
func paramOf(t *testing.T, err error) string {
	t.Helper()
	var invalid *RequestError
	if err != nil && !errors.As(err, &invalid) {
		t.Fatal(err)
	}
	if err == nil {
		return ""
	}
	return invalid.Param
}
