package vault

import (
	"cmp"
	"net/url"
	"strconv"
	"strings"
)

// MatchURL returns the form in which the URLs of MCP servers are compared: two URLs name the same server when their forms
// are equal (decision "Credential of a server"). Scheme and host are in lower case, a default port and the fragment are
// left out, and an empty path is "/". "" for text that is not an absolute http or https URL with a host.
func MatchURL(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Hostname() == "" || u.User != nil || strings.Contains(u.Host, "\\") {
		return ""
	}
	if port, err := strconv.Atoi(cmp.Or(u.Port(), "80")); err != nil || port < 1 || port > 65535 {
		return ""
	}
	u.Scheme, u.Host = strings.ToLower(u.Scheme), strings.ToLower(u.Host)
	switch u.Scheme {
	case "http":
		u.Host = strings.TrimSuffix(u.Host, ":80")
	case "https":
		u.Host = strings.TrimSuffix(u.Host, ":443")
	default:
		return ""
	}
	u.Host = strings.TrimSuffix(u.Host, ":")
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment, u.RawFragment = "", ""
	return u.String()
}
