package server

import "testing"

func TestTheStartLineHasNoSecrets(t *testing.T) {
	t.Parallel()
	for dsn, want := range map[string]string{
		"sqlite:/var/lib/x.db": "sqlite:/var/lib/x.db",
		"postgres://ann:secret@db.example:5432/sessions?password=secret&sslmode=disable": "postgres://db.example:5432/sessions",
		"postgres://ann:sec%ret@db": "PostgreSQL",
	} {
		if got := withoutSecrets(dsn); got != want {
			t.Errorf("%s: %s", dsn, got)
		}
	}
}
