package pipeline

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync/atomic"

	"github.com/cloud-sessions/sessions/server/store"
)

// fingerprintVersion begins each fingerprint. Another way to compute them needs another version: what was recorded
// before is compared in the way of its time.
const fingerprintVersion = "2:"

// fingerprints computes what is kept of requests with an idempotency key: a keyed hash, so that nobody who reads the keys
// can guess what a body held. The key is a secret of the database.
type fingerprints struct {
	store  store.Keys
	secret atomic.Pointer[[]byte] // nil until it was read
}

// of returns the fingerprint of a request.
func (f *fingerprints) of(ctx context.Context, sent keyedRequest) (string, error) {
	secret := f.secret.Load()
	if secret == nil {
		read, err := f.store.Secret(ctx, "fingerprints")
		if err != nil {
			return "", err
		}
		secret = &read
		f.secret.Store(secret)
	}
	sum := hmac.New(sha256.New, *secret)
	fmt.Fprintf(sum, "%q %q\n", sent.key.Account, sent.key.Request)
	sum.Write(sent.digest)
	return fingerprintVersion + hex.EncodeToString(sum.Sum(nil)), nil
}

// matches reports whether a recorded fingerprint is that of the request.
func (r keyedRequest) matches(recorded string) bool {
	if !strings.HasPrefix(recorded, fingerprintVersion) {
		return recorded == r.firstFingerprint()
	}
	return recorded == r.key.Fingerprint
}

// firstFingerprint returns the fingerprint in the form without a version.
func (r keyedRequest) firstFingerprint() string {
	sum := sha256.New()
	method, _, _ := strings.Cut(r.key.Request, " ")
	fmt.Fprintf(sum, "%s %s %q\n", method, r.path, r.params)
	sum.Write(r.digest)
	return hex.EncodeToString(sum.Sum(nil))
}
