// Package redact finds secrets that no schema marks: in headers, and in the URLs of a text. Programs that show or keep
// requests of somebody else use it.
package redact

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// Redacted takes the place of secrets.
const Redacted = "redacted"

// secretWords are what names of headers and of parameters in URLs contain when their values are secrets: the access to an
// account, or the signature of a URL that needs no other access.
var secretWords = []string{"authorization", "cookie", "token", "secret", "password", "signature", "credential", "api-key", "api_key", "apikey"}

// IsName reports whether the value of a header, or of a parameter in a URL, is a secret. The ids of secrets are none.
func IsName(name string) bool {
	name = strings.ToLower(name)
	if strings.HasSuffix(name, "_id") {
		return false
	}
	return name == "sig" || slices.ContainsFunc(secretWords, func(word string) bool { return strings.Contains(name, word) })
}

// IsProperty reports whether a property of JSON is one of those that hold secrets, in any letter case.
func IsProperty(name string, secrets []string) bool {
	return slices.ContainsFunc(secrets, func(secret string) bool { return strings.EqualFold(secret, name) })
}

// parameter is a name and a value in the query of a URL or in a form, also where JSON has escaped the ampersand and the equals
// sign. user is a user name with a password in a URL.
var (
	parameter = regexp.MustCompile(`(^"?|[?&]|\\u0026)([A-Za-z0-9_.%\[\]-]+)(=|\\u003[dD])([^&#"'\\\s<>]*)`)
	user      = regexp.MustCompile(`(://[^/?#@:"\\\s]*:)[^/?#@"\\\s]+@`)
)

// Text returns a text without the secrets in its URLs, such as signatures and passwords.
func Text(text string) string {
	if strings.Contains(text, "://") {
		text = user.ReplaceAllString(text, "${1}"+Redacted+"@")
	}
	if !strings.Contains(text, "=") && !strings.Contains(text, `\u003`) {
		return text
	}
	return parameter.ReplaceAllStringFunc(text, func(found string) string {
		parts := parameter.FindStringSubmatch(found)
		name, err := url.QueryUnescape(parts[2])
		if parts[4] == "" || err == nil && !IsName(name) {
			return found
		}
		return parts[1] + parts[2] + parts[3] + Redacted
	})
}
