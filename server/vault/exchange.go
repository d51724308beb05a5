package vault

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
)

// largestTokens bounds the response of a token endpoint, in bytes.
const largestTokens = 64 << 10

// tokens is the response of a token endpoint (RFC 6749, section 5.1).
type tokens struct {
	AccessToken  string `json:"access_token"`
	RefreshToken string `json:"refresh_token"`
	// ExpiresIn is a number of seconds; some endpoints write it as a text.
	ExpiresIn any `json:"expires_in"`
}

// expiresAt returns when the access token expires; nil when the token endpoint did not say it.
func (t tokens) expiresAt(now time.Time) *time.Time {
	seconds, err := strconv.ParseFloat(fmt.Sprint(t.ExpiresIn), 64)
	if err != nil || !(seconds > 0 && seconds < 100*365*24*60*60) {
		return nil
	}
	return new(now.Add(time.Duration(seconds * float64(time.Second))).UTC().Truncate(time.Microsecond))
}

// oauthErrors are the codes of RFC 6749, section 5.2, that an error may repeat; anything else could be a secret.
var oauthErrors = []string{
	"invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type", "invalid_scope", "invalid_target",
}

// refusedExchange is a refusal of a token endpoint. Its text is for callers; the response may have secrets.
type refusedExchange struct {
	response *http.Response
	body     []byte
	text     string
}

func (e *refusedExchange) Error() string { return e.text }

// exchange asks the token endpoint for new tokens. Its errors repeat nothing of what was sent or received, except the code of
// an error.
func (s *Safe) exchange(ctx context.Context, refresh types.OAuthRefresh, secret Secret) (tokens, error) {
	r, err := exchangeRequest(ctx, refresh, secret)
	if err != nil {
		return tokens{}, errors.New("the credential's token endpoint is not a URL")
	}
	response, err := s.http.Do(r)
	if err != nil {
		if ctx.Err() != nil {
			return tokens{}, errors.New("the token endpoint did not respond in time")
		}
		return tokens{}, errors.New("the token endpoint cannot be reached, or this server must not send requests to it")
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, largestTokens+1))
	if err != nil || len(body) > largestTokens {
		return tokens{}, errors.New("the response of the token endpoint is too large or was cut")
	}
	if response.StatusCode != http.StatusOK {
		if response.StatusCode < http.StatusBadRequest {
			body = nil // it may have tokens
		}
		var refusal struct {
			Error string `json:"error"`
		}
		_ = json.Unmarshal(body, &refusal) // of a body that is another thing there is no code
		if slices.Contains(oauthErrors, refusal.Error) {
			return tokens{}, &refusedExchange{response, body, fmt.Sprintf("the token endpoint refused to refresh the access token (status %d, %s); update the credential", response.StatusCode, refusal.Error)}
		}
		return tokens{}, &refusedExchange{response, body, fmt.Sprintf("the token endpoint refused to refresh the access token (status %d)", response.StatusCode)}
	}
	var got tokens
	if json.Unmarshal(body, &got) != nil || !s.isToken(got.AccessToken, '!') || got.RefreshToken != "" && !s.isToken(got.RefreshToken, ' ') {
		return tokens{}, errors.New("the response of the token endpoint has no usable access token")
	}
	return got, nil
}

// exchangeRequest is the request for new tokens (RFC 6749, section 6).
func exchangeRequest(ctx context.Context, refresh types.OAuthRefresh, secret Secret) (*http.Request, error) {
	form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {secret.RefreshToken}}
	if refresh.Scope != nil {
		form.Set("scope", *refresh.Scope)
	}
	if refresh.Resource != nil {
		form.Set("resource", *refresh.Resource)
	}
	basic := refresh.TokenEndpointAuth.Type == types.TokenEndpointAuthTypeClientSecretBasic
	if !basic {
		form.Set("client_id", refresh.ClientID)
	}
	if refresh.TokenEndpointAuth.Type == types.TokenEndpointAuthTypeClientSecretPost {
		form.Set("client_secret", secret.ClientSecret)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, refresh.TokenEndpoint, strings.NewReader(form.Encode()))
	if err != nil {
		return nil, err
	}
	if basic {
		r.SetBasicAuth(url.QueryEscape(refresh.ClientID), url.QueryEscape(secret.ClientSecret))
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Accept", "application/json")
	return r, nil
}

// isToken reports whether text can be a token: printable ASCII from a first character on.
func (s *Safe) isToken(text string, first byte) bool {
	return text != "" && len(text) <= s.maxToken && !strings.ContainsFunc(text, func(c rune) bool { return c < rune(first) || c > '~' })
}
