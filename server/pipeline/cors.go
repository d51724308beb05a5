package pipeline

import (
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/labstack/echo/v4"
	"github.com/rs/cors"

	"github.com/cloud-sessions/sessions/api/contract"
)

// originPattern is what an Origin header of a page looks like: a scheme, a host in lower case, and a port unless it is the
// scheme's own. A host may start with a wildcard for its subdomains.
var originPattern = regexp.MustCompile(`^https?://(\*\.)?([a-z0-9]([a-z0-9.-]*[a-z0-9])?|\[[0-9a-f:.]+\])(:[0-9]{1,5})?$`)

// CheckOrigins returns an error unless each origin is one whose pages may use the API: SCHEME://HOST[:PORT] as browsers send
// it, https://*.HOST for the subdomains of a host, or * for every page.
func CheckOrigins(origins []string) error {
	for _, origin := range origins {
		if origin != "*" && !originPattern.MatchString(origin) {
			return fmt.Errorf("%q is not the origin of a page; write SCHEME://HOST[:PORT] in lower case, without a path, https://*.HOST, or *", origin)
		}
	}
	return nil
}

// corsMaxAge is how long, in seconds, a browser may remember a preflight's response; Chromium keeps it no longer.
const corsMaxAge = 2 * 60 * 60

// crossOrigin lets the pages of these origins use what next serves (decision "Browsers"). Callers authenticate with a
// token, which a browser never adds by itself, so credentials of the browser are not allowed and an origin that may use
// the API can do nothing without a token.
func crossOrigin(c *contract.Contract, origins []string, next http.Handler) http.Handler {
	if len(origins) == 0 {
		return next
	}
	var methods []string
	for op := range c.Operations() {
		methods = append(methods, op.Method)
	}
	slices.Sort(methods)
	options := cors.Options{
		AllowedOrigins: origins,
		AllowedMethods: append(slices.Compact(methods), http.MethodHead),
		AllowedHeaders: append(c.RequestHeaders(), echo.HeaderAuthorization, echo.HeaderContentType, echo.HeaderXRequestID),
		ExposedHeaders: c.ResponseHeaders(),
		MaxAge:         corsMaxAge,
	}
	if !slices.Contains(origins, "*") { // whose responses do not repeat the origin
		options.AllowOriginFunc = func(origin string) bool { return allowsOrigin(origins, origin) }
	}
	return cors.New(options).Handler(next)
}

// allowsOrigin reports whether a value of the Origin header is an origin, and one of those allowed. The library's own wildcards
// match what is not an origin as well, such as "https://evil.example/.apps.example".
func allowsOrigin(allowed []string, origin string) bool {
	if !originPattern.MatchString(origin) {
		return false
	}
	return slices.ContainsFunc(allowed, func(allowed string) bool {
		before, after, wild := strings.Cut(allowed, "*")
		return origin == allowed || wild && strings.HasPrefix(origin, before) && strings.HasSuffix(origin, after) && len(origin) > len(allowed)
	})
}
