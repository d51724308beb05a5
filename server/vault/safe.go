package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/server/seal"
	"github.com/cloud-sessions/sessions/server/store"
)

// Secret is the secret part of a credential. It prints as its type's name only.
type Secret struct {
	// Token is a static token or an access token of OAuth.
	Token string
	// RefreshToken and ClientSecret refresh an access token.
	RefreshToken, ClientSecret string
	// Value is the value of an environment variable.
	Value string
}

// String implements fmt.Stringer without revealing the secret.
func (Secret) String() string { return "vault.Secret" }

// Format implements fmt.Formatter without revealing the secret.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(s.String())) }

// MarshalJSON fails: a secret is only ever written sealed.
func (Secret) MarshalJSON() ([]byte, error) { return nil, errors.New("vault: a secret is not written") }

// secretJSON is a secret as it is sealed.
type secretJSON struct {
	Token        string `json:"token,omitempty"`
	RefreshToken string `json:"refresh_token,omitempty"`
	ClientSecret string `json:"client_secret,omitempty"`
	Value        string `json:"value,omitempty"`
}

// Options configure a Safe. Store is required.
type Options struct {
	Store store.Store
	Key   KeyConfig
	// HTTP sends requests to token endpoints, whose URLs callers have chosen. Nil sends none: what is expired stays so.
	HTTP Doer
	// MaxToken bounds the tokens of token endpoints, in bytes.
	MaxToken int
	// Now is the clock; time.Now by default.
	Now func() time.Time
}

// Safe seals and opens the secrets of the store's vaults. It is safe for concurrent use.
type Safe struct {
	store store.Store
	keys  *keys
	http  Doer
	now   func() time.Time

	maxToken int // bytes
}

var _ Credentials = (*Safe)(nil)

// Open returns the safe of a database. A key that is not the database's is an error, and nothing is changed. Without a key
// the safe is open, and what needs one fails; see Available.
func Open(ctx context.Context, o Options) (*Safe, error) {
	keys, err := openKeys(ctx, o.Store, o.Key, false)
	if err != nil {
		return nil, err
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Safe{store: o.Store, keys: keys, http: o.HTTP, now: o.Now, maxToken: o.MaxToken}, nil
}

// Check returns the error that Open would return, and creates and changes nothing.
func Check(ctx context.Context, s store.Vaults, c KeyConfig) error {
	_, err := openKeys(ctx, s, c, true)
	return err
}

// CheckNew is Check for a database that does not exist yet.
func CheckNew(c KeyConfig) error {
	_, _, err := findRing(c, true, true)
	return err
}

// Available reports whether there is a key.
func (s *Safe) Available() bool {
	s.keys.mu.Lock()
	defer s.keys.mu.Unlock()
	return s.keys.ring != nil
}

// Add stores a credential with its secret, as store.Vaults.CreateCredential does.
func (s *Safe) Add(ctx context.Context, account, vaultID string, spec store.CredentialSpec, secret Secret, most int) (c store.Credential, err error) {
	err = s.store.Atomically(ctx, func(ctx context.Context) error {
		of := store.CredentialRef{Account: account, Vault: vaultID, ID: s.store.NewID("vcred")}
		if spec.Secret, err = s.seal(ctx, of, secret); err != nil {
			return err
		}
		c, err = s.store.CreateCredential(ctx, account, vaultID, of.ID, spec, most)
		return err
	})
	return c, err
}

// Update changes a credential with its secret, as store.Vaults.UpdateCredential does.
func (s *Safe) Update(ctx context.Context, account, vaultID, id string, change func(*store.CredentialSpec, *Secret) error) (c store.Credential, err error) {
	of := store.CredentialRef{Account: account, Vault: vaultID, ID: id}
	err = s.store.Atomically(ctx, func(ctx context.Context) error {
		key, err := s.sealingKey(ctx) // before the credential is locked: change must not use the store
		if err != nil {
			return err
		}
		c, err = s.store.UpdateCredential(ctx, account, vaultID, id, func(spec *store.CredentialSpec) error {
			secret, err := s.open(of, spec.Secret)
			if err != nil {
				return err
			}
			if err := change(spec, &secret); err != nil {
				return err
			}
			spec.Secret, err = key.seal(of, secret)
			return err
		})
		return err
	})
	return c, err
}

// sealingKey is the key that secrets are sealed under for the rest of a transaction.
type sealingKey struct {
	ring *seal.Ring
	id   string
}

// sealingKey returns it. It must be called within a transaction, which a rotation of the key then waits for.
func (s *Safe) sealingKey(ctx context.Context) (sealingKey, error) {
	current, err := s.store.VaultKey(ctx)
	if err != nil {
		return sealingKey{}, err
	}
	ring, err := s.keys.with(current.Key)
	switch {
	case errors.Is(err, errNoRing) && current.Key == "":
		return sealingKey{}, &noKeyError{}
	case err != nil:
		return sealingKey{}, &keyAwayError{err}
	}
	return sealingKey{ring, current.Key}, nil
}

func (s *Safe) seal(ctx context.Context, of store.CredentialRef, secret Secret) (store.Sealed, error) {
	key, err := s.sealingKey(ctx)
	if err != nil {
		return store.Sealed{}, err
	}
	return key.seal(of, secret)
}

// seal seals a credential's secret.
func (k sealingKey) seal(of store.CredentialRef, secret Secret) (store.Sealed, error) {
	text, err := json.Marshal(secretJSON(secret))
	if err != nil {
		return store.Sealed{}, err
	}
	sealed, err := k.ring.Seal(k.id, text, owner(of)...)
	return store.Sealed(sealed), err
}

// open opens a credential's secret.
func (s *Safe) open(of store.CredentialRef, sealed store.Sealed) (Secret, error) {
	ring, err := s.keys.with(sealed.Key)
	if err != nil {
		return Secret{}, &keyAwayError{err}
	}
	text, err := ring.Open(seal.Sealed(sealed), owner(of)...)
	if err != nil {
		return Secret{}, &damagedError{of.ID}
	}
	var secret secretJSON
	if err := json.Unmarshal(text, &secret); err != nil {
		return Secret{}, &damagedError{of.ID}
	}
	return Secret(secret), nil
}

// owner binds a sealed secret to its credential.
func owner(of store.CredentialRef) []string { return []string{of.Account, of.Vault, of.ID} }
