package seal_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/seal"
)

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func newRing(t *testing.T) *seal.Ring {
	t.Helper()
	r, err := seal.New()
	check(t, err)
	return r
}

func sealed(t *testing.T, r *seal.Ring, secret string, owner ...string) seal.Sealed {
	t.Helper()
	s, err := r.Seal(r.Primary(), []byte(secret), owner...)
	check(t, err)
	return s
}

func TestSealAndOpen(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	for _, secret := range []string{"", "tok", "\x00\n\x7f密码", strings.Repeat("x", 1<<16)} {
		s := sealed(t, r, secret, "acc", "vault_1", "vcred_1")
		if secret != "" && strings.Contains(s.Text, secret) {
			t.Errorf("the sealed text contains the secret")
		}
		got, err := r.Open(s, "acc", "vault_1", "vcred_1")
		check(t, err)
		if string(got) != secret {
			t.Errorf("want %q, got %q", secret, got)
		}
	}
	first, second := sealed(t, r, "same", "a"), sealed(t, r, "same", "a")
	if first == second {
		t.Error("equal secrets have equal sealed texts")
	}
}

// TestOpenRefuses opens what does not belong to the owner, or was changed.
func TestOpenRefuses(t *testing.T) {
	t.Parallel()
	r, foreign := newRing(t), newRing(t)
	s := sealed(t, r, "secret", "acc", "vcred_1")
	flipped := []byte(s.Text)
	flipped[len(flipped)/2] ^= 1
	for name, tc := range map[string]struct {
		ring  *seal.Ring
		text  seal.Sealed
		owner []string
		want  error
	}{
		"another owner":    {r, s, []string{"acc", "vcred_2"}, seal.ErrNotGenuine},
		"another account":  {r, s, []string{"acc2", "vcred_1"}, seal.ErrNotGenuine},
		"joined otherwise": {r, s, []string{"accvcred_1"}, seal.ErrNotGenuine},
		"no owner":         {r, s, nil, seal.ErrNotGenuine},
		"changed":          {r, seal.Sealed{Key: s.Key, Text: string(flipped)}, []string{"acc", "vcred_1"}, seal.ErrNotGenuine},
		"truncated":        {r, seal.Sealed{Key: s.Key, Text: s.Text[:8]}, []string{"acc", "vcred_1"}, seal.ErrNotGenuine},
		"empty":            {r, seal.Sealed{Key: s.Key}, []string{"acc", "vcred_1"}, seal.ErrNotGenuine},
		"not base64":       {r, seal.Sealed{Key: s.Key, Text: "\x00"}, []string{"acc", "vcred_1"}, seal.ErrNotGenuine},
		"another ring":     {foreign, s, []string{"acc", "vcred_1"}, seal.ErrUnknownKey},
		"the wrong key":    {foreign, seal.Sealed{Key: foreign.Primary(), Text: s.Text}, []string{"acc", "vcred_1"}, seal.ErrNotGenuine},
		"no key":           {r, seal.Sealed{Text: s.Text}, []string{"acc", "vcred_1"}, seal.ErrUnknownKey},
	} {
		if _, err := tc.ring.Open(tc.text, tc.owner...); !errors.Is(err, tc.want) {
			t.Errorf("%s: want %v, got %v", name, tc.want, err)
		}
	}
	if _, err := r.Seal("1", nil); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("seal under an unknown key: %v", err)
	}
}

// TestRotate goes from one key to another, step by step.
func TestRotate(t *testing.T) {
	t.Parallel()
	old := newRing(t)
	before := sealed(t, old, "secret", "o")
	both, fresh, err := old.Extended()
	check(t, err)
	if both.Primary() != old.Primary() || fmt.Sprint(both.IDs()) != fmt.Sprint([]string{old.Primary(), fresh}) || both.Has("1") {
		t.Errorf("extended: primary %s of %v", both.Primary(), both.IDs())
	}
	under, err := both.Seal(fresh, []byte("new"), "o")
	check(t, err)
	for _, s := range []seal.Sealed{before, under} {
		_, err = both.Open(s, "o")
		check(t, err)
	}
	if _, err := both.Without(old.Primary()); err == nil {
		t.Error("the primary key was removed")
	}
	turned, err := both.WithPrimary(fresh)
	check(t, err)
	last, err := turned.Without(old.Primary())
	check(t, err)
	if _, err := last.Open(before, "o"); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("under a key that was removed: %v", err)
	}
	got, err := last.Open(under, "o")
	if err != nil || string(got) != "new" || last.Primary() != fresh {
		t.Errorf("%q, %v, primary %s", got, err, last.Primary())
	}
	for _, id := range []string{"", "x", "1", "-1"} {
		if _, err := both.WithPrimary(id); !errors.Is(err, seal.ErrUnknownKey) {
			t.Errorf("primary %q: %v", id, err)
		}
	}
}

func TestFile(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "vault.key")
	if _, err := seal.ReadFile(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	r := newRing(t)
	check(t, r.CreateFile(path))
	info, err := os.Stat(path)
	check(t, err)
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("mode %v", info.Mode())
	}
	read, err := seal.ReadFile(path)
	check(t, err)
	if got, err := read.Open(sealed(t, r, "secret", "o"), "o"); err != nil || string(got) != "secret" {
		t.Errorf("%q, %v", got, err)
	}
	if err := newRing(t).CreateFile(path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("an existing file: %v", err)
	}
	replaced := newRing(t)
	check(t, replaced.ReplaceFile(path))
	read, err = seal.ReadFile(path)
	check(t, err)
	if read.Primary() != replaced.Primary() {
		t.Error("the file was not replaced")
	}
	left, err := os.ReadDir(folder)
	if err != nil || len(left) != 1 {
		t.Errorf("%v, %v", left, err)
	}
}

// TestBadFiles are refused, and no message repeats what they hold.
func TestBadFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	text, err := newRing(t).Text()
	check(t, err)
	const canary = "canary-3f7c"
	for name, tc := range map[string]struct {
		text []byte
		mode fs.FileMode
		want string
	}{
		"empty":       {nil, 0o600, "not a keyset"},
		"not JSON":    {[]byte(canary), 0o600, "not a keyset"},
		"another":     {[]byte(`{"key":"` + canary + `"}`), 0o600, "not a keyset"},
		"cut":         {text[:len(text)/2], 0o600, "not a keyset"},
		"group reads": {text, 0o640, "has the mode 0640"},
		"all read":    {text, 0o604, "has the mode 0604"},
	} {
		if tc.mode != 0o600 && runtime.GOOS == "windows" {
			continue
		}
		path := filepath.Join(folder, strings.ReplaceAll(name, " ", "-"))
		check(t, os.WriteFile(path, tc.text, 0o600))
		check(t, os.Chmod(path, tc.mode))
		_, err := seal.ReadFile(path)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), canary) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := seal.ReadFile(folder); err == nil {
		t.Error("a folder is a key file")
	}
}

// TestRingIsNotPrinted prints a ring in every way that logs do.
func TestRingIsNotPrinted(t *testing.T) {
	t.Parallel()
	r := newRing(t)
	var out bytes.Buffer
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		fmt.Fprintf(&out, verb+"\n", r)
	}
	if got := strings.ReplaceAll(out.String(), "seal.Ring\n", ""); got != "" {
		t.Errorf("a ring prints as %q", got)
	}
}
