package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestTheDiskIsFull fills a file system of its own. The server is not ready, also when nobody writes, until there is space
// again; nothing that it acknowledged is lost.
func TestTheDiskIsFull(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Skipf("this test needs to mount a file system: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) }) // after the server has stopped
	h := startOn(t, "sqlite:"+filepath.Join(dir, "x.db"))
	create := func() answer {
		return h.do(request{method: "POST", path: "/agents", body: `{"name":"` + strings.Repeat("a", 200) + `","model":"ultimate","system":"` + strings.Repeat("s", 20_000) + `"}`})
	}
	ready := func() int { return h.do(request{method: "GET", path: "//readyz", token: "-"}).status }
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var created []string
	for {
		got := create()
		if got.status == 503 {
			break
		}
		if got.status != 201 || len(created) > 1000 {
			t.Fatalf("%d %s", got.status, got.body)
		}
		created = append(created, got.field("id").(string))
	}
	for range 3 {
		if got := ready(); got != 503 {
			t.Errorf("readyz: %d", got)
		}
	}
	if !strings.Contains(h.log.String(), "database file "+filepath.Join(dir, "x.db")) {
		t.Errorf("the log does not name the file")
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if got := ready(); got != 200 {
		t.Errorf("readyz with space: %d", got)
	}
	if got := create(); got.status != 201 {
		t.Errorf("a write with space: %d %s", got.status, got.body)
	}
	for _, id := range created {
		if got := h.do(request{method: "GET", path: "/agents/" + id}); got.status != 200 {
			t.Errorf("%s: %d", id, got.status)
		}
	}
}
