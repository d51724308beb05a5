package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// upload writes a file to be uploaded and returns its path.
func upload(t *testing.T, name, content string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// read returns the content of a file; "" when it does not exist.
func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(data)
}

func TestFiles(t *testing.T) {
	t.Parallel()
	api := demo(t)
	const content = "\x00\x1b[1mbytes\n"
	uploaded := ok(t, api, "files", "upload", upload(t, "计划.bin", content), "--metadata", "a=b", "--purpose", "agent_output", "--expires-in", "24h")
	file := fields(t, uploaded, "id", "filename", "size_bytes", "purpose", "metadata", "mime_type", "expires_at")
	if file["filename"] != "计划.bin" || file["size_bytes"] != 11.0 || file["purpose"] != "agent_output" || file["mime_type"] != "application/octet-stream" || file["expires_at"] == nil {
		t.Errorf("%v", file)
	}
	name := file["id"].(string)
	if got := ok(t, api, "files", "get", name); got != uploaded {
		t.Errorf("get: %s", got)
	}
	p := prepare(t, api, "files", "upload", "-", "--name", "stdin.txt", "--type", "text/x-diff", "-o", "json")
	p.Stdin = strings.NewReader("from stdin")
	var second struct {
		ID       string
		MimeType string `json:"mime_type"`
	}
	if err := json.Unmarshal([]byte(okWith(t, p)), &second); err != nil || second.MimeType != "text/x-diff" {
		t.Errorf("%v: %+v", err, second)
	}
	if got := strings.Fields(ok(t, api, "files", "list", "--name", "stdin.txt", "-o", "id")); len(got) != 1 || got[0] != second.ID {
		t.Errorf("list: %v", got)
	}
	if got := ok(t, api, "files", "download", name, "-"); got != content {
		t.Errorf("%q", got)
	}
	to := filepath.Join(t.TempDir(), "to.bin")
	ok(t, api, "files", "download", name, to)
	fails(t, api, exitUsage, to+" exists; give --force to overwrite it", "files", "download", second.ID, to)
	if got := read(t, to); got != content {
		t.Errorf("%q", got)
	}
	ok(t, api, "files", "download", second.ID, to, "--force")
	if got := read(t, to); got != "from stdin" {
		t.Errorf("%q", got)
	}
	missing := filepath.Join(filepath.Dir(to), "missing")
	fails(t, api, exitNotFound, "File 'file_x' was not found.", "files", "download", "file_x", missing)
	fails(t, api, exitNotFound, "File 'file_x' was not found.", "files", "download", "file_x", to, "--force")
	if entries, err := os.ReadDir(filepath.Dir(to)); err != nil || len(entries) != 1 || read(t, to) != "from stdin" {
		t.Errorf("left: %v, %v", entries, err)
	}
	folder := t.TempDir()
	fails(t, api, exitUsage, folder+" is a folder; give the path of a file", "files", "download", name, folder)
	fails(t, api, exitUsage, folder+" is a folder; give a file", "files", "upload", folder)
	fails(t, api, exitUsage, "cannot read "+missing+": no such file or directory", "files", "upload", missing)
	fails(t, api, exitUsage, "standard input has no name; give --name", "files", "upload", "-")
	if got := id(t, api, "files", "delete", name); got != name {
		t.Errorf("delete: %s", got)
	}
}

// fails runs a command that must fail with that code and that text.
func fails(t *testing.T, baseURL string, code int, text string, args ...string) {
	t.Helper()
	p := prepare(t, baseURL, args...)
	if got := p.end(t); got != code || !strings.Contains(p.err.String(), text) {
		t.Errorf("%v: exit code %d, %s", args, got, &p.err)
	}
}

// TestProgressOfBytes shows how much has passed, on a terminal only and not at once.
func TestProgressOfBytes(t *testing.T) {
	t.Parallel()
	at := time.Unix(0, 0)
	for _, ansi := range []bool{true, false} {
		var out bytes.Buffer
		a := &app{err: stream{to: &out, ansi: ansi}, now: func() time.Time { return at }}
		p := a.progress("uploaded", 4_000_000)
		p.add(1_000_000)
		at = at.Add(patience)
		p.add(1_500_000)
		p.add(1)
		p.end()
		want := ""
		if ansi {
			want = "\ruploaded 2.5 MB of 4.0 MB\x1b[K\r\x1b[K"
		}
		if out.String() != want {
			t.Errorf("%q", out.String())
		}
	}
}
