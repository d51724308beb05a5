package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloud-sessions/sessions/server/store"
)

// most is how many credentials a vault may have, unless a test says otherwise.
const most = 1000

// CredentialWrites calls the methods that write credentials and the key of their secrets.
func (suite) CredentialWrites() []call {
	return []call{{
		"CreateCredential UpdateCredential ArchiveCredential DeleteCredential SetRefreshing Reseal SetVaultKey",
		func(ctx context.Context, s store.Store) error {
			v, err := s.CreateVault(ctx, account, vaultSpec())
			if err != nil {
				return err
			}
			c, err := s.CreateCredential(ctx, account, v.ID, "", credentialSpec("a"), most)
			if err != nil {
				return err
			}
			if _, err := s.SetRefreshing(ctx, account, v.ID, c.ID, time.Time{}, seedAt()); err != nil {
				return err
			}
			if _, err := s.UpdateCredential(ctx, account, v.ID, c.ID, func(*store.CredentialSpec) error { return nil }); err != nil {
				return err
			}
			keep := func(s store.Sealed) (store.Sealed, error) { return s, nil }
			return errors.Join(
				s.Reseal(ctx, store.CredentialRef{Account: account, Vault: v.ID, ID: c.ID}, keep),
				s.SetVaultKey(ctx, keep),
				second(s.ArchiveCredential(ctx, account, v.ID, c.ID)),
				s.DeleteCredential(ctx, account, v.ID, c.ID),
			)
		},
	}}
}

// second returns the error of a call.
func second[T any](_ T, err error) error { return err }

// Credentials tests credentials in vaults.
func (suite) Credentials() map[string]test {
	return map[string]test{
		"Create": func(b *bed) {
			v := b.create(vaultKind())
			got, err := b.CreateCredential(b.ctx, account, v.id, "", credentialSpec("a"), most)
			check(b.T, err)
			equal(b.T, "credential", store.Credential{
				CredentialSpec: credentialSpec("a"), ID: "vcred_000002", VaultID: v.id, CreatedAt: b.clock.stamp(), UpdatedAt: b.clock.stamp(),
			}, got)
			utc(b.T, got.CreatedAt, got.UpdatedAt)
			b.readsCredential(account, got)
			spec := credentialSpec("b")
			spec.Metadata = nil
			named, err := b.CreateCredential(b.ctx, account, v.id, "vcred_mine", spec, most)
			check(b.T, err)
			equal(b.T, "id and metadata", fmt.Sprint("vcred_mine", map[string]string{}), fmt.Sprint(named.ID, named.Metadata))
			b.readsCredential(account, named)
			b.reads(vaultKind(), account, v)
		},
		"Fits":    fittingCredentials,
		"Unknown": unknownCredentials,
		"Update": func(b *bed) {
			v := b.create(vaultKind())
			made := b.credential(v.id, "a")
			bystander := b.credential(v.id, "b")
			b.clock.advance(time.Hour)
			got, err := b.UpdateCredential(b.ctx, account, v.id, made.ID, func(spec *store.CredentialSpec) error {
				equal(b.T, "what it says", made.CredentialSpec, *spec)
				*spec = store.CredentialSpec{Target: "z", Protocol: "z", Auth: []byte(`{"new":1}`), Secret: store.Sealed{Key: "2", Text: "two"}}
				return nil
			})
			check(b.T, err)
			want := made
			want.Auth, want.Metadata, want.Secret, want.UpdatedAt = []byte(`{"new":1}`), map[string]string{}, store.Sealed{Key: "2", Text: "two"}, b.clock.stamp()
			equal(b.T, "after the update", want, got)
			b.readsCredential(account, want)
			b.readsCredential(account, bystander)
			_, err = b.UpdateCredential(b.ctx, account, v.id, made.ID, func(*store.CredentialSpec) error { return errStop })
			fails(b.T, "change", errStop, err)
			b.readsCredential(account, want)
		},
		"Archive": func(b *bed) {
			v := b.create(vaultKind())
			made := b.credential(v.id, "a")
			b.clock.advance(time.Hour)
			got, err := b.ArchiveCredential(b.ctx, account, v.id, made.ID)
			check(b.T, err)
			at := b.clock.stamp()
			made.ArchivedAt, made.UpdatedAt, made.Secret = &at, at, store.Sealed{}
			equal(b.T, "archived", made, got)
			b.clock.advance(time.Hour)
			got, err = b.ArchiveCredential(b.ctx, account, v.id, made.ID)
			check(b.T, err)
			equal(b.T, "archived again", made, got)
			_, err = b.UpdateCredential(b.ctx, account, v.id, made.ID, func(*store.CredentialSpec) error {
				b.Error("a change is called for an archived credential")
				return nil
			})
			conflict(b.T, store.StateError{Noun: store.NounCredential, ID: made.ID, Reason: "is archived and takes no changes."}, err)
			b.readsCredential(account, made)
			b.credential(v.id, "a") // whose target is free
		},
		"Delete": func(b *bed) {
			v := b.create(vaultKind())
			made, stays := b.credential(v.id, "a"), b.credential(v.id, "b")
			check(b.T, b.DeleteCredential(b.ctx, account, v.id, made.ID))
			b.noCredential(account, v.id, made.ID)
			b.readsCredential(account, stays)
			b.credential(v.id, "a")
		},
		"ArchivedVault": func(b *bed) {
			v := b.create(vaultKind())
			made := b.credential(v.id, "a")
			_, err := b.ArchiveVault(b.ctx, account, v.id)
			check(b.T, err)
			made.Secret = store.Sealed{}
			b.readsCredential(account, made)
			reason := store.StateError{Noun: store.NounVault, ID: v.id, Reason: "is archived and takes no changes."}
			_, err = b.CreateCredential(b.ctx, account, v.id, "", credentialSpec("b"), most)
			conflict(b.T, reason, err)
			_, err = b.UpdateCredential(b.ctx, account, v.id, made.ID, func(*store.CredentialSpec) error { return nil })
			conflict(b.T, reason, err)
			_, err = b.UpdateVault(b.ctx, account, v.id, func(*store.VaultSpec) error { return nil })
			conflict(b.T, reason, err)
			check(b.T, b.DeleteCredential(b.ctx, account, v.id, made.ID))
		},
		"DeletedVault": func(b *bed) {
			v, stays := b.create(vaultKind()), b.create(vaultKind())
			made, other := b.credential(v.id, "a"), b.credential(stays.id, "a")
			check(b.T, b.DeleteVault(b.ctx, account, v.id))
			missing(b.T, store.MissingError{Noun: store.NounVault, ID: v.id}, second(b.GetCredential(b.ctx, account, v.id, made.ID)))
			missing(b.T, store.MissingError{Noun: store.NounVault, ID: v.id}, second(b.ListCredentials(b.ctx, account, v.id, store.CredentialFilter{}, store.Page{Limit: 1})))
			sealed, err := b.ListSealed(b.ctx, "", 10)
			check(b.T, err)
			equal(b.T, "secrets", []store.CredentialRef{{Account: account, Vault: stays.id, ID: other.ID}}, sealed)
		},
		"Pages":  credentialPages,
		"Vaults": listedVaults,
		"Find":   foundCredentials,
		"Refreshing": func(b *bed) {
			v := b.create(vaultKind())
			made := b.credential(v.id, "a")
			until := b.clock.stamp().Add(time.Minute)
			set := func(from, to time.Time, want bool) {
				b.Helper()
				done, err := b.SetRefreshing(b.ctx, account, v.id, made.ID, from, to)
				check(b.T, err)
				equal(b.T, "set", want, done)
			}
			set(time.Time{}, until, true)
			set(time.Time{}, until.Add(1), false)
			made.RefreshingUntil = until
			b.readsCredential(account, made)
			set(until, time.Time{}, true)
			made.RefreshingUntil = time.Time{}
			b.readsCredential(account, made)
			set(time.Time{}, until, true)
			updated, err := b.UpdateCredential(b.ctx, account, v.id, made.ID, func(*store.CredentialSpec) error { return nil })
			check(b.T, err)
			equal(b.T, "refreshing after an update", time.Time{}, updated.RefreshingUntil)
			for _, of := range [][3]string{{other, v.id, made.ID}, {account, "vault_x", made.ID}, {account, v.id, "vcred_x"}} {
				done, err := b.SetRefreshing(b.ctx, of[0], of[1], of[2], time.Time{}, until)
				check(b.T, err)
				equal(b.T, fmt.Sprint(of), false, done)
			}
			won := make([]bool, 4)
			each(b.T, len(won), func(i int) (err error) {
				won[i], err = b.SetRefreshing(b.ctx, account, v.id, made.ID, time.Time{}, until.Add(time.Duration(i)*time.Second))
				return err
			})
			equal(b.T, "winners", 1, len(slices.DeleteFunc(won, func(w bool) bool { return !w })))
		},
		"Reseal":   resealed,
		"VaultKey": vaultKey,
	}
}

func credentialSpec(target string) store.CredentialSpec {
	return store.CredentialSpec{
		Target: target, Auth: []byte(`{"type": "static_bearer", "mcp_server_url": "https://示例"}`), Protocol: "streamable_http",
		Metadata: map[string]string{"a": "\u2028"}, Secret: store.Sealed{Key: "1", Text: "sealed of " + target},
	}
}

// credential adds a credential to a vault of the account, or fails the test.
func (b *bed) credential(vault, target string) store.Credential {
	b.Helper()
	c, err := b.CreateCredential(b.ctx, account, vault, "", credentialSpec(target), most)
	check(b.T, err)
	return c
}

// readsCredential fails the test unless the credential is as wanted.
func (b *bed) readsCredential(acc string, want store.Credential) {
	b.Helper()
	got, err := b.GetCredential(b.ctx, acc, want.VaultID, want.ID)
	check(b.T, err)
	equal(b.T, "credential", want, got)
}

// noCredential fails the test unless the credential is, in every method, one that does not exist.
func (b *bed) noCredential(acc, vault, id string) {
	b.Helper()
	b.lacks(acc, vault, id, store.MissingError{Noun: store.NounCredential, ID: id})
}

func (b *bed) lacks(acc, vault, id string, want store.MissingError) {
	b.Helper()
	for _, err := range []error{
		second(b.GetCredential(b.ctx, acc, vault, id)),
		second(b.UpdateCredential(b.ctx, acc, vault, id, func(*store.CredentialSpec) error {
			b.Error("a change is called for a credential that does not exist")
			return nil
		})),
		second(b.ArchiveCredential(b.ctx, acc, vault, id)),
		b.DeleteCredential(b.ctx, acc, vault, id),
	} {
		missing(b.T, want, err)
	}
}

func unknownCredentials(b *bed) {
	v, another := b.create(vaultKind()), b.create(vaultKind())
	made := b.credential(v.id, "a")
	b.noCredential(account, v.id, "vcred_x")
	b.noCredential(account, another.id, made.ID)
	for _, acc := range []string{other, account} {
		vault := v.id
		if acc == account {
			vault = "vault_x"
		}
		noVault := store.MissingError{Noun: store.NounVault, ID: vault}
		b.lacks(acc, vault, made.ID, noVault)
		missing(b.T, noVault, second(b.ListCredentials(b.ctx, acc, vault, store.CredentialFilter{}, store.Page{Limit: 1})))
		missing(b.T, noVault, second(b.CreateCredential(b.ctx, acc, vault, "", credentialSpec("b"), most)))
	}
	b.readsCredential(account, made)
}

// fittingCredentials fills a vault, in which two for one target do not fit.
func fittingCredentials(b *bed) {
	v, another := b.create(vaultKind()), b.create(vaultKind())
	first := b.credential(v.id, "a")
	twice := store.StateError{Noun: store.NounVault, ID: v.id, Reason: "has an active credential for that already, '" + first.ID + "'; update or archive it."}
	add := func(vault, target string) error {
		return second(b.CreateCredential(b.ctx, account, vault, "", credentialSpec(target), 2))
	}
	conflict(b.T, twice, add(v.id, "a"))
	check(b.T, add(another.id, "a"))
	check(b.T, add(v.id, "b"))
	conflict(b.T, twice, add(v.id, "a")) // also when it is full
	full := func() {
		b.Helper()
		err := add(v.id, "c")
		fails(b.T, "a credential too many", store.ErrFull, err)
		equal(b.T, "error", fmt.Sprintf("Vault '%s' has 2 credentials, which is the maximum; delete one of them first.", v.id), err.Error())
	}
	full()
	check(b.T, second(b.ArchiveCredential(b.ctx, account, v.id, first.ID)))
	full()
	check(b.T, b.DeleteCredential(b.ctx, account, v.id, first.ID))
	check(b.T, add(v.id, "c"))
	races := b.create(vaultKind())
	errs := make([]error, 4)
	each(b.T, len(errs), func(i int) error {
		errs[i] = add(races.id, "same")
		return nil
	})
	equal(b.T, "added at once", 1, len(slices.DeleteFunc(errs, func(err error) bool { return err != nil })))
}

// credentialPages compares every page of a vault's credentials to a part of the list.
func credentialPages(b *bed) {
	v, another := b.create(vaultKind()), b.create(vaultKind())
	var all []string
	for i := range 5 {
		all = append(all, b.credential(v.id, fmt.Sprint(i)).ID)
		foreign := b.credential(another.id, fmt.Sprint(i)).ID
		_, err := b.ListCredentials(b.ctx, account, v.id, store.CredentialFilter{}, store.Page{Limit: 1, Cursor: foreign})
		fails(b.T, "cursor of another vault", store.ErrUnknownCursor, err)
		if i%2 == 1 {
			b.clock.advance(time.Microsecond)
		}
	}
	list := func(page store.Page) (store.List[string], error) {
		got, err := b.ListCredentials(b.ctx, account, v.id, store.CredentialFilter{}, page)
		ids := store.List[string]{Items: []string{}, HasMore: got.HasMore}
		for _, c := range got.Items {
			ids.Items = append(ids.Items, c.ID)
		}
		return ids, err
	}
	windows(b, all, []int{1, 2, 5, 6}, list)
	check(b.T, second(b.ArchiveCredential(b.ctx, account, v.id, all[1])))
	check(b.T, b.DeleteCredential(b.ctx, account, v.id, all[3]))
	for archived, want := range map[bool][]string{false: {all[0], all[2], all[4]}, true: {all[0], all[1], all[2], all[4]}} {
		got, err := list(store.Page{Limit: 10, Ascending: true, IncludeArchived: archived})
		check(b.T, err)
		equal(b.T, "list", want, got.Items)
	}
	got, err := list(store.Page{Limit: 10, Ascending: true, Cursor: all[3]})
	check(b.T, err)
	equal(b.T, "after a deleted one", all[4:], got.Items)
	latest := b.clock.stamp()
	earlier := latest.Add(-time.Microsecond)
	for what, only := range map[string]store.CredentialFilter{
		"[0]": {Targets: []string{"0"}}, "[0 4]": {Targets: []string{"0", "4", "1"}}, "[]": {Targets: []string{"x') OR ('' = '"}},
		"[4]": {CreatedFrom: &latest, CreatedTo: &latest}, "[0 2]": {CreatedTo: &earlier},
	} {
		found, err := b.ListCredentials(b.ctx, account, v.id, only, store.Page{Limit: 10, Ascending: true})
		check(b.T, err)
		targets := []string{}
		for _, c := range found.Items {
			targets = append(targets, c.Target)
		}
		equal(b.T, "filtered", what, fmt.Sprint(targets))
	}
	nothing, err := b.ListCredentials(b.ctx, account, b.create(vaultKind()).id, store.CredentialFilter{}, store.Page{Limit: 1})
	check(b.T, err)
	if nothing.Items == nil || len(nothing.Items) != 0 || nothing.HasMore {
		b.Errorf("want an empty list that is not nil, got %+v", nothing)
	}
}

// listedVaults lists archived vaults only.
func listedVaults(b *bed) {
	b.create(vaultKind())
	archived := b.create(vaultKind())
	check(b.T, second(b.ArchiveVault(b.ctx, account, archived.id)))
	list, err := b.ListVaults(b.ctx, account, store.VaultFilter{Archived: true}, store.Page{Limit: 10, IncludeArchived: true})
	check(b.T, err)
	if len(list.Items) != 1 || list.Items[0].ID != archived.id || list.HasMore {
		b.Errorf("archived vaults: %+v", list)
	}
}

// foundCredentials looks for targets in several vaults.
func foundCredentials(b *bed) {
	first, next := b.create(vaultKind()).id, b.create(vaultKind()).id
	inFirst, inNext, onlyNext := b.credential(first, "a"), b.credential(next, "a"), b.credential(next, "b")
	finds := func(acc string, vaults []string, target, want string) {
		b.Helper()
		got, err := b.FindCredential(b.ctx, acc, vaults, target)
		if want == "" {
			fails(b.T, target, store.ErrNotFound, err)
		} else {
			check(b.T, err)
		}
		equal(b.T, "found", want, got.ID)
	}
	finds(account, []string{first, next}, "a", inFirst.ID)
	finds(account, []string{next, first}, "a", inNext.ID)
	finds(account, []string{"vault_x", first, next}, "b", onlyNext.ID)
	finds(account, []string{first}, "b", "")
	finds(account, nil, "a", "")
	finds(account, []string{first, next}, "A", "")
	finds(other, []string{first, next}, "a", "")
	got, err := b.FindCredential(b.ctx, account, []string{first}, "a")
	check(b.T, err)
	equal(b.T, "credential", inFirst, got)
	check(b.T, second(b.ArchiveCredential(b.ctx, account, first, inFirst.ID)))
	finds(account, []string{first, next}, "a", inNext.ID)
	check(b.T, second(b.ArchiveVault(b.ctx, account, next)))
	finds(account, []string{first, next}, "a", "")
	check(b.T, b.DeleteVault(b.ctx, account, next))
	finds(account, []string{first, next}, "b", "")
}

// resealed seals the secrets of all accounts under another key.
func resealed(b *bed) {
	foreign, err := b.CreateVault(b.ctx, other, vaultSpec())
	check(b.T, err)
	theirs, err := b.CreateCredential(b.ctx, other, foreign.ID, "", credentialSpec("a"), most)
	check(b.T, err)
	v := b.create(vaultKind())
	made, archived := b.credential(v.id, "a"), b.credential(v.id, "b")
	check(b.T, second(b.ArchiveCredential(b.ctx, account, v.id, archived.ID)))
	under := func(key string, want ...store.CredentialRef) {
		b.Helper()
		got, err := b.ListSealed(b.ctx, key, 10)
		check(b.T, err)
		slices.SortFunc(got, func(x, y store.CredentialRef) int { return len(x.Account+x.ID) - len(y.Account+y.ID) })
		if len(got) != len(want) {
			b.Errorf("not under %q: want %v, got %v", key, want, got)
		}
		for _, of := range want {
			if !slices.Contains(got, of) {
				b.Errorf("not under %q: %v is missing", key, of)
			}
		}
	}
	mine := store.CredentialRef{Account: account, Vault: v.id, ID: made.ID}
	their := store.CredentialRef{Account: other, Vault: foreign.ID, ID: theirs.ID}
	under("1")
	under("2", mine, their)
	few, err := b.ListSealed(b.ctx, "2", 1)
	check(b.T, err)
	equal(b.T, "limit", 1, len(few))
	b.clock.advance(time.Hour)
	check(b.T, b.Reseal(b.ctx, mine, func(s store.Sealed) (store.Sealed, error) {
		equal(b.T, "secret", made.Secret, s)
		return store.Sealed{Key: "2", Text: "new"}, nil
	}))
	made.Secret = store.Sealed{Key: "2", Text: "new"}
	b.readsCredential(account, made)
	under("2", their)
	fails(b.T, "change", errStop, b.Reseal(b.ctx, their, func(store.Sealed) (store.Sealed, error) { return store.Sealed{}, errStop }))
	under("2", their)
	check(b.T, b.DeleteVault(b.ctx, other, foreign.ID))
	for _, of := range []store.CredentialRef{
		their, {Account: account, Vault: v.id, ID: archived.ID}, {Account: account, Vault: v.id, ID: "vcred_x"}, {Account: other, Vault: v.id, ID: made.ID},
	} {
		check(b.T, b.Reseal(b.ctx, of, func(store.Sealed) (store.Sealed, error) {
			b.Errorf("a change is called for %v", of)
			return store.Sealed{}, nil
		}))
	}
}

// vaultKey has processes that each store a first key at once: one of them finds none.
func vaultKey(b *bed) {
	is := func(want store.Sealed) {
		b.Helper()
		got, err := b.VaultKey(b.ctx)
		check(b.T, err)
		equal(b.T, "key", want, got)
		check(b.T, b.Atomically(b.ctx, func(ctx context.Context) error {
			got, err := b.VaultKey(ctx)
			equal(b.T, "key in a transaction", want, got)
			return err
		}))
	}
	is(store.Sealed{})
	fails(b.T, "change", errStop, b.SetVaultKey(b.ctx, func(store.Sealed) (store.Sealed, error) { return store.Sealed{}, errStop }))
	is(store.Sealed{})
	firsts := make([]bool, 4)
	each(b.T, len(firsts), func(i int) error {
		return b.SetVaultKey(b.ctx, func(current store.Sealed) (store.Sealed, error) {
			firsts[i] = current == store.Sealed{}
			if firsts[i] {
				return store.Sealed{Key: "1", Text: "known"}, nil
			}
			return current, nil
		})
	})
	equal(b.T, "firsts", 1, len(slices.DeleteFunc(firsts, func(f bool) bool { return !f })))
	is(store.Sealed{Key: "1", Text: "known"})
	check(b.T, b.SetVaultKey(b.ctx, func(store.Sealed) (store.Sealed, error) { return store.Sealed{Key: "2", Text: "other"}, nil }))
	is(store.Sealed{Key: "2", Text: "other"})
}
