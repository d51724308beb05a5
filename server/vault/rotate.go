package vault

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloud-sessions/sessions/server/seal"
	"github.com/cloud-sessions/sessions/server/store"
)

// resealStep is how many secrets a rotation reads at a time.
const resealStep = 100

// Prepare adds a fresh key to a key file, unless one was prepared already, and changes nothing else: until Rotate, secrets are
// sealed under the old key. It returns the id of the prepared key.
func Prepare(ctx context.Context, s store.Vaults, file string) (key string, err error) {
	err = s.SetVaultKey(ctx, func(current store.Sealed) (store.Sealed, error) {
		_, key, err = prepared(current, file)
		return current, err
	})
	return key, err
}

// Rotate seals all secrets under a fresh key, the one that was prepared if there is one, and removes the other keys from the
// key file when none is needed any longer. Servers may run meanwhile: a server reads its key file again when it meets a key
// that it does not know. Each secret is sealed again in a transaction of its own. After an interruption a repeat continues.
// progress is called with how many secrets were sealed again so far.
func Rotate(ctx context.Context, s store.Vaults, file string, progress func(done int)) error {
	var ring *seal.Ring
	var key string
	err := s.SetVaultKey(ctx, func(current store.Sealed) (_ store.Sealed, err error) {
		if ring, err = ringFor(current, file); err != nil {
			return current, err
		}
		if key = current.Key; len(ring.IDs()) > 1 && lastOf(ring) == key { // an earlier rotation was interrupted
			return current, nil
		}
		if ring, key, err = prepared(current, file); err != nil {
			return current, err
		}
		return checkText(ring, key)
	})
	if err != nil {
		return err
	}
	if err := reseal(ctx, s, ring, key, progress); err != nil {
		return err
	}
	return s.SetVaultKey(ctx, func(current store.Sealed) (store.Sealed, error) {
		if current.Key != key { // another rotation has begun, which needs the key
			return current, nil
		}
		return current, dropOthers(key, file)
	})
}

// prepared returns the ring in a key file with a key that secrets are not sealed under yet, the last one, and that key's id. It
// adds one unless there is one. The caller has locked the known text, so that no other process changes the file.
func prepared(current store.Sealed, file string) (*seal.Ring, string, error) {
	ring, err := ringFor(current, file)
	if err != nil {
		return nil, "", err
	}
	if last := lastOf(ring); last != current.Key {
		return ring, last, nil
	}
	extended, fresh, err := ring.Extended()
	if err != nil {
		return nil, "", err
	}
	return extended, fresh, extended.ReplaceFile(file)
}

// ringFor returns the ring in a key file, which must open the known text.
func ringFor(current store.Sealed, file string) (*seal.Ring, error) {
	if current == (store.Sealed{}) {
		return nil, errors.New("the database has no vault key yet; start a server with the key file first")
	}
	ring, err := seal.ReadFile(file)
	if err != nil {
		return nil, err
	}
	if !fits(ring, current) {
		return nil, fmt.Errorf("the key file %s does not have the key that the database's secrets are encrypted with (key %s)", file, current.Key)
	}
	return ring, nil
}

func lastOf(ring *seal.Ring) string {
	ids := ring.IDs()
	return ids[len(ids)-1]
}

// reseal seals every secret under the key that is not sealed under it yet. Nothing is sealed under another key meanwhile:
// SetVaultKey has waited for the transactions that did.
func reseal(ctx context.Context, s store.Vaults, ring *seal.Ring, key string, progress func(done int)) error {
	var last store.CredentialRef
	done := 0
	for {
		rest, err := s.ListSealed(ctx, key, resealStep)
		if err != nil || len(rest) == 0 {
			return err
		}
		if rest[0] == last { // which a step does not change: better an error than a loop without end
			return fmt.Errorf("credential %s of vault %s cannot be sealed again", last.ID, last.Vault)
		}
		last = rest[0]
		for _, of := range rest {
			err := s.Reseal(ctx, of, func(old store.Sealed) (store.Sealed, error) {
				secret, err := ring.Open(seal.Sealed(old), owner(of)...)
				if err != nil {
					return old, fmt.Errorf("credential %s of vault %s cannot be opened, delete it and try again: %w", of.ID, of.Vault, err)
				}
				sealed, err := ring.Seal(key, secret, owner(of)...)
				return store.Sealed(sealed), err
			})
			if err != nil {
				return err
			}
			done++
		}
		progress(done)
	}
}

// dropOthers leaves only that key in the key file.
func dropOthers(key, file string) error {
	ring, err := seal.ReadFile(file)
	if err != nil {
		return err
	}
	if ring, err = ring.WithPrimary(key); err != nil {
		return err
	}
	for _, id := range ring.IDs() {
		if id == key {
			continue
		}
		if ring, err = ring.Without(id); err != nil {
			return err
		}
	}
	return ring.ReplaceFile(file)
}
