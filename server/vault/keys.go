package vault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/cloud-sessions/sessions/server/internal/folder"
	"github.com/cloud-sessions/sessions/server/seal"
	"github.com/cloud-sessions/sessions/server/store"
)

// KeyConfig says where the key is that secrets are sealed under.
type KeyConfig struct {
	// Text is the ring's text itself, see seal.Parse; "" to read File.
	Text string
	// File is the key file; "" for none.
	File string
	// Required refuses to open without File. Otherwise secrets are not available when it is missing.
	Required bool
	// Create creates File when it is missing and nothing is sealed yet.
	Create bool
	// Temporary uses a fresh key that is kept in memory only, for a database that is not kept either.
	Temporary bool
}

// known is the text that is sealed next to the secrets: who opens it has the right key.
const known = "cloud-sessions vault key"

// errNoRing means that there is no key.
var errNoRing = errors.New("vault: there is no key")

// keys are the keys of a running server.
type keys struct {
	reload func() (*seal.Ring, error) // reads the key file again; nil when there is none

	mu   sync.Mutex
	ring *seal.Ring // nil for none
}

// with returns a ring that has the key with that id. It reads the key file again for one that it does not know: the key may
// have been rotated.
func (k *keys) with(id string) (*seal.Ring, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ring == nil {
		return nil, errNoRing
	}
	if !k.ring.Has(id) && k.reload != nil {
		ring, err := k.reload()
		if err != nil {
			return nil, errors.Join(seal.ErrUnknownKey, err)
		}
		k.ring = ring
	}
	if !k.ring.Has(id) {
		return nil, seal.ErrUnknownKey
	}
	return k.ring, nil
}

// openKeys finds the ring, proves on the known text that it is the database's, and stores that text for the first ring. A
// ring that does not fit is an error that says what to do, unless nothing is sealed yet; nothing is changed then.
//
// With dry it changes neither the database nor the file, and finds only what is wrong.
func openKeys(ctx context.Context, s store.Vaults, c KeyConfig, dry bool) (*keys, error) {
	current, err := s.VaultKey(ctx)
	if err != nil {
		return nil, err
	}
	sealed, err := s.ListSealed(ctx, "", 1)
	if err != nil {
		return nil, err
	}
	empty := current == store.Sealed{} || len(sealed) == 0
	k, from, err := findRing(c, empty, dry)
	if err != nil || k.ring == nil {
		return k, err
	}
	accept := func(stored store.Sealed) (store.Sealed, error) {
		switch {
		case stored == store.Sealed{} || empty && !k.ring.Has(stored.Key):
			return checkText(k.ring, k.ring.Primary())
		case !fits(k.ring, stored):
			return stored, fmt.Errorf("the vault key in %s is not the one that this database's secrets are encrypted with (key %s, not %s); "+
				"start with the right key, or with none: then only what needs the secrets fails", from, stored.Key, strings.Join(k.ring.IDs(), ", "))
		}
		return stored, nil
	}
	if dry {
		_, err := accept(current)
		return k, err
	}
	return k, s.SetVaultKey(ctx, accept)
}

// findRing reads the ring, which is nil where there is none, and says where it is from. empty is whether nothing is sealed
// yet: then a key file that is missing may be created, except with dry.
func findRing(c KeyConfig, empty, dry bool) (k *keys, from string, err error) {
	k, from = &keys{}, "$SESSIONSD_VAULT_KEY"
	switch {
	case c.Text != "":
		if k.ring, err = seal.Parse([]byte(c.Text)); err != nil {
			err = fmt.Errorf("%s: %w", from, err)
		}
	case c.File != "":
		from = "the key file " + c.File
		k.reload = func() (*seal.Ring, error) { return seal.ReadFile(c.File) }
		k.ring, err = k.reload()
		switch {
		case !errors.Is(err, fs.ErrNotExist):
		case dry && c.Create && empty:
			err = creatable(c)
		default:
			k.ring, err = absent(c, empty)
		}
	case c.Temporary:
		k.ring, err = seal.New()
	}
	if err != nil {
		return nil, from, fmt.Errorf("the vault key: %w", err)
	}
	return k, from, nil
}

// absent is for a key file that does not exist: it returns a fresh ring, written to the file, or nil.
func absent(c KeyConfig, empty bool) (*seal.Ring, error) {
	switch {
	case c.Create && empty:
		if err := creatable(c); err != nil {
			return nil, err
		}
		ring, err := seal.New()
		if err != nil {
			return nil, err
		}
		return ring, ring.CreateFile(c.File)
	case c.Required && !empty:
		return nil, fmt.Errorf("the key file %s does not exist, and this database has secrets that are encrypted with its key; restore the file, "+
			"or start without naming one: then only what needs the secrets fails", c.File)
	case c.Required:
		return nil, fmt.Errorf("the key file %s does not exist; create it with 'sessionsd vault new-key'", c.File)
	}
	return nil, nil
}

// creatable returns an error where the key file cannot be created. The folder of a file that was named must exist: it may be a
// volume that is not mounted yet. The default file is next to the database, whose folder a start creates.
func creatable(c KeyConfig) error {
	dir := filepath.Dir(c.File)
	if !c.Required {
		return folder.Writable(dir)
	}
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("the folder of the key file %s does not exist; create it, or name another file", c.File)
	}
	return folder.WritableNow(dir)
}

// checkText seals the known text under a key.
func checkText(ring *seal.Ring, key string) (store.Sealed, error) {
	s, err := ring.Seal(key, []byte(known), "vault key")
	return store.Sealed(s), err
}

// fits reports whether a ring opens the known text.
func fits(ring *seal.Ring, stored store.Sealed) bool {
	text, err := ring.Open(seal.Sealed(stored), "vault key")
	return err == nil && string(text) == known
}
