package sqlstore

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/store/sqlstore/engine"
)

// TestErasedCredentials looks for what rows still hold once their credential or their vault is archived or deleted.
func TestErasedCredentials(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	spec := store.CredentialSpec{
		Target: "canary", Auth: []byte(`{"a":"canary"}`), Protocol: "canary", Metadata: map[string]string{"a": "canary"},
		Secret: store.Sealed{Key: "canary", Text: "canary"},
	}
	for name, tc := range map[string]struct {
		erase func(vault, id string) error
		want  string
	}{
		"archive": {func(vault, id string) error { _, err := s.ArchiveCredential(ctx, "acc", vault, id); return err }, `["canary" "{\"a\":\"canary\"}" "canary" "{\"a\":\"canary\"}" "" ""]`},
		"delete":  {func(vault, id string) error { return s.DeleteCredential(ctx, "acc", vault, id) }, `["" "{}" "" "{}" "" ""]`},
		"archive vault": {func(vault, _ string) error { _, err := s.ArchiveVault(ctx, "acc", vault); return err },
			`["canary" "{\"a\":\"canary\"}" "canary" "{\"a\":\"canary\"}" "" ""]`},
		"delete vault": {func(vault, _ string) error { return s.DeleteVault(ctx, "acc", vault) }, ""},
	} {
		v, err := s.CreateVault(ctx, "acc", store.VaultSpec{})
		check(t, err)
		c, err := s.CreateCredential(ctx, "acc", v.ID, "", spec, 1)
		check(t, err)
		check(t, tc.erase(v.ID, c.ID))
		got, err := all(ctx, s, func(row engine.Scanner) (string, error) {
			texts := make([]string, 6)
			err := row.Scan(&texts[0], &texts[1], &texts[2], &texts[3], &texts[4], &texts[5])
			return fmt.Sprintf("%q", texts), err
		}, `SELECT target, auth, protocol, metadata, key_id, sealed FROM vault_credentials WHERE id = $1`, c.ID)
		check(t, err)
		if fmt.Sprint(got) != "["+tc.want+"]" {
			t.Errorf("%s leaves %s, want %s", name, got, tc.want)
		}
	}
}

// TestVaultLocks has a database complain about the clauses that lock rows.
func TestVaultLocks(t *testing.T) {
	t.Parallel()
	s := openTest(t, "sqlite::memory:")
	ctx := t.Context()
	v, err := s.CreateVault(ctx, "acc", store.VaultSpec{})
	check(t, err)
	s.db.ForUpdate, s.db.ForShare = " EXCLUSIVE x", " SHARED x"
	for name, err := range map[string]error{
		"CreateCredential": func() error {
			_, err := s.CreateCredential(ctx, "acc", v.ID, "", store.CredentialSpec{Auth: []byte("{}")}, 1)
			return err
		}(),
		"Reseal":      s.Reseal(ctx, store.CredentialRef{Account: "acc", Vault: v.ID, ID: "vcred_x"}, nil),
		"SetVaultKey": s.SetVaultKey(ctx, func(k store.Sealed) (store.Sealed, error) { return k, nil }),
		"VaultKey": s.Atomically(ctx, func(ctx context.Context) error {
			_, err := s.VaultKey(ctx)
			return err
		}),
	} {
		clause := "EXCLUSIVE"
		if name == "VaultKey" {
			clause = "SHARED"
		}
		if err == nil || !strings.Contains(err.Error(), clause) {
			t.Errorf("%s: want a complaint about %s, got %v", name, clause, err)
		}
	}
}
