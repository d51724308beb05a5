package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/cloud-sessions/sessions/client"
)

// vaults holds the commands on vaults.
func (a *app) vaults() *cobra.Command {
	cmd := group("vaults", "Create, show and change vaults, which hold secrets", a.plainVaultCommands()...)
	cmd.AddCommand(a.createVault())
	return cmd
}

// credentials holds the commands on the credentials in vaults.
func (a *app) credentials() *cobra.Command {
	cmd := group("credentials", "Add, show and change the credentials in a vault", a.plainVaultCredentialCommands()...)
	cmd.AddCommand(a.createCredential(), a.updateCredential())
	return cmd
}

func vaultView() view[client.Vault] {
	return view[client.Vault]{
		id: func(v *client.Vault) string { return v.ID },
		columns: []column[client.Vault]{
			{name: "ID", text: func(v *client.Vault) string { return v.ID }},
			{name: "NAME", text: func(v *client.Vault) string { return v.DisplayName }},
			{name: "STATUS", text: func(v *client.Vault) string { return string(v.Status) }, style: stateStyle},
			{name: "METADATA", text: func(v *client.Vault) string { return pairsOf(v.Metadata) }, detail: true},
			{name: "CREATED", at: func(v *client.Vault) *time.Time { return &v.CreatedAt }},
			{name: "UPDATED", at: func(v *client.Vault) *time.Time { return &v.UpdatedAt }, detail: true},
			{name: "ARCHIVED", at: func(v *client.Vault) *time.Time { return v.ArchivedAt }, detail: true},
		},
	}
}

func credentialView() view[client.VaultCredential] {
	return view[client.VaultCredential]{
		id: func(c *client.VaultCredential) string { return c.ID },
		columns: []column[client.VaultCredential]{
			{name: "ID", text: func(c *client.VaultCredential) string { return c.ID }},
			{name: "TYPE", text: authType},
			{name: "FOR", text: authorised},
			{name: "STATUS", text: func(c *client.VaultCredential) string { return string(c.Status) }, style: stateStyle},
			{name: "METADATA", text: func(c *client.VaultCredential) string { return pairsOf(c.Metadata) }, detail: true},
			{name: "CREATED", at: func(c *client.VaultCredential) *time.Time { return &c.CreatedAt }},
			{name: "UPDATED", at: func(c *client.VaultCredential) *time.Time { return &c.UpdatedAt }, detail: true},
			{name: "ARCHIVED", at: func(c *client.VaultCredential) *time.Time { return c.ArchivedAt }, detail: true},
		},
	}
}

func validationView() view[client.VaultCredentialValidation] {
	type record = client.VaultCredentialValidation
	return view[record]{
		id: func(v *record) string { return v.CredentialID },
		columns: []column[record]{
			{name: "CREDENTIAL", text: func(v *record) string { return v.CredentialID }, whole: true},
			{name: "STATUS", text: func(v *record) string { return string(v.Status) }},
			{name: "REFRESHABLE", text: func(v *record) string { return fmt.Sprint(v.HasRefreshToken) }},
			{name: "VALIDATED", at: func(v *record) *time.Time { return &v.ValidatedAt }},
		},
	}
}

// authType is the type of a credential's authorization.
func authType(c *client.VaultCredential) string {
	switch c.Auth.AsAny().(type) {
	case client.StaticBearer:
		return "static_bearer"
	case client.MCPOAuth:
		return "mcp_oauth"
	case client.EnvironmentVariable:
		return "environment_variable"
	}
	return ""
}

// authorised is what a credential is for.
func authorised(c *client.VaultCredential) string {
	switch auth := c.Auth.AsAny().(type) {
	case client.StaticBearer:
		return auth.MCPServerURL
	case client.MCPOAuth:
		return auth.MCPServerURL
	case client.EnvironmentVariable:
		return auth.SecretName
	}
	return ""
}

func (a *app) createVault() *cobra.Command {
	return single(a, operation{
		id: "createVault", use: "create", writes: true, body: true,
		fields: []field{
			{param: "display_name", name: "display-name", kind: textFlag, usage: "`TEXT` to display as the name of the vault"},
			{param: "metadata", name: "metadata", kind: pairsFlag},
		},
	}, vaultView(), func(ctx context.Context, c *client.Client, _ []string, in *client.CreateVaultRequest, opts ...client.Option) (*client.Vault, error) {
		return c.Vaults.Create(ctx, in, opts...)
	})
}

func (a *app) createCredential() *cobra.Command {
	cmd, in := a.newCommand(operation{
		id: "createVaultCredential", writes: true, body: true,
		fields: []field{
			{param: "auth.type", name: "type", kind: textFlag, usage: "`TYPE` of the credential: static_bearer (the default), mcp_oauth or environment_variable", allowed: secretTypes},
			{param: "auth.mcp_server_url", name: "mcp-server-url", kind: textFlag, usage: "`URL` of the MCP server that the secret is sent to"},
			{param: "auth.secret_name", name: "secret-name", kind: textFlag, usage: "`NAME` of the environment variable"},
			{param: "metadata", name: "metadata", kind: pairsFlag},
		},
	})
	secret := a.addSecret(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		doc, err := in.read(reflect.TypeFor[client.CreateVaultCredentialRequest]())
		if err != nil {
			return err
		}
		if err := secret.put(cmd, doc, "static_bearer"); err != nil {
			return err
		}
		if secretIsMissing(doc) {
			return usageError{fmt.Errorf("the secret is missing; give --%s FILE, or - for standard input", secretFlag)}
		}
		req, err := decode[client.CreateVaultCredentialRequest](cmd, doc)
		if err != nil {
			return err
		}
		return perform(a, cmd, credentialView(), func(ctx context.Context, c *client.Client, opts ...client.Option) (*client.VaultCredential, error) {
			return c.Vaults.Credentials.Create(ctx, args[0], req, opts...)
		})
	}
	return cmd
}

func (a *app) updateCredential() *cobra.Command {
	cmd, in := a.newCommand(operation{
		id: "updateVaultCredential", use: "update VAULT CREDENTIAL", writes: true, body: true,
		fields: []field{{param: "metadata", name: "metadata", kind: pairsFlag}},
	})
	secret := a.addSecret(cmd)
	in.sets(secretFlag, "auth.token", func(map[string]any) error { return nil }) // which is a change; see put
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		doc, err := in.read(reflect.TypeFor[client.UpdateVaultCredentialRequest]())
		if err != nil {
			return err
		}
		return perform(a, cmd, credentialView(), func(ctx context.Context, c *client.Client, opts ...client.Option) (*client.VaultCredential, error) {
			stored, err := c.Vaults.Credentials.Get(ctx, args[0], args[1])
			if err != nil {
				return nil, err
			}
			if err := secret.put(cmd, doc, authType(stored)); err != nil {
				return nil, err
			}
			req, err := decode[client.UpdateVaultCredentialRequest](cmd, doc)
			if err != nil {
				return nil, err
			}
			return c.Vaults.Credentials.Update(ctx, args[0], args[1], req, opts...)
		})
	}
	return cmd
}

// secretTypes are the types of credentials.
var secretTypes = []string{"static_bearer", "mcp_oauth", "environment_variable"}

// secretFields are the fields of an authorization that hold its secret, by its type.
var secretFields = map[string]string{"static_bearer": "token", "mcp_oauth": "access_token", "environment_variable": "secret_value"}

// secretIsMissing reports whether a new credential lacks its secret. A type that is not known is the server's to judge.
func secretIsMissing(doc map[string]any) bool {
	auth, nested := doc["auth"].(map[string]any)
	if !nested {
		return doc["auth"] == nil && doc["access_token"] == nil
	}
	kind, _ := auth["type"].(string)
	field := secretFields[cmp.Or(kind, "static_bearer")]
	return field != "" && auth[field] == nil
}

// secretFlag is the flag of a secret, which is never an argument: others can read those in the list of processes.
const secretFlag = "secret-file"

// secretInput reads a secret from a file.
type secretInput struct {
	a    *app
	file *string
}

// addSecret gives cmd the flag of a secret.
func (a *app) addSecret(cmd *cobra.Command) secretInput {
	file := cmd.Flags().String(secretFlag, "", "read the secret from `FILE`, or from standard input if it is -; a line break at its end is left out")
	_ = cmd.MarkFlagFilename(secretFlag)
	return secretInput{a, file}
}

// put puts the secret into a request, if there is one; defaultType is the type of the authorization that has none.
func (s secretInput) put(cmd *cobra.Command, doc map[string]any, defaultType string) error {
	if *s.file == "" {
		return nil
	}
	if *s.file == "-" && (s.a.tokenFile == "-" || cmd.Flags().Lookup(fileFlag).Value.String() == "-") {
		return usageError{errors.New("--secret-file, --file and --token-file cannot read standard input together")}
	}
	secret, err := s.a.readText(cmd.Context(), *s.file)
	if err != nil {
		return usageError{fmt.Errorf("--secret-file: %w", err)}
	}
	auth, _ := doc["auth"].(map[string]any)
	kind, _ := auth["type"].(string)
	if kind == "" {
		kind = defaultType
	}
	field := secretFields[kind]
	if field == "" {
		return usageError{fmt.Errorf("%q is not a type of credential; use %s", kind, strings.Join(secretTypes, ", "))}
	}
	text := strings.TrimSuffix(strings.TrimSuffix(string(secret), "\n"), "\r")
	return errors.Join(put(doc, kind, "auth", "type"), put(doc, text, "auth", field))
}
