package server_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server"
)

// TestTheDatabaseFileIsRemoved removes and replaces the file that is served. The server is not ready and acknowledges no
// write, but reads on.
func TestTheDatabaseFileIsRemoved(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"removed": os.Remove,
		"replaced": func(path string) error {
			if err := os.WriteFile(path+"-copy", nil, 0o600); err != nil {
				return err
			}
			return os.Rename(path+"-copy", path)
		},
		"all removed": func(path string) error {
			files, err := filepath.Glob(path + "*")
			for _, file := range files {
				if err == nil {
					err = os.Remove(file)
				}
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := start(t)
			path := strings.TrimPrefix(h.dsn, "sqlite:")
			if err := lose(path); err != nil {
				t.Fatal(err)
			}
			if got := h.do(request{method: "GET", path: "//readyz", token: "-"}); got.status != 503 {
				t.Errorf("readyz: %d", got.status)
			}
			if got := h.do(request{method: "POST", path: "/agents", body: `{"name":"a","model":"ultimate"}`}); got.status != 503 || got.header.Get("Retry-After") == "" {
				t.Errorf("a write: %d %s", got.status, got.body)
			}
			if got := h.do(request{method: "GET", path: "/agents/" + h.agent}); got.status != 200 {
				t.Errorf("a read: %d %s", got.status, got.body)
			}
			eventually(t, "it is logged", func() bool { return strings.Contains(h.log.String(), "the database cannot be used") })
		})
	}
}

// TestOneServerPerFile creates two servers on one file.
func TestOneServerPerFile(t *testing.T) {
	h := start(t)
	if s, err := server.New(t.Context(), server.Config{DB: h.dsn}); err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(h.dsn, "sqlite:")) {
		t.Errorf("a second server: %v", err)
		if s != nil {
			_ = s.Close()
		}
	}
}
