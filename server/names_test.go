package server_test

import (
	"fmt"
	"strings"
	"testing"
)

// TestNamesThatMislead have characters that nobody sees, or that turn the text around. They are refused wherever a file gets
// a name or a place; letters of every script are not.
func TestNamesThatMislead(t *testing.T) {
	h := start(t, openGate)
	file := h.file("a", "x")
	session := "/sessions/" + h.mustCreate("/sessions", h.createBody(nil))
	var controls []rune
	for _, span := range [][2]rune{{0x80, 0x9f}, {0x61c, 0x61c}, {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0xfeff, 0xfeff}} {
		controls = append(controls, span[0], span[1])
	}
	for _, c := range controls {
		name := "a" + string(c) + "b"
		for _, r := range []request{
			uploading(part{"file", "a", "", "x"}, part{"name", "", "", name}),
			uploading(part{"file", "a", "", "x"}, part{"filename", "", "", name}),
			{method: "POST", path: "/files", media: formMedia, body: "--b\r\nContent-Disposition: form-data; name=file; filename=\"" + name + "\"\r\n\r\nx\r\n--b--\r\n"},
			{method: "POST", path: session + "/resources", body: fmt.Sprintf(`{"type":"file","file_id":%q,"mount_path":"/%s"}`, file, name)},
			{method: "POST", path: session + "/resources", body: fmt.Sprintf(`{"type":"file","file_id":%q,"path":"/%s"}`, file, name)},
			{method: "POST", path: "/sessions", body: h.createBody(map[string]any{"resources": []any{map[string]any{"type": "file", "file_id": file, "mount_path": "/" + name}}})},
		} {
			if got := refusalOf(h.do(r)); got.Status != 400 || !strings.Contains(got.Message, "control or format characters") {
				t.Errorf("%U in %s %s: %+v", c, r.method, r.path, got)
			}
		}
	}
	for _, name := range []string{"计划.md", "תוכנית.md", "خطة.md", "plan – ‘a’\u2027\u2030.md", "🗺.md", "\u00a0", "\u205f\u2070\u200a"} {
		id, _ := h.do(uploading(part{"file", "a", "", "x"}, part{"name", "", "", name})).field("id").(string)
		if got := h.get("/files/" + id); got.field("filename") != name {
			t.Errorf("%q: %s", name, got.body)
		}
		if got := h.post(session+"/resources", fmt.Sprintf(`{"type":"file","file_id":%q,"mount_path":"/%s"}`, id, name)); got.status != 200 || got.field("mount_path") != "/"+name {
			t.Errorf("%q: %d %s", name, got.status, got.body)
		}
	}
}
