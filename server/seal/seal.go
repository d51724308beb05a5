// Package seal encrypts secrets under a ring of keys (AES-256-GCM of Tink), so that a database without the ring reveals
// nothing of them. It knows no database.
package seal

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/tink-crypto/tink-go/v2/aead"
	"github.com/tink-crypto/tink-go/v2/insecurecleartextkeyset"
	"github.com/tink-crypto/tink-go/v2/keyset"
	"github.com/tink-crypto/tink-go/v2/tink"
)

// Errors of Ring.Seal and Ring.Open, to be matched with errors.Is. Their texts reveal nothing of a secret.
var (
	// ErrUnknownKey means that the ring lacks the key.
	ErrUnknownKey = errors.New("seal: the key is not on the ring")
	// ErrNotGenuine means that the text was not sealed under this key for this owner, or was changed since.
	ErrNotGenuine = errors.New("seal: the sealed text is not genuine")
)

// Sealed is a secret that was sealed. The zero value is none.
type Sealed struct {
	// Key is the id of the key that opens it.
	Key string
	// Text is the encrypted secret, in base64.
	Text string
}

// Ring is a set of keys with ids; it never changes, and is safe for concurrent use. It is secret: String and Format reveal
// only that it is a ring.
type Ring struct {
	handle *keyset.Handle
	keys   map[string]tink.AEAD // each seals under its own key
	ids    []string             // in the order in which they were added
}

// New returns a ring with one fresh key.
func New() (*Ring, error) {
	handle, err := keyset.NewHandle(aead.AES256GCMKeyTemplate())
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return ringOf(handle)
}

// errNoKeyset is a text that is not a ring's, with what its operator can do.
var errNoKeyset = errors.New("it is damaged: it is not a keyset of Tink in JSON; restore it from a backup, or, if nothing is encrypted with it, " +
	"delete it and create a new one with 'sessionsd vault new-key'")

// Parse returns the ring that Text has written: a keyset of Tink in JSON, not encrypted. Its errors do not repeat the text.
func Parse(text []byte) (*Ring, error) {
	handle, err := insecurecleartextkeyset.Read(keyset.NewJSONReader(bytes.NewReader(text)))
	if err != nil {
		return nil, errNoKeyset
	}
	return ringOf(handle)
}

// ringOf returns the ring of a keyset, whose keys must all be enabled and fit for sealing.
func ringOf(handle *keyset.Handle) (*Ring, error) {
	r := &Ring{handle: handle, keys: map[string]tink.AEAD{}}
	for i := range handle.Len() {
		entry, err := handle.Entry(i)
		if err != nil {
			return nil, fmt.Errorf("seal: %w", err)
		}
		manager := keyset.NewManagerFromHandle(handle)
		if err := manager.SetPrimary(entry.KeyID()); err != nil {
			return nil, fmt.Errorf("seal: key %d cannot be used: %w", entry.KeyID(), err)
		}
		under, err := manager.Handle()
		if err != nil {
			return nil, fmt.Errorf("seal: key %d cannot be used: %w", entry.KeyID(), err)
		}
		key, err := aead.New(under)
		if err != nil {
			return nil, fmt.Errorf("seal: key %d cannot be used: %w", entry.KeyID(), err)
		}
		id := strconv.FormatUint(uint64(entry.KeyID()), 10)
		r.keys[id], r.ids = key, append(r.ids, id)
	}
	return r, nil
}

// Text returns the ring for Parse. It is secret.
func (r *Ring) Text() ([]byte, error) {
	var text bytes.Buffer
	if err := insecurecleartextkeyset.Write(r.handle, keyset.NewJSONWriter(&text)); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return append(text.Bytes(), '\n'), nil
}

// Primary returns the id of the key to seal under when nothing names another.
func (r *Ring) Primary() string {
	entry, err := r.handle.Primary()
	if err != nil {
		return "" // a keyset without a primary is not read
	}
	return strconv.FormatUint(uint64(entry.KeyID()), 10)
}

// IDs returns the ids of the keys, in the order in which they were added.
func (r *Ring) IDs() []string { return slices.Clone(r.ids) }

// Has reports whether the ring has the key.
func (r *Ring) Has(id string) bool { return r.keys[id] != nil }

// Extended returns the ring with a fresh key added, and that key's id. The primary key stays.
func (r *Ring) Extended() (*Ring, string, error) {
	manager := keyset.NewManagerFromHandle(r.handle)
	if _, err := manager.Add(aead.AES256GCMKeyTemplate()); err != nil {
		return nil, "", fmt.Errorf("seal: %w", err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, "", fmt.Errorf("seal: %w", err)
	}
	extended, err := ringOf(handle)
	if err != nil {
		return nil, "", err
	}
	return extended, extended.ids[len(extended.ids)-1], nil
}

// WithPrimary returns the ring with that key as its primary key.
func (r *Ring) WithPrimary(id string) (*Ring, error) {
	return r.change(id, func(manager *keyset.Manager, key uint32) error { return manager.SetPrimary(key) })
}

// Without returns the ring without a key, which must not be the primary one.
func (r *Ring) Without(id string) (*Ring, error) {
	return r.change(id, func(manager *keyset.Manager, key uint32) error { return manager.Delete(key) })
}

func (r *Ring) change(id string, change func(*keyset.Manager, uint32) error) (*Ring, error) {
	key, err := strconv.ParseUint(id, 10, 32)
	if err != nil || !r.Has(id) {
		return nil, ErrUnknownKey
	}
	manager := keyset.NewManagerFromHandle(r.handle)
	if err := change(manager, uint32(key)); err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	handle, err := manager.Handle()
	if err != nil {
		return nil, fmt.Errorf("seal: %w", err)
	}
	return ringOf(handle)
}

// Seal seals a secret under the key with that id. owner names what the secret belongs to: only Open with an equal owner
// opens it. ErrUnknownKey when the ring lacks the key.
func (r *Ring) Seal(key string, secret []byte, owner ...string) (Sealed, error) {
	under := r.keys[key]
	if under == nil {
		return Sealed{}, ErrUnknownKey
	}
	text, err := under.Encrypt(secret, associated(owner))
	if err != nil {
		return Sealed{}, fmt.Errorf("seal: %w", err)
	}
	return Sealed{Key: key, Text: base64.StdEncoding.EncodeToString(text)}, nil
}

// Open returns the secret that was sealed for that owner: ErrUnknownKey when the ring lacks the key, ErrNotGenuine when
// the text was sealed for another owner, or is not what Seal returned.
func (r *Ring) Open(s Sealed, owner ...string) ([]byte, error) {
	under := r.keys[s.Key]
	if under == nil {
		return nil, ErrUnknownKey
	}
	text, err := base64.StdEncoding.DecodeString(s.Text)
	if err != nil {
		return nil, ErrNotGenuine
	}
	secret, err := under.Decrypt(text, associated(owner))
	if err != nil {
		return nil, ErrNotGenuine
	}
	return secret, nil
}

// associated returns the data that binds a sealed text to its owner; different owners have different ones.
func associated(owner []string) []byte { return fmt.Appendf(nil, "%q", owner) }

// String implements fmt.Stringer without revealing keys.
func (r *Ring) String() string { return "seal.Ring" }

// Format implements fmt.Formatter without revealing keys.
func (r *Ring) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(r.String())) }
