package sdktest

import (
	"testing"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/cloud-sessions/sessions/server/servertest"
)

// TestVaults makes the round of vaults and credentials. The names that the SDK gives credentials are not kept: their
// responses have null.
func TestVaults(t *testing.T) {
	t.Parallel()
	s := servertest.New(t)
	c := anthropic.NewClient(option.WithBaseURL(s.URL), option.WithAuthToken(s.Token), option.WithAPIKey(""))
	ctx, vaults := t.Context(), c.Beta.Vaults
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	vault, err := vaults.New(ctx, anthropic.BetaVaultNewParams{DisplayName: "SDK", Metadata: map[string]string{"a": "b"}})
	must("new vault", err)
	_, err = vaults.Update(ctx, vault.ID, anthropic.BetaVaultUpdateParams{DisplayName: param.NewOpt("renamed")})
	must("update vault", err)
	vault, err = vaults.Get(ctx, vault.ID, anthropic.BetaVaultGetParams{})
	must("get vault", err)
	if vault.DisplayName != "renamed" || vault.Type != "vault" || vault.Metadata["a"] != "b" || !vault.ArchivedAt.IsZero() {
		t.Errorf("vault: %s", vault.RawJSON())
	}
	expires := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	const server = "https://mcp.example/mcp"
	ids := map[string]string{}
	for _, auth := range []anthropic.BetaVaultCredentialNewParamsAuthUnion{
		{OfStaticBearer: &anthropic.BetaManagedAgentsStaticBearerCreateParams{
			Type: "static_bearer", Token: "tok", MCPServerURL: "https://bearer.example",
		}},
		{OfMCPOAuth: &anthropic.BetaManagedAgentsMCPOAuthCreateParams{
			Type: "mcp_oauth", AccessToken: "access", MCPServerURL: server, ExpiresAt: param.NewOpt(expires),
			Refresh: anthropic.BetaManagedAgentsMCPOAuthRefreshParams{
				ClientID: "client", RefreshToken: "refresh", TokenEndpoint: "https://login.example/token", Scope: param.NewOpt("a b"),
				TokenEndpointAuth: anthropic.BetaManagedAgentsMCPOAuthRefreshParamsTokenEndpointAuthUnion{
					OfClientSecretBasic: &anthropic.BetaManagedAgentsTokenEndpointAuthBasicParam{Type: "client_secret_basic", ClientSecret: "secret"},
				},
			},
		}},
		{OfEnvironmentVariable: &anthropic.BetaManagedAgentsEnvironmentVariableCreateParams{
			Type: "environment_variable", SecretName: "TOKEN", SecretValue: "value",
			Networking: anthropic.BetaManagedAgentsCredentialNetworkingParamsUnion{
				OfLimited: &anthropic.BetaManagedAgentsLimitedCredentialNetworkingParams{Type: "limited", AllowedHosts: []string{"*.example.com"}},
			},
		}},
	} {
		credential, err := vaults.Credentials.New(ctx, vault.ID, anthropic.BetaVaultCredentialNewParams{Auth: auth, DisplayName: param.NewOpt("name"), Metadata: map[string]string{"x": "y"}})
		must("new credential", err)
		if credential.VaultID != vault.ID || credential.Type != "vault_credential" || credential.DisplayName != "" || credential.Metadata["x"] != "y" {
			t.Errorf("credential: %s", credential.RawJSON())
		}
		ids[credential.Auth.Type] = credential.ID
	}
	oauth, err := vaults.Credentials.Get(ctx, ids["mcp_oauth"], anthropic.BetaVaultCredentialGetParams{VaultID: vault.ID})
	must("get credential", err)
	if got := oauth.Auth.AsMCPOAuth(); got.MCPServerURL != server || !got.ExpiresAt.Equal(expires) || got.Refresh.TokenEndpointAuth.Type != "client_secret_basic" || got.Refresh.Scope != "a b" {
		t.Errorf("credential: %s", oauth.RawJSON())
	}
	_, err = vaults.Credentials.New(ctx, vault.ID, anthropic.BetaVaultCredentialNewParams{Auth: anthropic.BetaVaultCredentialNewParamsAuthUnion{
		OfStaticBearer: &anthropic.BetaManagedAgentsStaticBearerCreateParams{Type: "static_bearer", Token: "tok", MCPServerURL: server},
	}}, option.WithMaxRetries(0))
	status(t, "the same server", 409, err)
	_, err = vaults.Credentials.Update(ctx, ids["static_bearer"], anthropic.BetaVaultCredentialUpdateParams{VaultID: vault.ID, Auth: anthropic.BetaVaultCredentialUpdateParamsAuthUnion{
		OfStaticBearer: &anthropic.BetaManagedAgentsStaticBearerUpdateParams{Type: "static_bearer", Token: param.NewOpt("tok-2")},
	}})
	must("update credential", err)
	validation, err := vaults.Credentials.MCPOAuthValidate(ctx, ids["mcp_oauth"], anthropic.BetaVaultCredentialMCPOAuthValidateParams{VaultID: vault.ID})
	must("validate credential", err)
	if validation.Status != "unknown" || !validation.HasRefreshToken || validation.CredentialID != ids["mcp_oauth"] {
		t.Errorf("validation: %s", validation.RawJSON())
	}
	archived, err := vaults.Credentials.Archive(ctx, ids["static_bearer"], anthropic.BetaVaultCredentialArchiveParams{VaultID: vault.ID})
	must("archive credential", err)
	if archived.ArchivedAt.IsZero() {
		t.Errorf("archived: %s", archived.RawJSON())
	}
	listed := 0
	for pager := vaults.Credentials.ListAutoPaging(ctx, vault.ID, anthropic.BetaVaultCredentialListParams{Limit: param.NewOpt[int64](1)}); pager.Next(); {
		listed++
	}
	if listed != 2 {
		t.Errorf("%d active credentials", listed)
	}
	deleted, err := vaults.Credentials.Delete(ctx, ids["environment_variable"], anthropic.BetaVaultCredentialDeleteParams{VaultID: vault.ID})
	must("delete credential", err)
	if deleted.ID != ids["environment_variable"] || deleted.Type != "vault_credential_deleted" {
		t.Errorf("deleted: %s", deleted.RawJSON())
	}
	found := false
	for pager := vaults.ListAutoPaging(ctx, anthropic.BetaVaultListParams{Limit: param.NewOpt[int64](1)}); pager.Next(); {
		found = found || pager.Current().ID == vault.ID
	}
	if !found {
		t.Error("the list does not have the vault")
	}
	_, err = vaults.Archive(ctx, vault.ID, anthropic.BetaVaultArchiveParams{})
	must("archive vault", err)
	_, err = vaults.Delete(ctx, vault.ID, anthropic.BetaVaultDeleteParams{})
	must("delete vault", err)
	_, err = vaults.Get(ctx, vault.ID, anthropic.BetaVaultGetParams{})
	status(t, "a deleted vault", 404, err)
}
