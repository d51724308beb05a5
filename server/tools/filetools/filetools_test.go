package filetools_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/blob"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
	"github.com/cloud-sessions/sessions/server/tools/filetools"
	"github.com/cloud-sessions/sessions/server/turn"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// bench has files with their tools.
type bench struct {
	*testing.T
	db      store.Store
	blobs   blob.Store
	session store.Session
}

func start(t *testing.T) *bench {
	t.Helper()
	t.Parallel()
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	check(t, err)
	t.Cleanup(func() { check(t, db.Close()) })
	blobs, err := blob.Open(t.Context(), t.TempDir())
	check(t, err)
	t.Cleanup(func() { check(t, blobs.Close()) })
	return &bench{T: t, db: db, blobs: blobs}
}

// attach adds a file to the session.
func (b *bench) attach(name, path, content string) store.File {
	b.Helper()
	made, err := b.blobs.Create(b.Context(), strings.NewReader(content))
	check(b.T, err)
	f, err := b.db.CreateFile(b.Context(), "acc", store.FileSpec{Name: name, MediaType: "text/plain", Size: made.Size, Blob: made.Key}, 1<<30)
	check(b.T, err)
	b.session.Resources = append(b.session.Resources, store.Resource{FileID: f.ID, MountPath: path})
	return f
}

// open returns the toolbox of the session.
func (b *bench) open() turn.Toolbox {
	b.Helper()
	box, err := filetools.Source(b.db, b.blobs)(b.Context(), "acc", b.session)
	check(b.T, err)
	return box
}

// use runs a tool.
func use(t *testing.T, box turn.Toolbox, name, input string) turn.Output {
	t.Helper()
	for _, tool := range box.Tools {
		if tool.Name == name {
			out, err := tool.Run(t.Context(), json.RawMessage(input))
			check(t, err)
			return out
		}
	}
	t.Fatalf("there is no tool %s", name)
	return turn.Output{}
}

// TestNoFiles opens the toolbox of sessions without files.
func TestNoFiles(t *testing.T) {
	b := start(t)
	if box := b.open(); box.System != "" || len(box.Tools) > 0 {
		t.Errorf("%+v", box)
	}
	b.attach("a", "/a", "x")
	box, err := filetools.Source(b.db, nil)(t.Context(), "acc", b.session)
	if err != nil || box.System != "" || len(box.Tools) > 0 {
		t.Errorf("%+v, %v", box, err)
	}
}

// TestList names the files to the model.
func TestList(t *testing.T) {
	b := start(t)
	b.attach("计划.md", "/plan", "x")
	gone := b.attach("b", "/b", "x")
	check(t, b.db.DeleteFile(t.Context(), "acc", gone.ID))
	box := b.open()
	const list = "- /plan: 计划.md, text/plain, 1 bytes\n- /b: deleted\n"
	if !strings.HasSuffix(box.System, "The files:\n"+list) {
		t.Errorf("system text: %s", box.System)
	}
	if out := use(t, box, "file_list", `{}`); out.Text != list || out.Failed {
		t.Errorf("%+v", out)
	}
	const atPaths = "at their paths as well"
	b.session.SelfHosted, b.session.Agent.Tools = true, json.RawMessage(`[{"type":"agent_toolset_20260401"}]`)
	if strings.Contains(box.System, atPaths) || !strings.Contains(b.open().System, atPaths) {
		t.Errorf("with a worker: %s", b.open().System)
	}
	for _, tool := range box.Tools {
		if !json.Valid(tool.InputSchema) || !tool.Repeatable || tool.Ask {
			t.Errorf("%+v", tool)
		}
	}
}

// TestRead reads files by path, id and name, and ranges of them.
func TestRead(t *testing.T) {
	b := start(t)
	f := b.attach("a.txt", "/a", "one\n二\nthree")
	b.attach("same", "/s1", "1")
	b.attach("same", "/s2", "2")
	b.attach("image", "/image", "\x89PNG\x00")
	b.attach("utf16", "/utf16", "\xff\xfeo\x00")
	b.attach("empty", "/empty", "")
	long := strings.Repeat("值", 30_000) // 90,000 bytes
	b.attach("long", "/long", long)
	b.attach("many", "/many", strings.Repeat("0123456789abcde\n", 5000))
	gone := b.attach("gone", "/gone", "x")
	check(t, b.db.DeleteFile(t.Context(), "acc", gone.ID))
	box := b.open()
	for _, c := range []struct{ input, want string }{
		{`{"path":"/a"}`, "one\n二\nthree"},
		{`{"path":"` + f.ID + `"}`, "one\n二\nthree"},
		{`{"path":"a.txt"}`, "one\n二\nthree"},
		{`{"path":"/a","from_line":2,"lines":1}`, "二\n[This was up to line 2; continue with from_line 3.]"},
		{`{"path":"/a","from_line":2}`, "二\nthree"},
		{`{"path":"/a","lines":9}`, "one\n二\nthree"},
		{`{"path":"/a","from_byte":8}`, "three"},
		{`{"path":"/a","from_byte":5,"bytes":4}`, "\nt\n[This was up to byte 9 of 13; continue with from_byte 9.]"},
		{`{"path":"/a","bytes":6}`, "one\n\n[This was up to byte 6 of 13; continue with from_byte 6.]"},
		{`{"path":"/empty"}`, ""},
		{`{"path":"/empty","from_line":1}`, ""},
		{`{"path":"/s2"}`, "2"},
		{`{"path":"/long"}`, long[:65535] + "\n[This was up to byte 65536 of 90000; continue with from_byte 65536.]"},
		{`{"path":"/long","from_byte":65536}`, long[65538:]},
		{`{"path":"/long","bytes":9999999}`, long[:65535] + "\n[This was up to byte 65536 of 90000; continue with from_byte 65536.]"},
		{`{"path":"/long","lines":1}`, long[:65535] + "\n[Line 1 is longer than this; read the file by from_byte.]"},
		{`{"path":"/many","from_line":5000}`, "0123456789abcde\n"},
		{`{"path":"/many","lines":4097}`, strings.Repeat("0123456789abcde\n", 4096) + "[This was up to line 4096; continue with from_line 4097.]"},
	} {
		if out := use(t, box, "file_read", c.input); out.Text != c.want || out.Failed {
			t.Errorf("%s: %.200q, failed %v", c.input, out.Text, out.Failed)
		}
	}
	for input, want := range map[string]string{
		`{"path":"/x"}`:                             `No attached file has the path "/x"; file_list lists the files.`,
		`{"path":"same"}`:                           `No attached file has the path "same"; file_list lists the files.`,
		`{}`:                                        `No attached file has the path ""; file_list lists the files.`,
		`{"path":"/gone"}`:                          "The file at /gone was deleted.",
		`{"path":"/image"}`:                         "The file at /image is not text in UTF-8 (text/plain, 5 bytes), so it cannot be read with file_read.",
		`{"path":"/utf16","lines":1}`:               "The file at /utf16 is not text in UTF-8 (text/plain, 4 bytes), so it cannot be read with file_read.",
		`{"path":"/a","from_line":4}`:               "The file at /a has 3 lines; from_line must not be greater.",
		`{"path":"/a","from_line":9}`:               "The file at /a has 3 lines; from_line must not be greater.",
		`{"path":"/many","from_line":5001}`:         "The file at /many has 5000 lines; from_line must not be greater.",
		`{"path":"/a","from_byte":13}`:              "The file at /a has 13 bytes; from_byte must be less.",
		`{"path":"/a","from_byte":-1}`:              "Ranges must not be negative.",
		`{"path":"/a","from_byte":1,"lines":1}`:     "Give a range of lines or a range of bytes, not both.",
		fmt.Sprintf(`{"path":"/a","lines":%d}`, -1): "Ranges must not be negative.",
	} {
		if out := use(t, box, "file_read", input); out.Text != want || !out.Failed {
			t.Errorf("%s: %q, failed %v", input, out.Text, out.Failed)
		}
	}
	if out := use(t, box, "file_read", `{"path":1}`); !out.Failed {
		t.Errorf("%+v", out)
	}
}

// TestLostContent reads a file whose blob is gone.
func TestLostContent(t *testing.T) {
	b := start(t)
	f := b.attach("a", "/a", "x")
	check(t, b.blobs.Delete(t.Context(), f.Blob))
	out := use(t, b.open(), "file_read", `{"path":"/a"}`)
	if out.Text != "The content of the file at /a is not available at the moment." || !out.Failed {
		t.Errorf("%+v", out)
	}
}
