package server_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/cloud-sessions/sessions/server"
	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// blobs lists the files in the folder of blobs.
func (h *harness) blobs() []string {
	h.t.Helper()
	return fileNames(h.t, strings.TrimPrefix(h.dsn, "sqlite:")+".blobs")
}

func fileNames(t testing.TB, folder string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// uploading is a request that uploads these parts.
func uploading(parts ...part) request {
	return request{method: "POST", path: "/files", media: formMedia, body: form(parts...)}
}

// TestFile uploads a file with everything that a form may have, reads and deletes it.
func TestFile(t *testing.T) {
	h := start(t)
	uploaded := h.do(uploading(
		part{"purpose", "", "", "session_resource"}, part{"file", "ignored.txt", "Text/Markdown; charset=UTF-8", "# Plan\n"},
		part{"metadata", "", "application/json", `{"team":"docs"}`}, part{"name", "", "", "计划.md"}, part{"expires_in_seconds", "", "", "3600"}))
	expect(t, uploaded, 201, map[string]any{
		"type": "file", "filename": "计划.md", "mime_type": "text/markdown; charset=UTF-8", "size_bytes": 7.0, "purpose": "session_resource",
		"status": "ready", "downloadable": true, "scope": nil, "metadata": map[string]any{"team": "docs"},
		"created_at": "2026-11-24T10:00:00Z", "updated_at": "2026-11-24T10:00:00Z", "expires_at": "2026-11-24T11:00:00Z",
	})
	id := uploaded.field("id").(string)
	if uploaded.field("file_id") != id {
		t.Errorf("%s", uploaded.body)
	}
	path := "/files/" + id
	if diff := cmp.Diff(string(uploaded.body), string(h.get(path).body)); diff != "" {
		t.Error(diff)
	}
	content := h.get(path + "/content")
	if content.status != 200 || string(content.body) != "# Plan\n" {
		t.Errorf("%d %s", content.status, content.body)
	}
	for name, want := range map[string]string{
		"Content-Type": "text/markdown; charset=UTF-8", "Content-Length": "7", "Accept-Ranges": "bytes", "X-Content-Type-Options": "nosniff",
		"Content-Security-Policy": "sandbox", "Content-Disposition": "attachment; filename*=utf-8''%E8%AE%A1%E5%88%92.md", "Cache-Control": "private",
	} {
		if got := content.header.Get(name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	expect(t, h.remove(path), 200, map[string]any{"id": id, "type": "file_deleted"})
	missing := refusal{404, "not_found_error", "", "File '" + id + "' was not found."}
	for _, r := range []request{{method: "GET", path: path}, {method: "DELETE", path: path}} {
		h.expectRefusal(t, r, missing)
	}
	h.expectRefusal(t, request{method: "GET", path: path + "/content"}, refusal{410, "not_found_error", "", "File '" + id + "' was deleted."})
	h.expectRefusal(t, request{method: "GET", path: path + "/content", token: bobToken}, missing)
}

// TestFileRanges asks for parts of a file, and for a file that the caller has.
func TestFileRanges(t *testing.T) {
	h := start(t)
	path := "/files/" + h.file("a.txt", "0123456789") + "/content"
	tag := h.get(path).header.Get("ETag")
	if len(tag) != 66 {
		t.Fatalf("ETag %q", tag)
	}
	for _, c := range []struct {
		header     map[string]string
		status     int
		body, span string
	}{
		{map[string]string{"Range": "bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{map[string]string{"Range": "bytes=-3"}, 206, "789", "bytes 7-9/10"},
		{map[string]string{"Range": "bytes=8-"}, 206, "89", "bytes 8-9/10"},
		{map[string]string{"Range": "bytes=2-4", "If-Range": tag}, 206, "234", "bytes 2-4/10"},
		{map[string]string{"Range": "bytes=2-4", "If-Range": `"other"`}, 200, "0123456789", ""},
		{map[string]string{"Range": "Bytes=2-4"}, 206, "234", "bytes 2-4/10"},
		{map[string]string{"Range": "bytes=0-1,-0"}, 206, "01", "bytes 0-1/10"},
		{map[string]string{"Range": "bytes=8-99999999999999999999"}, 206, "89", "bytes 8-9/10"},
		{map[string]string{"Range": "bytes=-99999999999999999999"}, 206, "0123456789", "bytes 0-9/10"},
		{map[string]string{"Range": "bytes=-0", "If-Range": `"other"`}, 200, "0123456789", ""},
		{map[string]string{"Range": "lines=1-2"}, 200, "0123456789", ""},
		{map[string]string{"Range": "2-4"}, 200, "0123456789", ""},
		{map[string]string{"If-None-Match": tag}, 304, "", ""},
		{map[string]string{"If-None-Match": `"other"`}, 200, "0123456789", ""},
		{map[string]string{"If-Modified-Since": "Tue, 24 Nov 2026 10:00:00 GMT"}, 304, "", ""},
	} {
		got := h.do(request{method: "GET", path: path, header: c.header})
		if got.status != c.status || string(got.body) != c.body || got.header.Get("Content-Range") != c.span {
			t.Errorf("%v: %d %q %v", c.header, got.status, got.body, got.header)
		}
	}
	several := h.do(request{method: "GET", path: path, header: map[string]string{"Range": "bytes=0-1,4-5"}})
	if several.status != 206 || !strings.HasPrefix(several.header.Get("Content-Type"), "multipart/byteranges") || !strings.Contains(string(several.body), "45") {
		t.Errorf("two ranges: %d %v", several.status, several.header)
	}
	for _, span := range []string{"bytes=10-", "bytes=x", "bytes=-0", "bytes=-00,-0", "bytes=99999999999999999999-"} {
		r := request{method: "GET", path: path, header: map[string]string{"Range": span}}
		h.expectRefusal(t, r, refusal{416, "invalid_request_error", "Range", "Header 'Range' must name bytes that the file has; it has 10."})
		if got := h.do(r).header.Get("Content-Range"); got != "bytes */10" {
			t.Errorf("Content-Range %q", got)
		}
	}
	head := h.do(request{method: "HEAD", path: path, header: map[string]string{"Range": "bytes=2-4"}})
	if head.status != 200 || head.header.Get("Content-Length") != "10" || head.header.Get("Content-Range") != "" {
		t.Errorf("HEAD: %d %v", head.status, head.header)
	}
	empty := "/files/" + h.file("empty", "") + "/content"
	for _, header := range []map[string]string{nil, {"Range": "bytes=-5"}, {"Range": "bytes=-0"}, {"Range": "bytes=0-"}, {"Range": "lines=1-2"}} {
		if got := h.do(request{method: "GET", path: empty, header: header}); got.status != 200 || len(got.body) != 0 || got.header.Get("Content-Range") != "" {
			t.Errorf("an empty file, %v: %d %s", header, got.status, got.body)
		}
	}
}

// TestListFiles lists files by each parameter.
func TestListFiles(t *testing.T) {
	h := start(t)
	first := h.file("a.txt", "1")
	h.clock.advance(time.Second)
	second := h.do(uploading(part{"file", "b.txt", "", "2"}, part{"purpose", "", "", "tool_output"})).field("id").(string)
	for query, want := range map[string][]string{
		"":                         {second, first},
		"?order=asc":               {first, second},
		"?limit=1&after=" + second: {first},
		"?before_id=" + first:      {second},
		"?before=" + first:         {second},
		"?page=" + second:          {first},
		"?name=a.txt":              {first},
		"?name=a":                  {},
		"?purpose=tool_output":     {second},
		"?ids[]=" + first:          {first},
		"?ids[]=" + first + "&ids[]=" + second + "&ids[]=file_x": {second, first},
		"?limit=1&ids[]=" + first + "&ids[]=" + second:           {second, first},
		"?scope_id=sess_1":      {},
		"?limit=1000&beta=true": {second, first},
	} {
		if got := h.get("/files" + query); got.status != 200 || !slices.Equal(got.ids(), want) {
			t.Errorf("%s: %d %s", query, got.status, got.body)
		}
	}
	h.expectRefusal(t, request{method: "GET", path: "/files?after=" + first + "&after_id=" + first},
		badRequest("after", "Parameters 'after_id' and 'after' are two names of one; send one of them."))
	for query, param := range map[string]string{"purpose=x": "purpose", "name=a/b": "name", "ids[]=x": "ids[]", "scope_id=x": "scope_id"} {
		if got := refusalOf(h.get("/files?" + query)); got.Status != 400 || got.Param != param {
			t.Errorf("%s: %+v", query, got)
		}
	}
}

// TestUploadRefuses sends forms that are refused; nothing of them is stored.
func TestUploadRefuses(t *testing.T) {
	h := start(t, func(c *server.Config) { c.MaxFileBytes = 1000 })
	good := part{"file", "a.txt", "", "x"}
	const badName = "The name of the file must have 1 to 255 bytes, without '/', '\\', control or format characters, and be neither '.' nor '..'."
	const badText = "Field 'name' must not contain '/', '\\', control or format characters."
	const badHeader = "The header 'Content-Disposition' of each part must be form-data with the part's name, and no header may have control " +
		"characters or line breaks in a value; percent-encode those of a name."
	named := func(disposition string) string {
		return "--b\r\nContent-Disposition: form-data; " + disposition + "\r\n\r\nx\r\n--b--\r\n"
	}
	const noForm = "The request body is not valid multipart/form-data; it must have parts and end with the boundary."
	for name, c := range map[string]struct {
		body string
		want refusal
	}{
		"no file":       {form(part{"name", "", "", "a"}), badRequest("file", "Missing required field: file")},
		"no parts":      {"--b--\r\n", badRequest("file", "Missing required field: file")},
		"no body":       {"", badRequest("body", noForm)},
		"not a form":    {"{}", badRequest("body", noForm)},
		"cut off":       {strings.TrimSuffix(form(good), "--b--\r\n"), badRequest("body", noForm)},
		"unknown part":  {form(good, part{"other", "", "", "x"}), badRequest("other", "The form has no part of that name; its parts are 'file', 'name', 'filename', 'purpose', 'metadata', 'expires_in_seconds'.")},
		"nameless part": {form(good, part{"", "", "", "x"}), badRequest("body", "The form has no part of that name; its parts are 'file', 'name', 'filename', 'purpose', 'metadata', 'expires_in_seconds'.")},
		"NUL":           {named("name=file; filename=\"a\x00b\""), badRequest("body", badHeader)},
		"DEL":           {named("name=file; filename=\"a\x7fb\""), badRequest("body", badHeader)},
		"new line":      {named("name=\"fi\nle\""), badRequest("body", badHeader)},
		"new lines":     {named("name=\"fi\r\nle\""), badRequest("body", badHeader)},
		"open quote":    {named("name=\"file"), badRequest("body", badHeader)},
		"two files":     {form(good, good), badRequest("file", "The form has the part 'file' twice; send it once.")},
		"two names":     {form(part{"name", "", "", "a"}, part{"name", "", "", "a"}, good), badRequest("name", "The form has the part 'name' twice; send it once.")},
		"no name":       {form(part{"file", "", "", "x"}), badRequest("name", "The file has no name; send the part 'name', or a file name with the part 'file'.")},
		"folder":        {form(part{"file", "../a.txt", "", "x"}), badRequest("name", badName)},
		"backslash":     {form(good, part{"name", "", "", `a\b`}), badRequest("name", badText)},
		"dots":          {form(part{"file", "..", "", "x"}), badRequest("name", badName)},
		"long name":     {form(good, part{"name", "", "", strings.Repeat("值", 86)}), badRequest("name", badName)},
		"control":       {form(good, part{"name", "", "", "a\u0085b"}), badRequest("name", badName)},
		"no text":       {form(good, part{"name", "", "", "\xff"}), badRequest("name", "Part 'name' must be text in UTF-8.")},
		"purpose":       {form(good, part{"purpose", "", "", "x"}), badRequest("purpose", "Field 'purpose' must be one of 'user_upload', 'tool_output', 'skill_output', 'session_resource', 'agent_output'.")},
		"metadata":      {form(good, part{"metadata", "", "", "{"}), badRequest("metadata", "Part 'metadata' must be JSON.")},
		"expiry":        {form(good, part{"expires_in_seconds", "", "", "60"}), badRequest("expires_in_seconds", "Field 'expires_in_seconds' must be an integer between 3600 and 7776000.")},
		"much text":     {form(good, part{"metadata", "", "", strings.Repeat("x", 70_000)}), badRequest("body", "The parts other than the file must have at most 65536 bytes together.")},
		"large head":    {"--b\r\nX: " + strings.Repeat("x", 70_000) + "\r\n\r\n\r\n--b--\r\n", badRequest("body", "The parts other than the file must have at most 65536 bytes together.")},
		"large":         {form(part{"file", "a", "", strings.Repeat("x", 1001)}), badRequest("file", "Part 'file' must be at most 1000 bytes long.")},
	} {
		t.Run(name, func(t *testing.T) {
			h.in(t).expectRefusal(t, request{method: "POST", path: "/files", media: formMedia, body: c.body}, c.want)
		})
	}
	for _, media := range []string{"application/json", "multipart/form-data", "multipart/mixed; boundary=b", ""} {
		h.expectRefusal(t, request{method: "POST", path: "/files", body: form(good), header: map[string]string{"Content-Type": media}},
			badRequest("Content-Type", "Header 'Content-Type' must be multipart/form-data with a boundary."))
	}
	if left := h.blobs(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	expect(t, h.do(uploading(part{"file", "a", "", strings.Repeat("x", 1000)})), 201, nil)
}

// TestUploadQuota fills an account with files.
func TestUploadQuota(t *testing.T) {
	h := start(t, func(c *server.Config) { c.MaxAccountFileBytes = 10 })
	full := badRequest("file", "The account's files may have 10 bytes together, and this one exceeds that; delete some first.")
	first := h.file("a", "12345")
	h.expectRefusal(t, uploading(part{"file", "b", "", "123456"}), full)
	h.file("b", "12345")
	h.file("empty", "")
	h.expectRefusal(t, uploading(part{"file", "c", "", "1"}), full)
	expect(t, h.do(request{method: "POST", path: "/files", media: formMedia, body: form(part{"file", "c", "", "1"}), token: bobToken}), 201, nil)
	expect(t, h.remove("/files/"+first), 200, nil)
	h.file("c", "12345")
	if left := h.blobs(); len(left) != 5 { // that of the deleted file is swept
		t.Errorf("blobs: %v", left)
	}
}

// TestUploadOnce repeats uploads with their keys.
func TestUploadOnce(t *testing.T) {
	h := start(t)
	upload := func(content, name string) answer {
		r := uploading(part{"file", "a", "", content}, part{"name", "", "", name})
		r.header = keyed("k")
		return h.do(r)
	}
	first, again := upload("x", "n"), upload("x", "n")
	if first.status != 201 || again.status != 201 || string(first.body) != string(again.body) || again.header.Get("Idempotent-Replayed") != "true" {
		t.Errorf("%d %s, then %d %s", first.status, first.body, again.status, again.body)
	}
	for _, other := range []answer{upload("y", "n"), upload("x", "m")} {
		if got := refusalOf(other); got.Status != 409 || got.Param != "Idempotency-Key" {
			t.Errorf("another file: %+v", got)
		}
	}
	if n := len(h.blobs()); n != 1 {
		t.Errorf("%d blobs", n)
	}
	expect(t, h.remove("/files/"+first.field("id").(string)), 200, nil)
	if got := refusalOf(upload("x", "n")); got.Status != 409 || got.Type != "conflict_error" {
		t.Errorf("after the deletion: %+v", got)
	}
}

// TestFileInUse deletes a file that a session refers to.
func TestFileInUse(t *testing.T) {
	h := start(t, openGate)
	file := h.file("a", "x")
	session := "/sessions/" + h.mustCreate("/sessions", h.createBody(map[string]any{"resources": []any{map[string]any{"type": "file", "file_id": file}}}))
	if got := refusalOf(h.remove("/files/" + file)); got.Status != 409 || got.Type != "conflict_error" {
		t.Errorf("%+v", got)
	}
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"resources": []any{map[string]any{"type": "file", "file_id": "file_x"}}})},
		refusal{404, "not_found_error", "", "File 'file_x' was not found."})
	h.expectRefusal(t, request{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"resources": []any{
		map[string]any{"type": "file", "file_id": file}, map[string]any{"type": "file", "file_id": file, "path": "/b"}}})},
		refusal{409, "invalid_request_error", "", "The session has file '" + file + "' already; a session has a file once."})
	expect(t, h.post(session+"/archive", ""), 200, nil)
	expect(t, h.remove("/files/"+file), 200, nil)
}

// TestNoPlaceForFiles uploads to a server without blobs, and reads a file that was there before.
func TestNoPlaceForFiles(t *testing.T) {
	h := start(t, func(c *server.Config) { c.Blobs = server.NoBlobs })
	want := refusal{501, "feature_not_available", "", "This server has no place for files; its operator has to set one with 'sessionsd serve --blobs'."}
	h.expectRefusal(t, uploading(part{"file", "a", "", "x"}), want)
	id := h.files(1)[0]
	expect(t, h.get("/files/"+id), 200, map[string]any{"filename": "0"})
	h.expectRefusal(t, request{method: "GET", path: "/files/" + id + "/content"}, want)
	if got := h.do(uploading(part{"file", "a", "", "x"})).field("error", "feature"); got != "files" {
		t.Errorf("feature %v", got)
	}
	if len(h.server.Lacks()) != 1 {
		t.Errorf("lacks %v", h.server.Lacks())
	}
}

// A bucket needs a package that is imported for it, which this program leaves out.
func TestBucketsNeedAnImport(t *testing.T) {
	t.Parallel()
	s, err := server.New(t.Context(), server.Config{DB: "sqlite::memory:", Blobs: "s3://files"})
	if err == nil || !strings.Contains(err.Error(), "let it import github.com/cloud-sessions/sessions/server/blob/s3") {
		t.Errorf("%v, %v", s, err)
	}
}

// TestLostContent reads a file whose blob is gone: the caller gets an error and no empty file.
func TestLostContent(t *testing.T) {
	h := start(t)
	id := h.file("a", "x")
	if err := os.Remove(filepath.Join(strings.TrimPrefix(h.dsn, "sqlite:")+".blobs", h.blobs()[0])); err != nil {
		t.Fatal(err)
	}
	if got := h.get("/files/" + id + "/content"); got.status != 500 {
		t.Errorf("%d %s", got.status, got.body)
	}
}

// startUpload begins an upload on a connection of its own.
func (h *harness) startUpload(length int, body string) net.Conn {
	h.t.Helper()
	conn, err := net.Dial("tcp", h.web.Listener.Addr().String())
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { _ = conn.Close() })
	fmt.Fprintf(conn, "POST /v1/files HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s",
		aliceToken, formMedia, length, body)
	return conn
}

// TestInterruptedUpload hangs up in the middle of a file: nothing is left.
func TestInterruptedUpload(t *testing.T) {
	h := start(t)
	begun := strings.TrimSuffix(form(part{"file", "a", "", strings.Repeat("x", 100_000)}), "\r\n--b--\r\n")
	conn := h.startUpload(1<<20, begun)
	eventually(t, "the upload has begun", func() bool { return len(h.blobs()) == 1 })
	_ = conn.Close()
	eventually(t, "nothing is left", func() bool { return len(h.blobs()) == 0 })
	if ids := h.get("/files").ids(); len(ids) > 0 {
		t.Errorf("files: %v", ids)
	}
}

// TestSlowUpload stops after the head, in the middle of a text and of a file: the server does not wait for ever, and says
// what it waited for.
func TestSlowUpload(t *testing.T) {
	h := start(t, func(c *server.Config) { c.StreamPatience = 100 * time.Millisecond })
	var conns []net.Conn
	for _, begun := range []string{"", form(part{"name", "", "", "x"}), form(part{"file", "a", "", "x"})} {
		conns = append(conns, h.startUpload(1<<20, strings.TrimSuffix(begun, "\r\n--b--\r\n")))
	}
	for _, conn := range conns {
		expectTooSlow(t, conn)
	}
	if left := h.blobs(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// expectTooSlow reads the response to an upload that stopped.
func expectTooSlow(t *testing.T, conn net.Conn) {
	t.Helper()
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	response, err := io.ReadAll(conn)
	const want = "The request body arrived too slowly: each 64 KiB of it must arrive within 100ms; send it again."
	if err != nil || !strings.HasPrefix(string(response), "HTTP/1.1 400 ") || !strings.Contains(string(response), want) {
		t.Errorf("%s, %v", response, err)
	}
}

// TestUploadTakesLittleMemory uploads and reads a file that is larger than the account's share of the memory.
func TestUploadTakesLittleMemory(t *testing.T) {
	h := start(t, smallBudget)
	const size = 9 << 20
	body := form(part{"file", "a", "", strings.Repeat("x", size)})
	watched := &watchedBody{from: strings.NewReader(body), at: len(body) / 2, then: func() {
		if n := h.inFlight(); n > 1<<20 {
			t.Errorf("%d bytes are reserved in the middle of an upload", n)
		}
	}}
	got := h.do(request{method: "POST", path: "/files", media: formMedia, raw: watched})
	expect(t, got, 201, map[string]any{"size_bytes": float64(size)})
	if watched.then != nil {
		t.Error("nobody looked in the middle")
	}
	content := h.get("/files/" + got.field("id").(string) + "/content")
	if content.status != 200 || len(content.body) != size || bytes.Count(content.body, []byte("x")) != size {
		t.Errorf("%d, %d bytes", content.status, len(content.body))
	}
}

// watchedBody calls then once, in the middle.
type watchedBody struct {
	from *strings.Reader
	at   int
	then func()
}

func (w *watchedBody) Read(p []byte) (int, error) {
	if w.then != nil && int(w.from.Size())-w.from.Len() >= w.at {
		w.then()
		w.then = nil
	}
	return w.from.Read(p)
}

// TestUploadOfATokenThatEnds revokes the token while the file arrives: nothing is stored.
func TestUploadOfATokenThatEnds(t *testing.T) {
	h := start(t)
	body := form(part{"file", "a", "", strings.Repeat("x", 1<<20)})
	watched := &watchedBody{from: strings.NewReader(body), at: len(body) / 2, then: func() {
		h.revokeAlice()
	}}
	if got := h.do(request{method: "POST", path: "/files", media: formMedia, raw: watched}); got.status != http.StatusUnauthorized {
		t.Errorf("%d %s", got.status, got.body)
	}
	if left := h.blobs(); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// TestTheServerSweepsFiles starts a server on deleted and expired files, and on blobs that no file has.
func TestTheServerSweepsFiles(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "test.db")
	db, err := sqlstore.Open(t.Context(), "sqlite:"+path, sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := blob.Open(t.Context(), path+".blobs")
	if err != nil {
		t.Fatal(err)
	}
	made := func(change func(*store.FileSpec)) (id, key string) {
		t.Helper()
		b, err := blobs.Create(t.Context(), strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		old := time.Now().Add(-2 * time.Hour)
		if err := os.Chtimes(filepath.Join(path+".blobs", b.Key), old, old); err != nil {
			t.Fatal(err)
		}
		spec := store.FileSpec{Name: "a", MediaType: "text/plain", Purpose: "user_upload", Size: 1, Blob: b.Key}
		if change == nil {
			return "", b.Key
		}
		change(&spec)
		f, err := db.CreateFile(t.Context(), "acc", spec, 100)
		if err != nil {
			t.Fatal(err)
		}
		return f.ID, b.Key
	}
	_, kept := made(func(*store.FileSpec) {})
	deleted, _ := made(func(*store.FileSpec) {})
	made(func(s *store.FileSpec) { s.ExpiresAt = new(time.Now().Add(-time.Second)) })
	made(nil)
	fresh, err := blobs.Create(t.Context(), strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	if err := db.DeleteFile(t.Context(), "acc", deleted); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	_, stop, done := running(t, server.Config{DB: "sqlite:" + path})
	want := []string{kept, fresh.Key}
	slices.Sort(want)
	eventually(t, "what has no file is deleted", func() bool {
		left := fileNames(t, path+".blobs")
		if !slices.Contains(left, kept) || !slices.Contains(left, fresh.Key) {
			t.Fatalf("left: %v, want %v", left, want)
		}
		return slices.Equal(left, want)
	})
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestAnAgentReadsFiles runs a turn that uses the tools of the session's files.
func TestAnAgentReadsFiles(t *testing.T) {
	h := start(t, openGate, scripted(t, `rules: [{steps: [use: {tool: file_list}, use: {tool: file_read, input: {path: /plan.md}}, say: "It says: {{result}}"]}]`))
	file := h.file("plan.md", "the plan")
	session := "/sessions/" + h.mustCreate("/sessions", h.createBody(map[string]any{"resources": []any{map[string]any{"type": "file", "file_id": file, "mount_path": "/plan.md"}}}))
	h.say(session, "read")
	h.settled(session)
	var got []string
	for _, e := range h.events(session) {
		switch e.Event {
		case "agent.tool_use":
			got = append(got, e.Data["name"].(string))
		case "agent.tool_result", "agent.message":
			got = append(got, e.Data["content"].([]any)[0].(map[string]any)["text"].(string))
		}
	}
	want := []string{"file_list", "- /plan.md: plan.md, text/markdown; charset=utf-8, 8 bytes\n", "file_read", "the plan", "It says: the plan"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}
