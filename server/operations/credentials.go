package operations

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/cloud-sessions/sessions/api/contract"
	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/plainjson"
	"github.com/cloud-sessions/sessions/server/request"
	"github.com/cloud-sessions/sessions/server/store"
	"github.com/cloud-sessions/sessions/server/vault"
)

// credentialInput is a new credential as it is stored, with its secret.
type credentialInput struct {
	spec   store.CredentialSpec
	secret vault.Secret
}

// newCredentials reads the credentials of a new vault.
func newCredentials(requests []types.CreateVaultCredentialRequest) ([]credentialInput, error) {
	credentials := make([]credentialInput, len(requests))
	for i, r := range requests {
		var err error
		if credentials[i], err = newCredential(fmt.Sprintf("credentials[%d].", i), r); err != nil {
			return nil, err
		}
	}
	return credentials, nil
}

// newCredential reads either form of a new credential. at is the path of the request in the body, which ends in a dot, or "".
func newCredential(at string, r types.CreateVaultCredentialRequest) (c credentialInput, err error) {
	input, err := authOf(at, r)
	if err != nil {
		return c, err
	}
	at += "auth."
	var auth types.CredentialAuth
	switch a := input.AsAny().(type) {
	case types.StaticBearerInput:
		auth, c.secret = types.NewCredentialAuth(types.StaticBearer{MCPServerURL: a.MCPServerURL}), vault.Secret{Token: a.Token}
		err = c.forServer(at, a.MCPServerURL)
	case types.MCPOAuthInput:
		auth, err = c.oauth(at, a)
	case types.EnvironmentVariableInput:
		auth, c.secret = newVariable(a), vault.Secret{Value: a.SecretValue}
		c.spec.Target = variableTarget(a.SecretName)
	}
	if err != nil {
		return c, err
	}
	if c.spec.Protocol != "" && r.Protocol != nil {
		c.spec.Protocol = string(*r.Protocol)
	}
	c.spec.Metadata = r.Metadata
	c.spec.Auth, err = plainjson.Marshal(auth)
	return c, err
}

// authOf returns the authorization of either form.
func authOf(at string, r types.CreateVaultCredentialRequest) (types.CredentialInput, error) {
	flat := r.Type != nil || r.MCPServerURL != nil || r.Protocol != nil || r.AccessToken != nil
	missing := func(field string) (types.CredentialInput, error) {
		return types.CredentialInput{}, &contract.RequestError{Param: at + field, Message: "Missing required field: " + at + field}
	}
	switch {
	case r.Auth != nil && flat:
		return types.CredentialInput{}, &contract.RequestError{Param: at + "auth",
			Message: "Send either 'auth' or the flat form with 'type', 'mcp_server_url', 'protocol' and 'access_token', not both."}
	case r.Auth != nil:
		return *r.Auth, nil
	case !flat:
		return missing("auth")
	case r.Type == nil:
		return missing("type")
	case r.MCPServerURL == nil:
		return missing("mcp_server_url")
	case r.Protocol == nil:
		return missing("protocol")
	case r.AccessToken == nil:
		return missing("access_token")
	}
	return types.NewCredentialInput(types.StaticBearerInput{MCPServerURL: *r.MCPServerURL, Token: *r.AccessToken}), nil
}

// forServer makes the credential one for an MCP server.
func (c *credentialInput) forServer(at, url string) error {
	c.spec.Protocol = string(types.MCPProtocolStreamableHTTP)
	c.spec.Target = vault.MatchURL(url)
	if c.spec.Target == "" {
		return invalidURL(at + "mcp_server_url")
	}
	return nil
}

func invalidURL(param string) error {
	return &contract.RequestError{Param: param, Message: "Field '" + param + "' must be an http or https URL with a host, a port up to 65535 and no user name."}
}

// oauth reads an authorization of OAuth.
func (c *credentialInput) oauth(at string, a types.MCPOAuthInput) (types.CredentialAuth, error) {
	auth := types.MCPOAuth{MCPServerURL: a.MCPServerURL}
	c.secret = vault.Secret{Token: a.AccessToken}
	if err := c.forServer(at, a.MCPServerURL); err != nil {
		return types.CredentialAuth{}, err
	}
	if a.ExpiresAt != nil {
		at, err := expiry(at, *a.ExpiresAt)
		if err != nil {
			return types.CredentialAuth{}, err
		}
		auth.ExpiresAt = &at
	}
	if r := a.Refresh; r != nil {
		if vault.MatchURL(r.TokenEndpoint) == "" {
			return types.CredentialAuth{}, invalidURL(at + "refresh.token_endpoint")
		}
		secret, err := clientSecret(at, r.TokenEndpointAuth, nil)
		if err != nil {
			return types.CredentialAuth{}, err
		}
		c.secret.RefreshToken, c.secret.ClientSecret = r.RefreshToken, secret
		auth.Refresh = &types.OAuthRefresh{
			ClientID: r.ClientID, TokenEndpoint: r.TokenEndpoint, Resource: r.Resource, Scope: r.Scope,
			TokenEndpointAuth: types.TokenEndpointAuth{Type: r.TokenEndpointAuth.Type},
		}
	}
	return types.NewCredentialAuth(auth), nil
}

// expiry returns a time as it is stored. Its year must have four digits in UTC.
func expiry(at string, t time.Time) (time.Time, error) {
	t = t.UTC().Truncate(time.Microsecond)
	if t.Year() < 1970 || t.Year() > 9999 {
		return t, &contract.RequestError{Param: at + "expires_at", Message: "Field '" + at + "expires_at' must be a time of the years 1970 to 9999 in UTC."}
	}
	return t, nil
}

// clientSecret returns the secret that a client authenticates itself with; kept is one that exists already.
func clientSecret(at string, auth types.TokenEndpointAuthInput, kept *string) (string, error) {
	param := at + "refresh.token_endpoint_auth.client_secret"
	switch none := auth.Type == types.TokenEndpointAuthTypeNone; {
	case none && auth.ClientSecret != nil:
		return "", &contract.RequestError{Param: param, Message: "Field '" + param + "' must be left out for the type 'none'."}
	case none:
		return "", nil
	case auth.ClientSecret != nil:
		return *auth.ClientSecret, nil
	case kept != nil && *kept != "":
		return *kept, nil
	}
	return "", &contract.RequestError{Param: param, Message: "Missing required field: " + param}
}

// newVariable reads an environment variable, without its value.
func newVariable(a types.EnvironmentVariableInput) types.CredentialAuth {
	v := types.EnvironmentVariable{
		SecretName: a.SecretName, Networking: types.SecretNetworking{Type: types.SecretNetworkingTypeUnrestricted},
		InjectionLocation: types.InjectionLocation{Header: new(true), Body: new(true)},
	}
	setVariable(&v, a.Networking, a.InjectionLocation)
	return types.NewCredentialAuth(v)
}

// setVariable changes where the value of a variable may be sent.
func setVariable(v *types.EnvironmentVariable, networking *types.SecretNetworking, injection *types.InjectionLocation) {
	set(&v.Networking, networking)
	if injection == nil {
		return
	}
	if injection.Header != nil {
		v.InjectionLocation.Header = injection.Header
	}
	if injection.Body != nil {
		v.InjectionLocation.Body = injection.Body
	}
}

// variableTarget is the target of an environment variable, which is not a URL.
func variableTarget(name string) string { return "variable " + name }

// addCredentials adds the first credentials of a vault.
func (h *handler) addCredentials(ctx context.Context, vaultID string, credentials []credentialInput) ([]types.VaultCredential, error) {
	added := make([]types.VaultCredential, len(credentials))
	for i, c := range credentials {
		var err error
		if added[i], err = h.addCredential(ctx, vaultID, c); err != nil {
			return nil, err
		}
	}
	return added, nil
}

func (h *handler) addCredential(ctx context.Context, vaultID string, c credentialInput) (types.VaultCredential, error) {
	credential, err := h.vaults.Add(ctx, request.Account(ctx), vaultID, c.spec, c.secret, h.maxCredentials)
	return wireIf(credential, err, wireCredential)
}

// changeCredential applies an update to a credential. Only one that replaces secrets needs the key.
func (h *handler) changeCredential(ctx context.Context, vaultID, id string, body *types.UpdateVaultCredentialRequest) (store.Credential, error) {
	change := func(spec *store.CredentialSpec, secret *vault.Secret) (err error) {
		if body.Auth != nil {
			if err := patchCredential(spec, secret, *body.Auth); err != nil {
				return err
			}
		}
		spec.Metadata, err = h.patched(spec.Metadata, body.Metadata)
		return err
	}
	if body.Auth != nil && replacesSecret(*body.Auth) {
		return h.vaults.Update(ctx, request.Account(ctx), vaultID, id, change)
	}
	return h.store.UpdateCredential(ctx, request.Account(ctx), vaultID, id, func(spec *store.CredentialSpec) error {
		return change(spec, &vault.Secret{})
	})
}

// replacesSecret reports whether a patch concerns a secret.
func replacesSecret(patch types.CredentialPatch) bool {
	switch p := patch.AsAny().(type) {
	case types.StaticBearerPatch:
		return p.Token != nil
	case types.MCPOAuthPatch:
		return p.AccessToken != nil || p.Refresh != nil && (p.Refresh.RefreshToken != nil || p.Refresh.TokenEndpointAuth != nil)
	case types.EnvironmentVariablePatch:
		return p.SecretValue != nil
	}
	return false
}

// patchCredential applies a patch to an authorization and its secret.
func patchCredential(spec *store.CredentialSpec, secret *vault.Secret, patch types.CredentialPatch) (err error) {
	var auth types.CredentialAuth
	if err := json.Unmarshal(spec.Auth, &auth); err != nil {
		return fmt.Errorf("a credential's auth: %w", err)
	}
	otherType := &contract.RequestError{Param: "auth.type", Message: "Field 'auth.type' must be the type of the credential, which cannot change."}
	switch p := patch.AsAny().(type) {
	case types.StaticBearerPatch:
		stored, ok := auth.AsAny().(types.StaticBearer)
		if !ok {
			return otherType
		}
		set(&secret.Token, p.Token)
		err = fixed("auth.mcp_server_url", stored.MCPServerURL, p.MCPServerURL)
	case types.MCPOAuthPatch:
		stored, ok := auth.AsAny().(types.MCPOAuth)
		if !ok {
			return otherType
		}
		if err = patchOAuth(&stored, secret, p); err == nil {
			spec.Auth, err = plainjson.Marshal(types.NewCredentialAuth(stored))
		}
	case types.EnvironmentVariablePatch:
		stored, ok := auth.AsAny().(types.EnvironmentVariable)
		if !ok {
			return otherType
		}
		set(&secret.Value, p.SecretValue)
		setVariable(&stored, p.Networking, p.InjectionLocation)
		if err = fixed("auth.secret_name", stored.SecretName, p.SecretName); err == nil {
			spec.Auth, err = plainjson.Marshal(types.NewCredentialAuth(stored))
		}
	}
	return err
}

// patchOAuth applies a patch to an authorization of OAuth.
func patchOAuth(auth *types.MCPOAuth, secret *vault.Secret, p types.MCPOAuthPatch) error {
	if err := fixed("auth.mcp_server_url", auth.MCPServerURL, p.MCPServerURL); err != nil {
		return err
	}
	set(&secret.Token, p.AccessToken)
	if p.ExpiresAt.IsNull() {
		auth.ExpiresAt = nil
	} else if p.ExpiresAt.IsSpecified() {
		at, err := expiry("auth.", p.ExpiresAt.MustGet())
		if err != nil {
			return err
		}
		auth.ExpiresAt = &at
	}
	if p.Refresh == nil {
		return nil
	}
	if auth.Refresh == nil {
		return &contract.RequestError{Param: "auth.refresh", Message: "Field 'auth.refresh' cannot be added later; delete the credential and add it again."}
	}
	return patchRefresh(auth.Refresh, secret, *p.Refresh)
}

// patchRefresh applies a patch to how an access token is refreshed.
func patchRefresh(refresh *types.OAuthRefresh, secret *vault.Secret, p types.OAuthRefreshPatch) error {
	for _, err := range []error{
		fixed("auth.refresh.client_id", refresh.ClientID, p.ClientID),
		fixed("auth.refresh.token_endpoint", refresh.TokenEndpoint, p.TokenEndpoint),
		fixed("auth.refresh.resource", value(refresh.Resource), p.Resource),
	} {
		if err != nil {
			return err
		}
	}
	set(&secret.RefreshToken, p.RefreshToken)
	if p.Scope.IsNull() {
		refresh.Scope = nil
	} else if p.Scope.IsSpecified() {
		refresh.Scope = new(p.Scope.MustGet())
	}
	if p.TokenEndpointAuth == nil {
		return nil
	}
	kept, err := clientSecret("auth.", *p.TokenEndpointAuth, &secret.ClientSecret)
	if err != nil {
		return err
	}
	secret.ClientSecret, refresh.TokenEndpointAuth.Type = kept, p.TokenEndpointAuth.Type
	return nil
}

// fixed returns an error when a patch has another value for a field that cannot change.
func fixed(param, stored string, patch *string) error {
	if patch == nil || *patch == stored {
		return nil
	}
	return &contract.RequestError{Param: param, Message: "Field '" + param + "' cannot change; delete the credential and add another one."}
}

// validatable returns the authorization of a credential that can be validated.
func validatable(v store.Vault, c store.Credential) (types.MCPOAuth, error) {
	var auth types.CredentialAuth
	if err := json.Unmarshal(c.Auth, &auth); err != nil {
		return types.MCPOAuth{}, fmt.Errorf("credential %s: auth: %w", c.ID, err)
	}
	oauth, ok := auth.AsAny().(types.MCPOAuth)
	if !ok || v.ArchivedAt != nil || c.ArchivedAt != nil {
		return types.MCPOAuth{}, &contract.RequestError{Message: "Only a credential of the type 'mcp_oauth' that is not archived, in a vault that is not archived, can be validated."}
	}
	return oauth, nil
}

func wireCredential(c store.Credential) (types.VaultCredential, error) {
	wire := types.VaultCredential{
		ID:         c.ID,
		Type:       types.VaultCredentialTypeVaultCredential,
		VaultID:    c.VaultID,
		Status:     vaultStatus(c.ArchivedAt),
		Metadata:   c.Metadata,
		ArchivedAt: c.ArchivedAt,
		CreatedAt:  c.CreatedAt,
		UpdatedAt:  c.UpdatedAt,
	}
	if err := json.Unmarshal(c.Auth, &wire.Auth); err != nil {
		return wire, fmt.Errorf("credential %s: auth: %w", c.ID, err)
	}
	switch auth := wire.Auth.AsAny().(type) {
	case types.StaticBearer:
		wire.MCPServerURL = &auth.MCPServerURL
	case types.MCPOAuth:
		wire.MCPServerURL = &auth.MCPServerURL
	}
	if c.Protocol != "" {
		wire.Protocol = new(types.MCPProtocol(c.Protocol))
	}
	return wire, nil
}
