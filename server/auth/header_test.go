package auth_test

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloud-sessions/sessions/server/auth"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore"
)

// The header must hold one well-formed token: what is not clear is refused, not guessed.
func TestAuthenticateRefusesUnclearHeaders(t *testing.T) {
	db, err := sqlstore.Open(t.Context(), "sqlite::memory:", sqlstore.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	a := auth.New(db, time.Now)
	const prefix = "pt-"
	longest := prefix + strings.Repeat("x", 256-len(prefix))
	for _, token := range []string{"pt-a", longest, longest + "x", "pt-a b", "pt-a\x00", "sk-a", prefix} {
		if _, err := db.CreateToken(t.Context(), store.NewToken{Account: "acme", Hash: auth.Hash(token)}); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		header   http.Header
		accepted bool
	}{
		"one token":                 {http.Header{"Authorization": {"Bearer pt-a"}}, true},
		"a scheme in lower case":    {http.Header{"Authorization": {"bearer pt-a"}}, true},
		"the longest token":         {http.Header{"Authorization": {"Bearer " + longest}}, true},
		"a token that is too long":  {http.Header{"Authorization": {"Bearer " + longest + "x"}}, false},
		"the same header twice":     {http.Header{"Authorization": {"Bearer pt-a", "Bearer pt-a"}}, false},
		"another scheme":            {http.Header{"Authorization": {"Basic pt-a"}}, false},
		"no scheme":                 {http.Header{"Authorization": {"pt-a"}}, false},
		"a space in the token":      {http.Header{"Authorization": {"Bearer pt-a b"}}, false},
		"a control character":       {http.Header{"Authorization": {"Bearer pt-a\x00"}}, false},
		"another prefix":            {http.Header{"Authorization": {"Bearer sk-a"}}, false},
		"nothing but the prefix":    {http.Header{"Authorization": {"Bearer " + prefix}}, false},
		"no header":                 {http.Header{}, false},
		"a header of another name":  {http.Header{"X-Api-Key": {"pt-a"}}, false},
		"an unknown token":          {http.Header{"Authorization": {"Bearer pt-b"}}, false},
		"the hash of a known token": {http.Header{"Authorization": {"Bearer pt-" + auth.Hash("pt-a")}}, false},
	} {
		principal, err := a.Authenticate(t.Context(), test.header)
		var denied *auth.Error
		switch {
		case test.accepted && (err != nil || principal.Account != "acme"):
			t.Errorf("%s: %+v, %v", name, principal, err)
		case !test.accepted && (!errors.As(err, &denied) || principal != auth.Principal{}):
			t.Errorf("%s: %+v, %v, want an *auth.Error", name, principal, err)
		}
	}
}
