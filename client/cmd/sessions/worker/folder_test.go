package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	anthropic "github.com/anthropics/anthropic-sdk-go"

	"github.com/cloud-sessions/sessions/client"
)

// gives returns a download of a content.
func gives(content string) func(context.Context, io.Writer) error {
	return func(_ context.Context, to io.Writer) error {
		_, err := io.WriteString(to, content)
		return err
	}
}

func testFolder(t *testing.T) (f *folder, dir string) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if f, err = openFolder(dir); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f, dir
}

func write(t *testing.T, name, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func contentOf(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(name)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return string(content)
}

// TestDownloadsReplaceNothing places files where others are already.
func TestDownloadsReplaceNothing(t *testing.T) {
	t.Parallel()
	const name = "mnt/a.txt"
	for what, test := range map[string]struct {
		before func(t *testing.T, f *folder, path string)
		want   string
		err    string
	}{
		"nothing":              {func(*testing.T, *folder, string) {}, "new", ""},
		"a file of the user":   {func(t *testing.T, _ *folder, path string) { write(t, path, "own") }, "own", errTaken.Error()},
		"the same from before": {func(t *testing.T, _ *folder, path string) { write(t, path, "new") }, "new", ""},
		"a longer one":         {func(t *testing.T, _ *folder, path string) { write(t, path, "new and more") }, "new and more", errTaken.Error()},
		"the same id, changed": {func(t *testing.T, f *folder, path string) {
			placeIt(t, f, name, "file_1", "old")
			write(t, path, "edited")
		}, "edited", ""},
		"another id": {func(t *testing.T, f *folder, _ string) { placeIt(t, f, name, "file_2", "old") }, "new", ""},
		"another id, changed": {func(t *testing.T, f *folder, path string) {
			placeIt(t, f, name, "file_2", "old")
			write(t, path, "edited")
		},
			"edited", errTaken.Error()},
		"the same id, removed": {func(t *testing.T, f *folder, path string) { placeIt(t, f, name, "file_1", "old"); _ = os.Remove(path) }, "new", ""},
		"a folder":             {func(t *testing.T, _ *folder, path string) { write(t, filepath.Join(path, "x"), "x") }, "", errTaken.Error()},
		"a file on the way":    {func(t *testing.T, _ *folder, path string) { write(t, filepath.Dir(path), "x") }, "", "not a directory"},
		"a link":               {func(t *testing.T, _ *folder, path string) { write(t, path+"x", "x"); _ = os.Symlink(path+"x", path) }, "x", errTaken.Error()},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			f, dir := testFolder(t)
			path := filepath.Join(dir, "mnt", "a.txt")
			test.before(t, f, path)
			err := f.place(t.Context(), "sess_1", name, "file_1", gives("new"))
			if (err == nil) != (test.err == "") || err != nil && err.Error() != test.err {
				t.Errorf("%v, want %q", err, test.err)
			}
			if info, err := os.Stat(path); err == nil && info.Mode().IsRegular() && contentOf(t, path) != test.want {
				t.Errorf("%q, want %q", contentOf(t, path), test.want)
			}
			if left, _ := filepath.Glob(filepath.Join(dir, "mnt", ".sessions-download-*")); len(left) > 0 {
				t.Errorf("left: %v", left)
			}
		})
	}
}

func placeIt(t *testing.T, f *folder, name, file, content string) {
	t.Helper()
	if err := f.place(t.Context(), "sess_0", name, file, gives(content)); err != nil {
		t.Fatal(err)
	}
}

// TestNothingLeavesTheFolder places files by names and over links that lead out of the folder.
func TestNothingLeavesTheFolder(t *testing.T) {
	t.Parallel()
	f, dir := testFolder(t)
	outside := t.TempDir()
	if err := os.Symlink(outside, filepath.Join(dir, "out")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"../x", "out/x", "out", "", "/etc/x", "a/../../x", "."} {
		if err := f.place(t.Context(), "sess_1", name, "file_1", gives("x")); err == nil {
			t.Errorf("%q was written", name)
		}
	}
	write(t, filepath.Join(dir, "sub", "x"), "x")
	if err := os.Symlink("sub", filepath.Join(dir, "in")); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"../store": "", "": "", "out/store": "out-store-1", "in/store": "in-store-1", "sub/x/store": "sub-x-store-1", "sub/store": "sub/store",
	} {
		if at, err := f.reserve(name, "-1"); at != want || (err == nil) != (want != "") {
			t.Errorf("%q is at %q, want %q: %v", name, at, want, err)
		}
	}
	entries, err := os.ReadDir(outside)
	if err != nil || len(entries) > 0 {
		t.Errorf("outside: %v %v", entries, err)
	}
}

// TestAFileThatAppearsDuringADownload writes a file of the user while the worker downloads one of the same name.
func TestAFileThatAppearsDuringADownload(t *testing.T) {
	t.Parallel()
	for what, before := range map[string]func(f *folder){
		"where none was":              func(*folder) {},
		"where the worker placed one": func(f *folder) { placeIt(t, f, "mnt/a.txt", "file_0", "old") },
	} {
		f, dir := testFolder(t)
		before(f)
		own := filepath.Join(dir, "mnt", "a.txt")
		err := f.place(t.Context(), "sess_1", "mnt/a.txt", "file_1", func(ctx context.Context, to io.Writer) error {
			write(t, own, "of the user")
			return gives("new")(ctx, to)
		})
		if !errors.Is(err, errTaken) || contentOf(t, own) != "of the user" {
			t.Errorf("%s: %q, %v", what, contentOf(t, own), err)
		}
		f.removeExcept("sess_1", nil)
		f.removeExcept("sess_0", nil)
		if contentOf(t, own) != "of the user" {
			t.Errorf("%s: it was removed", what)
		}
	}
}

// TestAFailedDownload leaves nothing, and says why without a path of this machine.
func TestAFailedDownload(t *testing.T) {
	t.Parallel()
	f, dir := testFolder(t)
	err := f.place(t.Context(), "sess_1", "a/b", "file_1", func(_ context.Context, to io.Writer) error {
		_, _ = io.WriteString(to, "half")
		return &fs.PathError{Op: "write", Path: dir, Err: errors.New("no space left")}
	})
	if err == nil || err.Error() != "no space left" {
		t.Errorf("%v", err)
	}
	if entries, err := os.ReadDir(filepath.Join(dir, "a")); err != nil || len(entries) > 0 {
		t.Errorf("left: %v %v", entries, err)
	}
}

// TestDetachedFiles removes the files that a session no longer has, unless they are somebody else's by now.
func TestDetachedFiles(t *testing.T) {
	t.Parallel()
	f, dir := testFolder(t)
	for _, name := range []string{"kept", "gone", "edited", "shared"} {
		if err := f.place(t.Context(), "sess_1", name, "file_"+name, gives(name)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "edited"), "by the agent")
	if err := f.place(t.Context(), "sess_2", "shared", "file_shared", gives("shared")); err != nil {
		t.Fatal(err)
	}
	f.removeExcept("sess_1", map[string]bool{"kept": true})
	for name, want := range map[string]string{"kept": "kept", "gone": "", "edited": "by the agent", "shared": "shared"} {
		if got := contentOf(t, filepath.Join(dir, name)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

// TestReservedFolders reserves a folder that is left from before.
func TestReservedFolders(t *testing.T) {
	t.Parallel()
	f, dir := testFolder(t)
	first, err := f.reserve("mnt/memory/notes", "-1")
	if err != nil || first != "mnt/memory/notes" {
		t.Errorf("%s %v", first, err)
	}
	write(t, filepath.Join(dir, first, "a"), "a")
	if second, err := f.reserve("mnt/memory/notes", "-1"); err != nil || second != first+"-1" {
		t.Errorf("%s %v", second, err)
	}
}

// TestNoResultOfACallThatDidNotRun ends an item before a call: the call does not run, and what the official worker sends as its
// result does not reach the server.
func TestNoResultOfACallThatDidNotRun(t *testing.T) {
	t.Parallel()
	ended := 0
	i := &item{session: "sess_1", calls: calls{cancel: func() { ended++ }}}
	if !i.calls.begin() {
		t.Fatal("the first call may not run")
	}
	i.calls.end()
	if ended != 0 || i.calls.begin() {
		t.Error("the item ended within a call, or another call began")
	}
	i.calls.done()
	sent := 0
	send := func() int {
		resp, err := i.exchange(httptest.NewRequest(http.MethodPost, "/v1/sessions/sess_1/events", nil), func(*http.Request) (*http.Response, error) {
			sent++
			return &http.Response{StatusCode: http.StatusOK, Body: http.NoBody}, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode
	}
	if send() != http.StatusServiceUnavailable || sent != 0 || send() != http.StatusOK || sent != 1 || ended != 1 {
		t.Errorf("%d sent, %d ended", sent, ended)
	}
}

// TestAStoreThatCannotBeMounted leaves out one of two stores: the agent is told, and the other one is there.
func TestAStoreThatCannotBeMounted(t *testing.T) {
	t.Parallel()
	f, dir := testFolder(t)
	i := &item{
		Worker: &Worker{Dir: dir, folder: f}, work: &anthropic.BetaSelfHostedWork{ID: "work_1"}, session: "sess_1", mounts: newMounts(dir),
	}
	session, err := i.moveStores([]byte(`{"resources":[{"type":"memory_store","mount_path":"/../a"},{"type":"memory_store","mount_path":"/mnt/memory/b"}]}`))
	want := fmt.Sprintf(`{"resources":[{"mount_path":%q,"type":"memory_store"}]}`, filepath.Join(dir, "mnt", "memory", "b"))
	if err != nil || string(session) != want {
		t.Errorf("%s %v, want %s", session, err, want)
	}
	for at, missing := range map[string]bool{"/../a": true, "/../a/b.md": true, "/../ab": false, "/mnt/memory/b/c.md": false} {
		if why := i.mounts.missing(at); (why != "") != missing {
			t.Errorf("%s: %q", at, why)
		}
	}
}

func TestMounts(t *testing.T) {
	t.Parallel()
	m := newMounts("/home/me/agents")
	for _, at := range []string{"/data/in/plan.txt", "/data/in/2/x", "/top.txt", "/usr/share/x", "/etc/passwd", "/tmp/x", "/home/x", "/home/me/agents/x"} {
		if name := m.addFile(at); name != strings.TrimPrefix(at, "/") {
			t.Errorf("%s is %s", at, name)
		}
	}
	m.add(link{at: "/mnt/memory/notes", name: "mnt/memory/notes-work_1", store: true})
	for at, want := range map[string]string{
		"a.txt": "a.txt", "../x": "../x", "/etc/passwd": "etc/passwd", "/root/x": "/root/x", "/mnt/session/uploads/file_1": "mnt/session/uploads/file_1",
		"/mnt/session/uploads": "mnt/session/uploads", "/mnt/session/uploads/../../x": "/mnt/session/uploads/../../x", "/mnt/session/uploadsx": "/mnt/session/uploadsx",
		"/data/in/new": "data/in/new", "/top.txt": "top.txt", "/usr/share/x": "usr/share/x", "/mnt/memory/notes/a/b.md": "mnt/memory/notes-work_1/a/b.md",
		"/home/me/agents/y": "/home/me/agents/y", "/home/x": "home/x", "/data/./in/a": "data/in/a",
	} {
		if got := m.inFolder(at); got != want {
			t.Errorf("%s: %s, want %s", at, got, want)
		}
	}
	var seen []string
	for _, l := range m.inSandbox() {
		seen = append(seen, l.at)
	}
	if got, want := strings.Join(seen, " "), "/mnt/session/uploads /data/in /top.txt /mnt/memory/notes"; got != want {
		t.Errorf("in a sandbox: %s, want %s", got, want)
	}
}

// A file whose path lies in a memory store is not downloaded, whatever server allows that.
func TestFilesInMemoryStores(t *testing.T) {
	t.Parallel()
	api, err := client.New(client.WithBaseURL("http://127.0.0.1:1"), client.WithToken("t"))
	if err != nil {
		t.Fatal(err)
	}
	f, dir := testFolder(t)
	i := &item{Worker: &Worker{Dir: dir, folder: f}, session: "sess_1", api: api, mounts: newMounts(dir), tried: map[string]client.FileID{}}
	i.mounts.add(link{at: "/mnt/memory/notes", name: "mnt/memory/notes-work_1", store: true})
	const at = "/mnt/memory/notes/inside.md"
	i.fetch(t.Context(), client.FileResource{FileID: "file_1", MountPath: at})
	if got := i.mounts.failed[at]; got != "its path lies in a memory store" {
		t.Errorf("%q", got)
	}
}
