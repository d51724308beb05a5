package server

import (
	"context"
	"path/filepath"
	"strings"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/server/egress"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/vault"
)

// NoVaultKey is the Config.VaultKeyFile of a server without a vault key.
const NoVaultKey = "none"

// DefaultVaultKeyFile returns the key file of a database that Config does not name one for: next to a SQLite file, "" for any
// other database.
func DefaultVaultKeyFile(db string) string {
	path, onSQLite := strings.CutPrefix(db, "sqlite:")
	if !onSQLite || path == ":memory:" {
		return ""
	}
	if file, err := filepath.EvalSymlinks(path); err == nil { // one database has one key
		path = file
	}
	return path + ".vault-key"
}

// vaultKey says where the vault key of a configuration is.
func (c Config) vaultKey() vault.KeyConfig {
	key := vault.KeyConfig{
		Text: c.VaultKey, File: c.VaultKeyFile, Required: c.VaultKeyFile != "",
		Create: strings.HasPrefix(c.DB, "sqlite:"), Temporary: c.DB == "sqlite::memory:",
	}
	switch {
	case c.VaultKeyFile == NoVaultKey:
		key = vault.KeyConfig{}
	case key.Text == "" && key.File == "":
		key.File = DefaultVaultKeyFile(c.DB)
	}
	return key
}

// openVaults opens the safe of the vaults, which asks token endpoints through the client, and logs when there is no key.
func openVaults(ctx context.Context, c Config, db store.Store, client *egress.Client, api *contract.Contract) (*vault.Safe, error) {
	key := c.vaultKey()
	safe, err := vault.Open(ctx, vault.Options{
		Store: db, Key: key, HTTP: egress.Confidential{Client: client}, Now: c.Now,
		MaxToken: api.Schema("MCPOAuthInput").At("access_token").MaxLength(),
	})
	if err == nil && !safe.Available() {
		warnNoKey(c, key.File)
	}
	return safe, err
}

// warnNoKey logs that secrets are not available, and what an operator can do. file is the key file that does not exist, "" if
// none is named.
func warnNoKey(c Config, file string) {
	const warning = "secrets of vaults are not available: "
	switch {
	case c.VaultKeyFile == NoVaultKey:
		c.Logger.Warn(warning + "--vault-key-file is none")
	case file == "":
		c.Logger.Warn(warning + "there is no vault key; name a key file with --vault-key-file, which 'sessionsd vault new-key' creates")
	default:
		c.Logger.Warn(warning+"the database has secrets, and their key file does not exist; restore it from a backup, or name its place with --vault-key-file",
			"file", file)
	}
}
