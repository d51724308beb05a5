package pipeline

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
)

// secrets is a store with a secret.
type secrets struct {
	store.Keys
	secret []byte
	err    error
	reads  int
}

func (s *secrets) Secret(context.Context, string) ([]byte, error) {
	s.reads++
	return s.secret, s.err
}

// A fingerprint depends on the database's secret, the account, the method and path, and the meaning of the body.
func TestFingerprints(t *testing.T) {
	t.Parallel()
	mine, theirs := &secrets{secret: bytes.Repeat([]byte("a"), 32)}, &secrets{secret: bytes.Repeat([]byte("b"), 32)}
	here, there := &fingerprints{store: mine}, &fingerprints{store: theirs}
	of := func(f *fingerprints, account, target, digest string) string {
		t.Helper()
		got, err := f.of(t.Context(), keyedRequest{key: store.Key{Account: account, Request: target}, digest: []byte(digest)})
		if err != nil || !strings.HasPrefix(got, fingerprintVersion) {
			t.Fatal(got, err)
		}
		return got
	}
	first := of(here, "acme", "POST /agents", "digest")
	if again := of(here, "acme", "POST /agents", "digest"); again != first {
		t.Errorf("%s, then %s", first, again)
	}
	for name, other := range map[string]string{
		"database": of(there, "acme", "POST /agents", "digest"),
		"account":  of(here, "other", "POST /agents", "digest"),
		"path":     of(here, "acme", "POST /sessions", "digest"),
		"body":     of(here, "acme", "POST /agents", "another"),
	} {
		if other == first {
			t.Errorf("another %s has the same fingerprint", name)
		}
	}
	if mine.reads != 1 {
		t.Errorf("%d reads of the secret", mine.reads)
	}
	theirs.err = store.ErrUnavailable
	if _, err := (&fingerprints{store: theirs}).of(t.Context(), keyedRequest{}); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("%v", err)
	}
}
