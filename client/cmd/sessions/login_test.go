//go:build unix

package main

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cloud-sessions/sessions/client"
)

// home is the configuration of a person for several processes, without variables for a server.
type home struct{ dir string }

func (h home) prepare(t *testing.T, args ...string) *program {
	t.Helper()
	p := prepare(t, "", args...)
	p.Env = append(p.Env, "XDG_CONFIG_HOME="+h.dir, "HOME="+h.dir, "QODER_PAT=", "NO_COLOR=1")
	return p
}

// file is the path of the profiles.
func (h home) file(t *testing.T) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(h.dir, "cloud-sessions", "profiles.json"))
	if more, _ := filepath.Glob(filepath.Join(h.dir, "Library", "*", "cloud-sessions", "profiles.json")); err == nil {
		found = append(found, more...)
	}
	if len(found) != 1 {
		t.Fatalf("the files of profiles: %v", found)
	}
	return found[0]
}

// run runs a command with an input, and returns its exit code and what it wrote.
func (h home) run(t *testing.T, in string, args ...string) (code int, text string) {
	t.Helper()
	p := h.prepare(t, args...)
	p.Stdin = strings.NewReader(in)
	code = p.end(t)
	return code, p.out.String() + p.said()
}

// A login is what later commands use, until the logout; its file is for its owner only and the token is never shown.
func TestLogin(t *testing.T) {
	t.Parallel()
	api, h := demo(t), home{t.TempDir()}
	for _, tc := range []struct {
		args, in string
		code     int
		text     string
	}{
		{"profiles", "", exitOK, "[]\n"},
		{"models list -o id", "", exitDenied, "sessions: no token: run 'sessions login', or set QODER_PAT or --token-file\n"},
		{"login --base-url " + api, "pt-wrong\n", exitDenied, "sessions: Invalid API key or token; check the token and the server; nothing was stored (401 authentication_error, request id …)\n"},
		{"login --base-url localhost:1", "", exitUsage, "sessions: base URL \"localhost:1\" is malformed: want http or https, a host and a path, such as " + client.DefaultBaseURL + "; change --base-url\n"},
		{"login --base-url " + api, " \n", exitUsage, "sessions: the token is empty; nothing was stored\n"},
		{"login --profile a/b --base-url " + api, token, exitUsage, "sessions: --profile: \"a/b\" is not a name; use 1 to 64 letters, digits, '.', '_' and '-'\n"},
		{"profiles", "", exitOK, "[]\n"},
		{"login --base-url " + api + "/", "\ufeff" + token + "\r\n", exitOK, "Logged in to " + api + "/ with the profile default.\n"},
		{"models list -o id --limit-is-no-flag", "", exitUsage, "sessions: unknown flag: --limit-is-no-flag; see 'sessions models list --help'\n"},
		{"list", "", exitOK, "[]\n"},
		{"list --base-url " + api, "", exitOK, "[]\n"},
		{"login --profile second --base-url " + api, token, exitOK, "Logged in to " + api + " with the profile second.\n"},
		{"profiles -o id", "", exitOK, "default\nsecond\n"},
		{"profiles -o jsonl", "", exitOK, `{"name":"default","base_url":"` + api + `/","current":false}` + "\n" + `{"name":"second","base_url":"` + api + `","current":true}` + "\n"},
		{"profiles use third", "", exitUsage, "sessions: there is no profile \"third\"; 'sessions profiles' lists them, 'sessions login --profile third' makes one\n"},
		{"profiles use default", "", exitOK, ""},
		{"logout", "", exitOK, "Deleted the profile default.\nNo profile is the current one; choose with 'sessions profiles use second'.\n"},
		{"logout", "", exitUsage, "sessions: there is no current profile; name one with --profile, or choose one with 'sessions profiles use'\n"},
		{"list", "", exitDenied, "sessions: no token: run 'sessions login', or set QODER_PAT or --token-file\n"},
		{"list --profile second", "", exitOK, "[]\n"},
	} {
		if code, text := h.run(t, tc.in, strings.Fields(tc.args)...); code != tc.code || text != tc.text {
			t.Errorf("%s: exit code %d, %q, want %d, %q", tc.args, code, text, tc.code, tc.text)
		}
	}
	if info, err := os.Stat(h.file(t)); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v: the profiles have the mode %v", err, info.Mode())
	}
	if err := os.Chmod(h.file(t), 0o640); err != nil {
		t.Fatal(err)
	}
	if code, text := h.run(t, "", "list", "--profile", "second"); code != exitFailure || !strings.Contains(text, "others can read the tokens in ") {
		t.Errorf("exit code %d, %s", code, text)
	}
}

// A file of profiles that is a link, as of a folder of dotfiles, remains one.
func TestLoginKeepsALink(t *testing.T) {
	t.Parallel()
	api, h := demo(t), home{t.TempDir()}
	login := []string{"login", "--base-url", api}
	if code, text := h.run(t, token, login...); code != exitOK {
		t.Fatal(text)
	}
	link, target := h.file(t), filepath.Join(t.TempDir(), "kept.json")
	if err := os.Rename(link, target); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(target, link); err != nil {
		t.Fatal(err)
	}
	if code, text := h.run(t, token, append(login, "--profile", "second")...); code != exitOK {
		t.Fatal(text)
	}
	data, err := os.ReadFile(target)
	if info, statErr := os.Lstat(link); err != nil || statErr != nil || info.Mode()&os.ModeSymlink == 0 || !strings.Contains(string(data), `"second"`) {
		t.Errorf("%v %v: %d bytes, the link has the mode %v", err, statErr, len(data), info.Mode())
	}
}

// The variables win over the current profile and --profile over them; the token of a profile goes to its server only.
func TestPrecedenceOfProfiles(t *testing.T) {
	t.Parallel()
	var seen atomic.Value
	api := serve(t, func(w http.ResponseWriter, r *http.Request) {
		seen.Store(r.Header.Get("Authorization"))
		answer(200, `{"data":[]}`)(w, r)
	})
	other := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		t.Errorf("another server gets %q", r.Header)
	})
	h := home{t.TempDir()}
	if code, text := h.run(t, token, "login", "--base-url", api); code != exitOK {
		t.Fatal(text)
	}
	for _, tc := range []struct {
		name, env, args string
		sent            string
		code            int
	}{
		{"the profile", "", "", token, exitOK},
		{"the variable", "QODER_PAT=pt-variable", "--base-url " + api, "pt-variable", exitOK},
		{"--profile over the variable", "QODER_PAT=pt-variable", "--profile default", token, exitOK},
		{"--profile over the other variable", "QODER_BASE_URL=" + other, "--profile default", token, exitOK},
		{"a flag over the profile", "", "--token pt-flag --profile default", "pt-flag", exitOK},
		{"the variable of the same server", "QODER_BASE_URL=" + api + "/", "", token, exitOK},
		{"the variable of another server", "QODER_BASE_URL=" + other, "", "", exitDenied},
		{"the flag of another server", "", "--base-url " + other, "", exitDenied},
		{"another server and --profile", "", "--profile default --base-url " + other, "", exitUsage},
	} {
		seen.Store("")
		p := h.prepare(t, append([]string{"models", "list"}, strings.Fields(tc.args)...)...)
		p.Env = append(p.Env, tc.env)
		want := ""
		if tc.sent != "" {
			want = "Bearer " + tc.sent
		}
		if code := p.end(t); code != tc.code || seen.Load() != want {
			t.Errorf("%s: exit code %d, sent %q, want %q: %s", tc.name, code, seen.Load(), want, &p.err)
		}
	}
}

// On a terminal login asks for the server and, without showing it, for the token; Ctrl-C gives the terminal back.
func TestLoginOnATerminal(t *testing.T) {
	t.Parallel()
	api, h := demo(t), home{t.TempDir()}
	p := h.prepare(t, "login")
	p.Env = append(p.Env, "QODER_PAT=pt-variable")
	terminal := p.onTerminal(t)
	terminal.wait(t, `Server \[`+client.DefaultBaseURL+`\]: $`)
	terminal.say(t, api)
	terminal.wait(t, `Access token \(not shown\): $`)
	terminal.say(t, token)
	got := terminal.rest(t, p)
	if p.ProcessState.ExitCode() != exitOK || strings.Contains(got, token) || !strings.Contains(got, "QODER_PAT is set and wins over the profile") {
		t.Errorf("exit code %d, %q", p.ProcessState.ExitCode(), got)
	}
	p = h.prepare(t, "login", "--base-url", api)
	terminal = p.onTerminal(t)
	terminal.wait(t, `Access token \(not shown\): $`)
	_, _ = terminal.Write([]byte{3}) // Ctrl-C
	if terminal.rest(t, p); p.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("exit code %d", p.ProcessState.ExitCode())
	}
}
