package pipeline

import (
	"net/http"
	"net/url"
	"strings"
)

// withPlainPath returns a request whose path has no unreserved character percent-encoded: /v1/%73essions is
// /v1/sessions (RFC 9110, section 4.2.3). Other characters, such as an encoded slash, stay encoded.
func withPlainPath(r *http.Request) *http.Request {
	if r.URL.RawPath == "" { // the path has nothing encoded that need not be
		return r
	}
	plain := *r
	plain.URL = new(url.URL)
	*plain.URL = *r.URL
	plain.URL.RawPath = decodeUnreserved(r.URL.RawPath)
	return &plain
}

// decodeUnreserved decodes the letters, digits and -._~ of a valid percent-encoded path.
func decodeUnreserved(path string) string {
	var plain strings.Builder
	for {
		before, rest, found := strings.Cut(path, "%")
		plain.WriteString(before)
		if !found {
			return plain.String()
		}
		code := "%" + rest[:2]
		if decoded, err := url.PathUnescape(code); err == nil && isUnreserved(decoded[0]) {
			code = decoded
		}
		plain.WriteString(code)
		path = rest[2:]
	}
}

// isUnreserved reports whether a character means the same whether it is percent-encoded or not (RFC 3986, section 2.3).
func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-._~", c) >= 0
}
