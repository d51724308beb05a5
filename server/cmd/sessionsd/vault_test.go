package main

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/seal"
)

// TestTheVaultKey goes through the life of a key: made by a server, rotated while that runs, wrong at a start.
func TestTheVaultKey(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	db, file := "sqlite:"+filepath.Join(dir, "x.db"), filepath.Join(dir, "x.db.vault-key")
	run := func(want int, args ...string) string {
		t.Helper()
		cmd := program(t, nil, args...)
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		_ = cmd.Run()
		if code := cmd.ProcessState.ExitCode(); code != want {
			t.Errorf("%v: %d, %s", args, code, &out)
		}
		return out.String()
	}
	running := serve(t, nil, "--db", db)
	token := strings.TrimSpace(run(0, "token", "create", "--account", "acme", "--db", db))
	send := func(method, path, body string, want int) string {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, running.baseURL+"/v1"+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+token)
		req.Header.Set("Content-Type", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != want {
			t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, data, err)
		}
		_, id, _ := strings.Cut(string(data), `{"id":"`)
		id, _, _ = strings.Cut(id, `"`)
		return id
	}
	path := "/vaults/" + send("POST", "/vaults", `{"display_name":"v"}`, 201) + "/credentials"
	one := path + "/" + send("POST", path, `{"auth":{"type":"environment_variable","secret_name":"A","secret_value":"x"}}`, 201)
	change := func() { send("POST", one, `{"auth":{"type":"environment_variable","secret_value":"y"}}`, 200) }
	keys := func() []string {
		t.Helper()
		ring, err := seal.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return ring.IDs()
	}
	first := keys()
	if said := run(0, "vault", "rotate-key", "--prepare", "--db", db); !strings.HasPrefix(said, "prepared key "+keys()[1]) || len(keys()) != 2 {
		t.Errorf("%s, keys %v", said, keys())
	}
	change()
	if said := run(0, "vault", "rotate-key", "--db", db); said != fmt.Sprintf("encrypted 1 secrets under a fresh key, which %s now has alone\n", file) {
		t.Error(said)
	}
	if second := keys(); len(second) != 1 || second[0] == first[0] {
		t.Errorf("keys %v, then %v", first, second)
	}
	change() // the running server finds the fresh key
	_ = running.Process.Kill()
	_ = running.Wait()

	other := filepath.Join(dir, "other")
	run(0, "vault", "new-key", "--vault-key-file", other)
	if said := run(1, "vault", "new-key", "--vault-key-file", other); !strings.Contains(said, "exists") {
		t.Error(said)
	}
	run(1, "vault", "new-key")
	for _, args := range [][]string{{"serve", "--addr", "127.0.0.1:0", "--db", db, "--vault-key-file", other}, {"vault", "rotate-key", "--db", db, "--vault-key-file", other}} {
		if said := run(1, args...); !strings.Contains(said, "secrets are encrypted with") || strings.Count(said, "\n") != 1 {
			t.Errorf("%v: %s", args, said)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	running = serve(t, []string{vaultKeyVariable + "=" + string(text)}, "--db", db)
	change()
}
