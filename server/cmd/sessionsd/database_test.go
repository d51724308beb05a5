package main

import "testing"

func TestTheDefaultDatabase(t *testing.T) {
	t.Parallel()
	home := map[string]string{"HOME": "/home/ann"}
	for _, c := range []struct {
		what   string
		system string
		env    map[string]string
		former bool
		want   string
	}{
		{"a user", "linux", home, false, "sqlite:/home/ann/.local/share/sessionsd/sessions.db"},
		{"a user with a database of a former version", "linux", home, true, "sqlite:data/sessions.db"},
		{"XDG", "linux", map[string]string{"HOME": "/home/ann", "XDG_DATA_HOME": "/data"}, false, "sqlite:/data/sessionsd/sessions.db"},
		{"XDG, relative", "linux", map[string]string{"HOME": "/home/ann", "XDG_DATA_HOME": "data"}, false, "sqlite:/home/ann/.local/share/sessionsd/sessions.db"},
		{"a service", "linux", map[string]string{"HOME": "/", "STATE_DIRECTORY": "/var/lib/sessionsd"}, true, "sqlite:/var/lib/sessionsd/sessions.db"},
		{"a service with two folders", "linux", map[string]string{"STATE_DIRECTORY": "/var/lib/a:/var/lib/b"}, false, "sqlite:/var/lib/a/sessions.db"},
		{"Windows", "windows", map[string]string{"LOCALAPPDATA": "/users/ann/local"}, false, "sqlite:/users/ann/local/sessionsd/sessions.db"},
		{"a container without any of it", "linux", nil, false, ""},
	} {
		env := func(name string) string { return c.env[name] }
		exists := func(path string) bool { return c.former && path == formerDB }
		if got := defaultDB(c.system, env, exists); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}
