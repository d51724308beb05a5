package vault

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloud-sessions/sessions/gen/types"
	"github.com/cloud-sessions/sessions/server/egress"
)

const (
	// probeTime bounds one request to an MCP server.
	probeTime = 10 * time.Second
	// largestProbe bounds what is read of a response, in bytes.
	largestProbe = 64 << 10
	// largestShown bounds what is shown of a body, in bytes.
	largestShown = 4096
	// largestType bounds what is shown of a media type, in bytes.
	largestType = 255
)

// initialize begins a session of MCP.
const initialize = `{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"cloud-sessions","version":"1.0"}}}`

// Validation is what a server says of a credential. Responses have no secret.
type Validation struct {
	Status  types.CredentialValidity
	Refresh *types.CredentialRefreshCheck // nil when none was needed
	Probe   *types.CredentialProbe        // nil when no request may be sent
}

// Validate asks the MCP server of a credential of OAuth whether it accepts the access token. If it does not, the token is
// refreshed, as Bearer does it, and the server is asked again. A server that cannot be asked leaves the status unknown. It
// takes up to a minute, and must not be called within a transaction.
func (s *Safe) Validate(ctx context.Context, account, vaultID, id string) (Validation, error) {
	unknown := Validation{Status: types.CredentialValidityUnknown}
	if s.http == nil || !s.Available() {
		return unknown, nil
	}
	c, err := s.store.GetCredential(ctx, account, vaultID, id)
	if err != nil {
		return unknown, err
	}
	o, err := s.opened(account, c)
	if err != nil || o.oauth == nil {
		return unknown, err
	}
	v, status := s.probe(ctx, o, o.secret.Token)
	if status != http.StatusUnauthorized {
		return v, nil
	}
	if o.oauth.Refresh == nil {
		v.Refresh = &types.CredentialRefreshCheck{Status: types.CredentialRefreshStatusNoRefreshToken}
		return v, nil
	}
	token, err := s.refreshed(ctx, account, o, o.secret.Token)
	refusal, refused := errors.AsType[*refusedExchange](err)
	switch {
	case refused:
		shown := shownResponse(refusal.response, refusal.body, false, o.secret)
		v.Refresh = &types.CredentialRefreshCheck{Status: types.CredentialRefreshStatusFailed, HTTPResponse: &shown}
		return v, nil
	case err != nil:
		v.Status, v.Refresh = types.CredentialValidityUnknown, &types.CredentialRefreshCheck{Status: types.CredentialRefreshStatusConnectError}
		return v, nil
	}
	again, _ := s.probe(ctx, o, token)
	again.Refresh = &types.CredentialRefreshCheck{Status: types.CredentialRefreshStatusSucceeded}
	return again, nil
}

// probe sends initialize with a token, and returns the status of the response, 0 for none.
func (s *Safe) probe(ctx context.Context, o opened, token string) (Validation, int) {
	v := Validation{Status: types.CredentialValidityUnknown}
	ctx, cancel := context.WithTimeout(ctx, probeTime)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, o.oauth.MCPServerURL, strings.NewReader(initialize))
	if err != nil {
		return v, 0
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json, text/event-stream")
	response, err := s.http.Do(r)
	if _, refused := errors.AsType[*egress.Refused](err); refused {
		return v, 0
	}
	v.Probe = &types.CredentialProbe{Method: types.ProbeMethodInitialize}
	if err != nil {
		return v, 0
	}
	defer response.Body.Close()
	secret := o.secret
	secret.Value = token // which may be another one than the stored token
	var body []byte
	cut := response.ContentLength != 0
	switch {
	case response.StatusCode/100 == 2:
		v.Status = types.CredentialValidityValid // the body is of no interest, and a stream may never end
	case response.StatusCode == http.StatusUnauthorized, response.StatusCode == http.StatusForbidden:
		v.Status = types.CredentialValidityInvalid
	}
	if v.Status != types.CredentialValidityValid {
		body, err = io.ReadAll(io.LimitReader(response.Body, largestProbe))
		cut = err != nil || len(body) == largestProbe
	}
	shown := shownResponse(response, body, cut, secret)
	v.Probe.HTTPResponse = &shown
	return v, response.StatusCode
}

// shownResponse returns what callers see of a response: the beginning of its body, without the secret. cut is whether the body
// was longer.
func shownResponse(response *http.Response, body []byte, cut bool, secret Secret) types.ProbeResponse {
	media, _, err := mime.ParseMediaType(response.Header.Get("Content-Type"))
	if err != nil {
		media = ""
	}
	text, more := beginning(masked(string(body), secret, cut), largestShown)
	media, _ = beginning(masked(media, secret, false), largestType)
	return types.ProbeResponse{StatusCode: int32(response.StatusCode), ContentType: media, Body: text, BodyTruncated: cut || more}
}

// beginning returns at most so many bytes of a text, as valid UTF-8 without NUL, and whether there are more.
func beginning(text string, most int) (string, bool) {
	text = strings.ToValidUTF8(strings.ReplaceAll(text, "\x00", ""), "")
	if len(text) <= most {
		return text, false
	}
	return strings.ToValidUTF8(text[:most], ""), true
}

// mask stands for a secret.
const mask = "[secret]"

// masked returns a text without the secret, however it is written there, whatever the case of its letters. Of a text that was
// cut it leaves out the end, which may be the beginning of a secret.
func masked(text string, secret Secret, cut bool) string {
	forms := secret.forms()
	lower := asciiLower(text)
	var b strings.Builder
	for i := 0; i < len(text); {
		at := slices.IndexFunc(forms, func(form string) bool { return strings.HasPrefix(lower[i:], form) })
		if at < 0 {
			b.WriteByte(text[i])
			i++
			continue
		}
		b.WriteString(mask)
		i += len(forms[at])
	}
	shown := b.String()
	if cut && len(forms) > 0 {
		shown = shown[:max(0, len(shown)-len(forms[0]))]
	}
	return shown
}

// forms lists how the secret may be written, in lower case and the longest first: plain, in JSON, in a URL, in hexadecimal
// digits or in base64.
func (s Secret) forms() (forms []string) {
	for _, plain := range []string{s.Token, s.RefreshToken, s.ClientSecret, s.Value} {
		if plain == "" {
			continue
		}
		quoted, _ := json.Marshal(plain)
		forms = append(forms, plain, strings.Trim(string(quoted), `"`), url.QueryEscape(plain), url.PathEscape(plain), hex.EncodeToString([]byte(plain)))
		for shift := range 3 { // within a longer text, such as the Authorization of Basic
			encoded := base64.RawStdEncoding.EncodeToString([]byte(strings.Repeat("x", shift) + plain))
			if first, last := (shift*8+5)/6, len(encoded)-1; last-first >= 8 {
				forms = append(forms, encoded[first:last])
			}
		}
	}
	for i, form := range forms {
		forms[i] = asciiLower(form)
	}
	slices.SortFunc(forms, func(a, b string) int { return cmp.Or(len(b)-len(a), strings.Compare(a, b)) }) // one may be a part of another
	return slices.Compact(forms)
}

// asciiLower returns a text of the same length whose ASCII letters are in lower case.
func asciiLower(text string) string {
	lower := []byte(text)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return string(lower)
}
